//! Known devices: a cookie says that a browser has signed in to an account before. It grants no access; it only gives the browser its
//! own limit of attempts, so that other people's wrong passwords do not lock its owner out. A device belongs to one account and one
//! generation of its password, and outlives its sessions. A browser that several people share keeps one device for each of them.

use aws_lc_rs::{hmac, rand};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::keys::{self, Use};
use super::secret::Secrets;
use latchkey_store::KnownDevice;
use latchkey_types::UserId;

/// Life of the cookie, in seconds: the longest that browsers keep one (RFC 6265bis section 5.5).
pub const LIFE: i64 = 400 * 24 * 3600;

/// Most devices in one cookie. Each account has one device in it, so this many people can share a browser.
pub const MAX_IN_BROWSER: usize = 4;

/// The format without a generation. Such a device counts as generation 0, before the first change of the password.
const VERSION_1: u8 = 1;
/// The format with a generation.
const VERSION_2: u8 = 2;
const MAC: usize = 32;
/// Length of the longest encoded device, in characters.
const MAX_LENGTH: usize = (1 + 16 + 8 + 16 + MAC) * 8 / 6 + 1;

/// Makes and reads the cookie's value: devices separated by dots, the latest sign-in first. Each device is
/// `base64url(version ‖ user id ‖ generation ‖ device id ‖ MAC)`.
pub struct Devices {
    keys: Vec<hmac::Key>,
}

impl Devices {
    /// Derives the MAC keys for known devices.
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            keys: secrets.iter().map(|secret| keys::mac_key(secret, Use::Device)).collect(),
        }
    }

    /// Returns the cookie's value for a browser that just signed in to an account: the device of that account first, then those of
    /// other accounts. A device of the current generation is kept, because a new device would get a new limit of attempts.
    ///
    /// # Panics
    /// If the system provides no random numbers. The program must not run without them.
    pub fn remember(&self, user: &UserId, generation: i64, known: &[KnownDevice]) -> Option<String> {
        let same = known.iter().find(|device| device.user == *user && device.generation == generation);
        let device = same.cloned().unwrap_or_else(|| KnownDevice {
            user: user.clone(),
            generation,
            id: random_id(),
        });
        let first = self.seal(&device)?;
        let others = known.iter().filter(|device| device.user != *user);
        let others = others.filter_map(|device| self.seal(device)).take(MAX_IN_BROWSER - 1);
        Some(std::iter::once(first).chain(others).collect::<Vec<_>>().join("."))
    }

    /// Returns the devices of a cookie's value that we signed. Ignores everything else in it.
    pub fn read(&self, value: &str) -> Vec<KnownDevice> {
        let devices = value.split('.').take(MAX_IN_BROWSER);
        devices.filter_map(|device| self.open(device)).collect()
    }

    fn seal(&self, device: &KnownDevice) -> Option<String> {
        let user = Uuid::try_parse(&device.user.0).ok()?;
        let generation = device.generation.to_be_bytes();
        let message = [&[VERSION_2], &user.as_bytes()[..], &generation, &device.id].concat();
        let mac = hmac::sign(&self.keys[0], &message);
        Some(URL_SAFE_NO_PAD.encode([&message[..], mac.as_ref()].concat()))
    }

    fn open(&self, value: &str) -> Option<KnownDevice> {
        if value.len() > MAX_LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(value).ok()?;
        let (message, mac) = bytes.split_last_chunk::<MAC>()?;
        if !self.keys.iter().any(|key| hmac::verify(key, message, mac).is_ok()) {
            return None;
        }
        let (version, rest) = message.split_first()?;
        let (user, rest) = rest.split_first_chunk::<16>()?;
        let (generation, id) = match *version {
            VERSION_1 => (0, rest),
            VERSION_2 => {
                let (generation, id) = rest.split_first_chunk::<8>()?;
                (i64::from_be_bytes(*generation), id)
            }
            _ => return None,
        };
        Some(KnownDevice {
            user: UserId(Uuid::from_bytes(*user).to_string()),
            generation,
            id: id.try_into().ok()?,
        })
    }
}

fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    #[expect(clippy::expect_used, reason = "the program must not run without random numbers")]
    rand::fill(&mut id).expect("the system provides random numbers");
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, generate};

    fn devices() -> Devices {
        Devices::new(&Secrets::of(Secret::parse(&generate()).expect("a strong secret")))
    }

    fn user() -> UserId {
        UserId(Uuid::now_v7().to_string())
    }

    #[test]
    fn a_device_belongs_to_one_account_and_generation_and_another_secret_cannot_read_it() {
        let (devices, user) = (devices(), user());
        let value = devices.remember(&user, 7, &[]).expect("a UUID");
        let known = devices.read(&value);
        assert_eq!((known.len(), &known[0].user, known[0].generation), (1, &user, 7));
        let other = devices.read(&devices.remember(&user, 7, &[]).expect("a UUID"));
        assert_ne!(other[0].id, known[0].id);
        assert_eq!(self::devices().read(&value), []);
    }

    #[test]
    fn a_device_of_the_current_generation_is_kept_and_an_older_one_replaced() {
        let (devices, user) = (devices(), user());
        let known = devices.read(&devices.remember(&user, 7, &[]).expect("a UUID"));
        assert_eq!(devices.read(&devices.remember(&user, 7, &known).expect("a UUID")), known);
        let next = devices.read(&devices.remember(&user, 8, &known).expect("a UUID"));
        assert_eq!((next.len(), next[0].generation), (1, 8));
        assert_ne!(next[0].id, known[0].id);
    }

    #[test]
    fn a_browser_keeps_the_devices_of_the_accounts_that_signed_in_last() {
        let (devices, users) = (devices(), [user(), user(), user(), user(), user()]);
        let mut known = Vec::new();
        for user in users.iter().chain([&users[2]]) {
            let value = devices.remember(user, 0, &known).expect("a UUID");
            assert!(value.len() <= MAX_IN_BROWSER * (MAX_LENGTH + 1));
            known = devices.read(&value);
        }
        let kept: Vec<_> = known.iter().map(|device| &device.user).collect();
        assert_eq!(kept, [&users[2], &users[4], &users[3], &users[1]]);
    }

    #[test]
    fn a_version_1_device_counts_as_generation_0() {
        let (devices, user) = (devices(), user());
        let id = [9; 16];
        let message = [&[VERSION_1], &Uuid::try_parse(&user.0).expect("an id").as_bytes()[..], &id].concat();
        let mac = hmac::sign(&devices.keys[0], &message);
        let value = URL_SAFE_NO_PAD.encode([&message[..], mac.as_ref()].concat());
        let known = devices.read(&value);
        assert_eq!(
            known,
            [KnownDevice {
                user: user.clone(),
                generation: 0,
                id
            }]
        );
        // Encoded again, it is the same device in the format with a generation.
        let value = devices.remember(&user, 0, &known).expect("a UUID");
        assert_eq!((value.len(), devices.read(&value)), (MAX_LENGTH, known));
    }

    #[test]
    fn the_mac_covers_every_byte() {
        let devices = devices();
        let value = devices.remember(&user(), 1, &[]).expect("a UUID");
        let bytes = URL_SAFE_NO_PAD.decode(&value).expect("base64url");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(devices.read(&URL_SAFE_NO_PAD.encode(changed)), [], "{at}");
        }
    }

    #[test]
    fn malformed_devices_are_ignored() {
        let devices = devices();
        let value = devices.remember(&user(), 0, &[]).expect("a UUID");
        for other in [
            "",
            "AA",
            "é",
            "...",
            &value[1..],
            &format!("{value}A"),
            &format!("....{value}"),
            &"A".repeat(87),
            &"A".repeat(98),
            &"A".repeat(10_000),
            &".".repeat(10_000),
        ] {
            assert_eq!(devices.read(other), [], "{other}");
        }
        assert_eq!(devices.read(&format!("x.{value}.é")).len(), 1);
        assert_eq!(devices.remember(&UserId("no uuid".into()), 0, &[]), None);
    }
}
