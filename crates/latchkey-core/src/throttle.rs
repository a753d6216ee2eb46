//! Limits for password attempts, sign-ups, sign-ins and refreshes. Every place that asks for a password charges the same limits: the
//! attempt is charged before the work and refunded if the password was right.
//!
//! Two limits apply to each password attempt. The limit of the address is kept in memory and saves the work. The limit of the account
//! is kept in the database, so that neither a restart nor another node resets it. It is charged for unknown names as well, so that it
//! does not reveal which names exist. A browser that has signed in to the account before (a known device) has its own limit there, so
//! its owner can sign in however many attempts others make.

mod addresses;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use addresses::{AccountKey, Charge, Kind};
pub use addresses::{Addresses, Limit, Network};

use super::keys::{self, Use};
use super::secret::Secret;
use crate::clock::Clock;
use latchkey_store::{Client, Rate, Refund, RetryAfter, Store, StoreError, UnixSeconds};
use latchkey_types::Username;
use std::sync::Arc;

/// Limit of wrong passwords for one account, or from one known device of it: twenty, then one a minute.
pub const ACCOUNT: Rate = Rate { burst: 20, interval: 60 };

/// Limit of wrong passwords from one address: three hundred, then one a second.
pub const ADDRESS: Limit = Limit {
    kind: Kind::Attempts,
    rate: Rate { burst: 300, interval: 1 },
};

/// Limit of refresh tokens from one address that name no session: three hundred, then one a second. Tokens cannot be guessed, because
/// they contain 256 bits, but each one costs a read of the database.
pub const UNKNOWN_REFRESH_TOKENS: Limit = Limit {
    kind: Kind::UnknownRefreshTokens,
    rate: Rate { burst: 300, interval: 1 },
};

/// Limit of sign-ups from one address, including refused ones: three hundred, then one every two seconds.
pub const SIGN_UPS: Limit = Limit {
    kind: Kind::SignUps,
    rate: Rate { burst: 300, interval: 2 },
};

/// Limit of successful sign-ins from one address: six hundred, then one a second. It is high because all users of an office may sign
/// in at nine o'clock from one address.
pub const SIGN_INS: Limit = Limit {
    kind: Kind::SignIns,
    rate: Rate { burst: 600, interval: 1 },
};

/// Limit of successful sign-ins to one account from one address: 120, then one every six seconds. It is high because end-to-end tests
/// of an app sign in often.
pub const SIGN_INS_TO_ACCOUNT: Limit = Limit {
    kind: Kind::SignInsToAccount,
    rate: Rate { burst: 120, interval: 6 },
};

/// Limit of rotations of one session's refresh token, although each of them is valid: three hundred, then one a second.
pub const REFRESHES: Rate = Rate { burst: 300, interval: 1 };

/// Bytes of a typed name that the name of its limit is derived from; the rest is ignored.
const MAX_NAME: usize = 256;

/// Derives the names of limits in the database, which do not reveal the account or device.
pub struct LimitKeys(hmac::Key);

impl LimitKeys {
    /// Derives the MAC key for the names of limits.
    pub fn new(secret: &Secret) -> Self {
        Self(keys::mac_key(secret, Use::Throttle))
    }

    fn of_name(&self, typed: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.account(typed))
    }

    /// Returns the key of an account's limit. It is the same for every spelling of a name, and exists for unknown names too.
    fn account(&self, typed: &str) -> AccountKey {
        let name = Username::parse(typed).map_or_else(|_| typed.trim().to_lowercase(), |name| name.to_string());
        let end = (0..=name.len().min(MAX_NAME))
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or(0);
        self.mac("account", &name.as_bytes()[..end])
    }

    fn of_device(&self, id: [u8; 16]) -> String {
        URL_SAFE_NO_PAD.encode(self.mac("device", &id))
    }

    fn mac(&self, kind: &str, whose: &[u8]) -> [u8; 16] {
        let mac = hmac::sign(&self.0, &[kind.as_bytes(), b" ", whose].concat());
        let mut short = [0; 16];
        short.copy_from_slice(&mac.as_ref()[..16]);
        short
    }
}

/// A password attempt that was charged. Refund it if the password was right; dropping it leaves it charged.
pub struct Attempt {
    limit_key: String,
    address: Charge,
}

impl Attempt {
    /// Returns the account's part of the charge, which the store refunds in the transaction that begins the session.
    pub fn refund(&self) -> Refund<'_> {
        Refund {
            limit_key: &self.limit_key,
            rate: ACCOUNT,
        }
    }
}

/// A sign-in that was charged to the limits for successful sign-ins. Refund it if the sign-in fails; dropping it leaves it charged.
pub struct SignIn {
    of_address: Charge,
    of_account: Charge,
}

/// Charges attempts to the limits of addresses, which are kept in memory, and of accounts, which are kept in the database.
#[derive(Clone)]
pub struct Throttle {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// Derives the names of the limits of accounts.
    pub limit_keys: Arc<LimitKeys>,
    /// The limits of addresses.
    pub addresses: Arc<Addresses>,
}

/// Why an attempt was not charged.
#[derive(Debug)]
pub enum ThrottleError {
    /// One of the limits is used up.
    UsedUp(RetryAfter),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for ThrottleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Throttle {
    /// Charges the limits for successful sign-ins, before anything is hashed and without reading the account. Unknown names and known
    /// devices are charged in the same way.
    pub fn charge_sign_in(&self, typed: &str, client: &Client) -> Result<SignIn, RetryAfter> {
        let now = self.clock.now();
        let account = self.limit_keys.account(typed);
        let of_address = self.addresses.charge(SIGN_INS, client.address, now)?;
        match self.addresses.charge_account(SIGN_INS_TO_ACCOUNT, client.address, account, now) {
            Ok(of_account) => Ok(SignIn { of_address, of_account }),
            Err(wait) => {
                self.addresses.refund(of_address);
                Err(wait)
            }
        }
    }

    /// Refunds a sign-in that failed, because the limits for wrong passwords count it instead.
    pub fn refund_sign_in(&self, sign_in: SignIn) {
        self.addresses.refund(sign_in.of_address);
        self.addresses.refund(sign_in.of_account);
    }

    /// Charges one attempt at the password of an account, before anything is hashed and before the account is looked up, so that
    /// neither a refusal nor its response time reveals whether the account exists.
    pub async fn charge_attempt(&self, typed: &str, client: &Client) -> Result<Attempt, ThrottleError> {
        let now = self.clock.now();
        let address = self.addresses.charge(ADDRESS, client.address, now).map_err(ThrottleError::UsedUp)?;
        match self.take_from_account(typed, client, now).await {
            Ok((limit_key, Ok(()))) => Ok(Attempt { limit_key, address }),
            Ok((_, Err(wait))) => Err(ThrottleError::UsedUp(wait)),
            Err(error) => {
                self.addresses.refund(address);
                Err(error.into())
            }
        }
    }

    async fn take_from_account(
        &self,
        typed: &str,
        client: &Client,
        now: UnixSeconds,
    ) -> Result<(String, Result<(), RetryAfter>), StoreError> {
        let mut limit_key = self.limit_keys.of_name(typed);
        let name = Username::parse(typed).ok();
        // Look up every device, whatever name was typed, so that the response time does not reveal whether the account exists.
        for device in &client.devices {
            if let Some(owner) = self.store.user(&device.user).await?
                && owner.password_generation == device.generation
                && name.as_ref().is_some_and(|name| name.as_str() == owner.username)
            {
                limit_key = self.limit_keys.of_device(device.id);
            }
        }
        let taken = self.store.charge(&limit_key, ACCOUNT, now).await?;
        Ok((limit_key, taken))
    }

    /// Refunds an attempt whose password was right or was not verified.
    pub async fn refund(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Attempt { limit_key, address } = attempt;
        self.addresses.refund(address);
        self.store.refund(&limit_key, ACCOUNT).await
    }

    /// Refunds only the address's part of an attempt. Call this after the transaction that began the session has refunded the
    /// account's part.
    pub fn refund_address(&self, attempt: Attempt) {
        self.addresses.refund(attempt.address);
    }
}
