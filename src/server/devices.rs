//! Known devices: a browser that has signed in to an account keeps a cookie that says so. It opens nothing; it only keeps
//! others' guessing out of its way. It belongs to one account and outlives its sessions.

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::keys::{self, Use};
use super::secret::Secrets;
use crate::domain::UserId;

/// Life of the cookie, in seconds: as long as browsers keep one (RFC 6265bis section 5.5).
pub const LIFE: i64 = 400 * 24 * 3600;

const VERSION: u8 = 1;
const MESSAGE: usize = 1 + 16 + 16;

/// A device that has signed in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// To this account.
    pub user: UserId,
    /// Random.
    pub id: [u8; 16],
}

/// Makes and reads the cookie's value: `base64url(version ‖ user id ‖ device id ‖ MAC)`.
pub struct Devices {
    keys: Vec<hmac::Key>,
}

impl Devices {
    /// With keys of their own.
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            keys: secrets.iter().map(|secret| keys::mac_key(secret, Use::Device)).collect(),
        }
    }

    /// Makes a new device of an account known.
    ///
    /// # Panics
    /// When the system has no randomness; nothing may run then.
    pub fn make(&self, user: &UserId) -> Option<String> {
        let user = Uuid::try_parse(&user.0).ok()?;
        let mut id = [0; 16];
        #[expect(clippy::expect_used, reason = "without randomness nothing may run")]
        rand::fill(&mut id).expect("the system's random numbers");
        let message = [&[VERSION], &user.as_bytes()[..], &id].concat();
        let mac = hmac::sign(&self.keys[0], &message);
        Some(URL_SAFE_NO_PAD.encode([&message[..], mac.as_ref()].concat()))
    }

    /// Which device a value is of, if it is one of ours.
    pub fn read(&self, value: &str) -> Option<KnownDevice> {
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (message, mac) = bytes.split_at_checked(MESSAGE)?;
        let genuine = message[0] == VERSION && self.keys.iter().any(|key| hmac::verify(key, message, mac).is_ok());
        let (user, id) = message[1..].split_first_chunk::<16>()?;
        genuine.then_some(KnownDevice {
            user: UserId(Uuid::from_bytes(*user).to_string()),
            id: id.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::secret::{Secret, generate};

    fn devices() -> Devices {
        Devices::new(&Secrets::of(Secret::parse(&generate()).expect("good")))
    }

    #[test]
    fn a_device_is_known_to_the_one_account_and_to_nobody_elses_secret() {
        let (devices, user) = (devices(), UserId(Uuid::now_v7().to_string()));
        let value = devices.make(&user).expect("made");
        let known = devices.read(&value).expect("known");
        assert_eq!(known.user, user);
        assert_ne!(devices.read(&devices.make(&user).expect("made")).expect("known").id, known.id);
        assert_eq!(self::devices().read(&value), None);
    }

    #[test]
    fn nothing_else_is_a_device() {
        let devices = devices();
        let value = devices.make(&UserId(Uuid::now_v7().to_string())).expect("made");
        for other in [
            "",
            "AA",
            "é",
            &value[1..],
            &format!("{value}A"),
            &"A".repeat(87),
            &"A".repeat(10_000),
        ] {
            assert_eq!(devices.read(other), None, "{other}");
        }
        assert_eq!(devices.make(&UserId("no uuid".into())), None);
    }
}
