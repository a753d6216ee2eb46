//! How often anybody may guess: one budget for all doors, taken before the work and given back when the guess was right.
//!
//! Two budgets stand in the way of a guess. That of the address is kept in memory: it spares the work. That of
//! the account is kept in the database: neither a restart nor another node resets it. It counts for names that nobody has
//! as well, so that nothing tells them apart. A browser that has signed in to the account before has a budget of its
//! own there: however much others guess, its owner gets in.

mod addresses;
mod rate;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub use addresses::Addresses;
pub use rate::{Rate, Wait};

use super::accounts::Refusal;
use super::clock::UnixSeconds;
use super::keys::{self, Use};
use super::passwords::Verified;
use super::secret::Secret;
use super::sessions::Client;
use super::state::AppState;
use super::store::StoreError;
use crate::domain::Username;

/// Wrong passwords for one account, or from one known device of it: twenty, then one a minute.
pub const ACCOUNT: Rate = Rate { burst: 20, interval: 60 };

/// Wrong passwords and refresh tokens from one address: three hundred, then one a second.
pub const ADDRESS: Rate = Rate { burst: 300, interval: 1 };

/// New accounts from one address: three hundred, then one every two seconds.
pub const SIGN_UPS: Rate = Rate { burst: 300, interval: 2 };

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
        // One budget for every way to write a name.
        let name = Username::parse(typed).map_or_else(|_| typed.trim().to_lowercase(), |name| name.to_string());
        let end = (0..=name.len().min(MAX_NAME))
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or(0);
        self.name("account", &name.as_bytes()[..end])
    }

    fn of_device(&self, id: [u8; 16]) -> String {
        self.name("device", &id)
    }

    fn name(&self, kind: &str, whose: &[u8]) -> String {
        let mac = hmac::sign(&self.0, &[kind.as_bytes(), b" ", whose].concat());
        URL_SAFE_NO_PAD.encode(&mac.as_ref()[..16])
    }
}

/// A guess that may be made. Given back when it was right; forgotten, it stays used up.
pub struct Guess {
    budget: String,
}

impl Guess {
    /// The budget that it was taken from.
    pub fn budget(&self) -> &str {
        &self.budget
    }
}

/// Takes one guess at the password of an account, before anything is hashed and before anybody looks whether there is an
/// account of this name: a refusal must not show it, nor its time.
///
/// # Errors
/// When one of the budgets is used up.
pub async fn take(state: &AppState, typed: &str, client: &Client) -> Result<Guess, Refusal> {
    let now = state.clock.now();
    state.addresses.take(ADDRESS, client.address, now).map_err(Refusal::Throttled)?;
    let taken = take_from_account(state, typed, client, now).await;
    if taken.is_err() {
        state.addresses.give_back(ADDRESS, client.address);
    }
    let (budget, taken) = taken?;
    taken.map_err(Refusal::Throttled)?;
    Ok(Guess { budget })
}

async fn take_from_account(
    state: &AppState,
    typed: &str,
    client: &Client,
    now: UnixSeconds,
) -> Result<(String, Result<(), Wait>), StoreError> {
    let mut budget = state.budgets.of_name(typed);
    // Looked up by the device, which is the same for every name that is typed.
    if let Some(device) = &client.device
        && let Some(owner) = state.store.user(&device.user).await?
        && Username::parse(typed).is_ok_and(|name| name.as_str() == owner.username)
    {
        budget = state.budgets.of_device(device.id);
    }
    let taken = state.store.take(&budget, ACCOUNT, now).await?;
    Ok((budget, taken))
}

/// Verifies a password that a guess was taken for. One that could not be looked at was no guess.
///
/// # Errors
/// When it would wait too long.
pub async fn check(state: &AppState, guess: &Guess, typed: &str, hash: Option<String>, client: &Client) -> Result<Verified, Refusal> {
    match state.passwords.verify(typed, hash).await {
        Ok(verified) => Ok(verified),
        Err(busy) => {
            give_back(state, guess, client).await?;
            Err(busy.into())
        }
    }
}

/// Gives a guess back that was right.
///
/// # Errors
/// When the database cannot be used.
pub async fn give_back(state: &AppState, guess: &Guess, client: &Client) -> Result<(), StoreError> {
    state.addresses.give_back(ADDRESS, client.address);
    state.store.give_back(&guess.budget, ACCOUNT).await
}
