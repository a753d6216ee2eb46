//! How often anybody may guess: one budget for all doors, taken before the work and given back when the guess was right.
//!
//! Two budgets stand in the way of a guess. That of the address is kept in memory: it spares the work. That of
//! the account is kept in the database: neither a restart nor another node resets it. It counts for names that nobody has
//! as well, so that nothing tells them apart. A browser that has signed in to the account before has a budget of its
//! own there: however much others guess, its owner gets in.

mod addresses;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::server::throttle::addresses::{AccountKey, Charge, Kind};
pub use addresses::{Addresses, Limit, Network};
pub use latchkey_store::{Rate, RetryAfter};

use super::accounts::Refusal;
use super::keys::{self, Use};
use super::passwords::Verified;
use super::secret::Secret;
use super::state::AppState;
use latchkey_store::{Client, Refund, StoreError, UnixSeconds};
use latchkey_types::Username;

/// Wrong passwords for one account, or from one known device of it: twenty, then one a minute.
pub const ACCOUNT: Rate = Rate { burst: 20, interval: 60 };

/// Wrong passwords from one address: three hundred, then one a second.
pub const ADDRESS: Limit = Limit {
    kind: Kind::Guesses,
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
pub struct Budgets(hmac::Key);

impl Budgets {
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
pub struct Guess {
    budget: String,
    address: Charge,
}

impl Guess {
    /// What is to be refunded when the session begins.
    pub fn refund(&self) -> Refund<'_> {
        Refund {
            budget: &self.budget,
            rate: ACCOUNT,
        }
    }
}

/// A sign-in that may be made. Refunded when it fails; dropped, it stays charged.
pub struct SignIn {
    of_address: Charge,
    of_account: Charge,
}

impl SignIn {
    /// Charges the limits for successful sign-ins, before anything is hashed and without a look at the account: the same
    /// for a name that no account has, and for a known device.
    ///
    /// # Errors
    /// When one of the limits is used up.
    pub fn take(state: &AppState, typed: &str, client: &Client) -> Result<Self, Refusal> {
        let now = state.clock.now();
        let account = state.budgets.account(typed);
        let of_address = state.addresses.take(SIGN_INS, client.address, now).map_err(Refusal::Throttled)?;
        match state.addresses.take_of_account(SIGN_INS_TO_ACCOUNT, client.address, account, now) {
            Ok(of_account) => Ok(Self { of_address, of_account }),
            Err(wait) => {
                state.addresses.give_back(of_address);
                Err(Refusal::Throttled(wait))
            }
        }
    }

    /// Refunds a sign-in that failed: the limits for wrong passwords count it.
    pub fn give_back(self, state: &AppState) {
        state.addresses.give_back(self.of_address);
        state.addresses.give_back(self.of_account);
    }
}

/// Takes one guess at the password of an account, before anything is hashed and before anybody looks whether there is an
/// account of this name: a refusal must not show it, nor its time.
///
/// # Errors
/// When one of the budgets is used up.
pub async fn take(state: &AppState, typed: &str, client: &Client) -> Result<Guess, Refusal> {
    let now = state.clock.now();
    let address = state.addresses.take(ADDRESS, client.address, now).map_err(Refusal::Throttled)?;
    match take_from_account(state, typed, client, now).await {
        Ok((budget, Ok(()))) => Ok(Guess { budget, address }),
        Ok((_, Err(wait))) => Err(Refusal::Throttled(wait)),
        Err(error) => {
            state.addresses.give_back(address);
            Err(error.into())
        }
    }
}

async fn take_from_account(
    state: &AppState,
    typed: &str,
    client: &Client,
    now: UnixSeconds,
) -> Result<(String, Result<(), RetryAfter>), StoreError> {
    let mut budget = state.budgets.of_name(typed);
    let name = Username::parse(typed).ok();
    // Every device is looked up, whatever name was typed: the time must not tell whether an account has the name.
    for device in &client.devices {
        if let Some(owner) = state.store.user(&device.user).await?
            && owner.password_generation == device.generation
            && name.as_ref().is_some_and(|name| name.as_str() == owner.username)
        {
            budget = state.budgets.of_device(device.id);
        }
    }
    let taken = state.store.take(&budget, ACCOUNT, now).await?;
    Ok((budget, taken))
}

/// Verifies a password that a guess was taken for, and hands the guess back. One that could not be looked at was no guess.
///
/// # Errors
/// When it would wait too long.
pub async fn check(
    state: &AppState,
    guess: Guess,
    typed: &str,
    hash: Option<String>,
    client: &Client,
) -> Result<(Verified, Guess), Refusal> {
    match state.passwords.verify(typed, hash, client.address).await {
        Ok(verified) => Ok((verified, guess)),
        Err(busy) => {
            give_back(state, guess).await?;
            Err(busy.into())
        }
    }
}

/// Gives a guess back that was right.
///
/// # Errors
/// When the database cannot be used.
pub async fn give_back(state: &AppState, guess: Guess) -> Result<(), StoreError> {
    let Guess { budget, address } = guess;
    state.addresses.give_back(address);
    state.store.give_back(&budget, ACCOUNT).await
}

/// Gives the address its part of a right guess back, once the session that it began has given back the account's.
pub fn give_back_to_address(state: &AppState, guess: Guess) {
    state.addresses.give_back(guess.address);
}
