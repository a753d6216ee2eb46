//! How often anybody may guess: one budget for all doors, taken before the work and given back when the guess was right.
//!
//! Two budgets stand in the way of a guess. That of the address is kept in memory: it spares the work. That of
//! the account is kept in the database: neither a restart nor another node resets it. It counts for names that nobody has
//! as well, so that nothing tells them apart. A browser that has signed in to the account before has a budget of its
//! own there: however much others guess, its owner gets in.

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

/// Wrong passwords for one account, or from one known device of it: twenty, then one a minute.
pub const ACCOUNT: Rate = Rate { burst: 20, interval: 60 };

/// Wrong passwords from one address: three hundred, then one a second.
pub const ADDRESS: Limit = Limit {
    kind: Kind::Attempts,
    rate: Rate { burst: 300, interval: 1 },
};

/// Refresh tokens from one address that name no session: three hundred, then one a second. Not guesses, since nobody
/// guesses 256 bits, but each costs a read of the database.
pub const UNKNOWN_REFRESH_TOKENS: Limit = Limit {
    kind: Kind::UnknownRefreshTokens,
    rate: Rate { burst: 300, interval: 1 },
};

/// New accounts from one address: three hundred, then one every two seconds.
pub const SIGN_UPS: Limit = Limit {
    kind: Kind::SignUps,
    rate: Rate { burst: 300, interval: 2 },
};

/// Successful sign-ins from one address: an office signs in at nine o'clock.
pub const SIGN_INS: Limit = Limit {
    kind: Kind::SignIns,
    rate: Rate { burst: 600, interval: 1 },
};

/// Successful sign-ins to one account from one address: end-to-end tests of an app sign in often.
pub const SIGN_INS_TO_ACCOUNT: Limit = Limit {
    kind: Kind::SignInsToAccount,
    rate: Rate { burst: 120, interval: 6 },
};

/// Refreshes of one session, however right: three hundred, then one a second.
pub const REFRESHES: Rate = Rate { burst: 300, interval: 1 };

/// Longest name that is looked at, in bytes.
const MAX_NAME: usize = 256;

/// Names budgets without saying whose they are.
pub struct LimitKeys(hmac::Key);

impl LimitKeys {
    /// With a key of its own.
    pub fn new(secret: &Secret) -> Self {
        Self(keys::mac_key(secret, Use::Throttle))
    }

    fn of_name(&self, typed: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.account(typed))
    }

    /// The same for every way to write a name, also one that no account has.
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

/// A guess that may be made. Given back when it was right; forgotten, it stays used up.
pub struct Attempt {
    limit_key: String,
    address: Charge,
}

impl Attempt {
    /// What is to be refunded when the session begins.
    pub fn refund(&self) -> Refund<'_> {
        Refund {
            limit_key: &self.limit_key,
            rate: ACCOUNT,
        }
    }
}

/// A sign-in that may be made. Refunded when it fails; dropped, it stays charged.
pub struct SignIn {
    of_address: Charge,
    of_account: Charge,
}

/// Charges attempts to the limits of addresses, which are kept in memory, and of accounts, which are kept in the database.
#[derive(Clone)]
pub struct Throttle {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Names the limits of accounts.
    pub limit_keys: Arc<LimitKeys>,
    /// The limits of addresses.
    pub addresses: Arc<Addresses>,
}

/// Why an attempt was not charged.
#[derive(Debug)]
pub enum ThrottleError {
    /// One of the limits is used up.
    UsedUp(RetryAfter),
    /// The database refused.
    Store(StoreError),
}

impl From<StoreError> for ThrottleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Throttle {
    /// Charges the limits for successful sign-ins, before anything is hashed and without a look at the account: the same
    /// for a name that no account has, and for a known device.
    ///
    /// # Errors
    /// When one of the limits is used up.
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

    /// Refunds a sign-in that failed: the limits for wrong passwords count it.
    pub fn refund_sign_in(&self, sign_in: SignIn) {
        self.addresses.refund(sign_in.of_address);
        self.addresses.refund(sign_in.of_account);
    }

    /// Takes one guess at the password of an account, before anything is hashed and before anybody looks whether there is an
    /// account of this name: a refusal must not show it, nor its time.
    ///
    /// # Errors
    /// When one of the budgets is used up.
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
        // Every device is looked up, whatever name was typed: the time must not tell whether an account has the name.
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

    /// Gives a guess back that was right.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn refund(&self, attempt: Attempt) -> Result<(), StoreError> {
        let Attempt { limit_key, address } = attempt;
        self.addresses.refund(address);
        self.store.refund(&limit_key, ACCOUNT).await
    }

    /// Gives the address its part of a right guess back, once the session that it began has given back the account's.
    pub fn refund_address(&self, attempt: Attempt) {
        self.addresses.refund(attempt.address);
    }
}
