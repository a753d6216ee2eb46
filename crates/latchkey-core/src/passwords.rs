//! Password hashing with argon2id, on blocking threads, with at most as many hashes at a time as there are cores.

mod block_pool;
mod common;
mod fair_queue;
mod hash_format;
mod timing;

use std::net::IpAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;
use zeroize::Zeroizing;

pub use common::is_listed;
pub use hash_format::{HashFormat, hashed_password, kind};
pub use timing::MANY_ACCOUNTS;

use self::common::is_guessable;
use self::fair_queue::FairQueue;
use crate::passwords::block_pool::BlockPool;
use crate::passwords::hash_format::decoy;
use crate::passwords::timing::{Timings, padding};
use latchkey_types::Password;

/// Most bytes of a password that are hashed: 128 characters of at most four bytes each.
const MAX_BYTES: usize = 4 * latchkey_types::password::MAX;

/// The cost of a hash.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl Cost {
    /// 19 MiB and two passes, the first choice of the OWASP Password Storage Cheat Sheet for argon2id.
    pub const PRODUCTION: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
    };
}

/// Too many passwords are being hashed. Try again shortly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The password is easy to guess. The user must choose another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessable;

/// The result of verifying a password.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    /// Whether the password is right.
    pub right: bool,
    /// When its verification began, after the wait for a turn.
    began: Instant,
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    params: Params,
    /// Hands out as many turns as there are cores.
    queue: FairQueue,
    memory: BlockPool,
    /// The hash that passwords for unknown names are verified against, so that they cost the same. No known password has this hash.
    /// Its salt and output are zeros, so creating it needs no hashing.
    nobody: String,
    timings: Timings,
}

impl Passwords {
    /// Returns a hasher that hashes new passwords at this cost.
    ///
    /// # Panics
    /// If the cost is outside the limits of argon2.
    #[expect(
        clippy::expect_used,
        reason = "the cost and the salt and output of zeros are constants of the program"
    )]
    pub fn new(cost: Cost) -> Self {
        let params = Params::new(cost.memory_kib, cost.passes, 1, Some(Params::DEFAULT_OUTPUT_LEN))
            .expect("the cost is within the limits of argon2");
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            nobody: phc(
                &params,
                Salt::new(&[0; 16]).expect("16 bytes are a valid salt"),
                Output::new(&[0; 32]).expect("32 bytes are a valid output"),
            ),
            memory: BlockPool::new(params.block_count()),
            params,
            queue: FairQueue::new(cores),
            timings: Timings::default(),
        }))
    }

    /// Hashes a new password to a PHC string, unless it is easy to guess. The estimate assumes that an attacker knows the words in
    /// `suggested`. It takes as long as the hash, so both run in one turn. Fails with [`Busy`] if the wait for a turn would be too long.
    pub async fn hash_new(
        &self,
        password: &Password,
        suggested: Vec<String>,
        from: Option<IpAddr>,
    ) -> Result<Result<String, Guessable>, Busy> {
        let password = Zeroizing::new(password.expose().to_owned());
        self.in_turn(from, move |inner| {
            let suggested: Vec<&str> = suggested.iter().map(String::as_str).collect();
            if is_guessable(&password, &suggested) {
                return Err(Guessable);
            }
            Ok(inner.hash(password.as_bytes()))
        })
        .await
    }

    /// Verifies a typed password against a hash. Without a hash, for an unknown name, it does the same work and the password is always
    /// wrong. Fails with [`Busy`] if the wait for a turn would be too long.
    pub async fn verify(&self, typed: &str, hash: Option<String>, from: Option<IpAddr>) -> Result<Verified, Busy> {
        // A longer password is always wrong. It is cut here, so that it costs the same work.
        let too_long = typed.chars().count() > latchkey_types::password::MAX;
        let typed = Zeroizing::new(typed.as_bytes()[..typed.len().min(MAX_BYTES)].to_vec());
        self.in_turn(from, move |inner| {
            let began = Instant::now();
            let right = inner.verify(&typed, hash.as_ref().unwrap_or(&inner.nobody)) && hash.is_some() && !too_long;
            Verified { right, began }
        })
        .await
    }

    /// Delays a refusal until it takes as long as one for the slowest kind of hash that counts. `kinds` says how many accounts have
    /// each kind. The wait delays no other caller, because the turn was released before. Fails with [`Busy`] if a kind that was never
    /// timed cannot be timed now.
    pub async fn pad_refusal(&self, verified: Verified, kinds: &[(String, i64)], from: Option<IpAddr>) -> Result<(), Busy> {
        let mut longest = Duration::ZERO;
        for kind in padding(kind(&self.0.nobody).unwrap_or_default(), kinds) {
            if self.0.timings.of(&kind).is_none() {
                self.verify("nobody has this password", Some(decoy(&kind)), from).await?;
            }
            longest = longest.max(self.0.timings.of(&kind).unwrap_or_default());
        }
        // Wait a tenth longer than the longest recent time, so that a slightly slower verification still fits in.
        sleep_until((verified.began + longest + longest / 10).into()).await;
        Ok(())
    }

    /// Returns whether a hash that was just verified should be replaced by a current one: it was imported or has another cost, and
    /// verifying it covered every byte that was typed. bcrypt ignores everything after the 72nd byte, so a mistake there would go
    /// unnoticed.
    pub fn should_upgrade(&self, hash: &str, typed: &str) -> bool {
        HashFormat::parse(hash).is_some_and(|stored| !stored.is_current(&self.0.params) && stored.sees_all_of(typed))
    }

    /// Hashes a password that was just verified, without the rules for new passwords. Fails with [`Busy`] if the wait for a turn would
    /// be too long.
    pub async fn rehash(&self, typed: &str, from: Option<IpAddr>) -> Result<String, Busy> {
        let typed = Zeroizing::new(typed.as_bytes().to_vec());
        self.in_turn(from, move |inner| inner.hash(&typed)).await
    }

    /// Returns the number of callers that hash or wait for a turn.
    pub fn callers(&self) -> usize {
        self.0.queue.callers()
    }

    async fn in_turn<T: Send + 'static>(&self, from: Option<IpAddr>, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Busy> {
        let inner = Arc::clone(&self.0);
        let turn = inner.queue.turn(from).await?;
        // The work owns its turn, so that a caller that disconnects does not release the turn while its hash still runs.
        spawn_blocking(move || {
            let _held_to_the_end = turn;
            work(&inner)
        })
        .await
        .map_err(|_| Busy)
    }
}

impl Inner {
    #[expect(clippy::expect_used, reason = "the parameters were checked, and 16 random bytes are a valid salt")]
    fn hash(&self, password: &[u8]) -> String {
        let salt = Salt::generate();
        let output = self
            .derive(password, &salt, &self.params, Algorithm::Argon2id, Version::V0x13)
            .expect("the parameters and the salt are valid");
        phc(&self.params, salt, output)
    }

    fn verify(&self, password: &[u8], hash: &str) -> bool {
        let Some(stored) = HashFormat::parse(hash) else { return false };
        let began = Instant::now();
        let right = match &stored {
            // `Output` compares in constant time.
            HashFormat::Argon2 {
                hash,
                algorithm,
                version,
                params,
            } => hash
                .salt
                .zip(hash.hash)
                .is_some_and(|(salt, expected)| self.derive(password, &salt, params, *algorithm, *version) == Some(expected)),
            HashFormat::Bcrypt { hash, .. } => bcrypt::verify(password, hash).unwrap_or(false),
        };
        if let Some(kind) = kind(hash) {
            self.timings.note(kind, began.elapsed());
        }
        right
    }

    fn derive(&self, password: &[u8], salt: &Salt, params: &Params, algorithm: Algorithm, version: Version) -> Option<Output> {
        let mut memory = self.memory.borrow(params.block_count());
        let mut output = [0_u8; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let derived = Argon2::new(algorithm, version, params.clone()).hash_password_into_with_memory(
            password,
            salt.as_ref(),
            &mut output[..length],
            &mut memory[..params.block_count()],
        );
        self.memory.put_back(memory);
        derived.ok()?;
        Output::new(&output[..length]).ok()
    }
}

/// Returns a hash as a PHC string, as it is stored.
#[expect(clippy::expect_used, reason = "the parameters were checked")]
fn phc(params: &Params, salt: Salt, output: Output) -> String {
    PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("valid parameters can be written as a string"),
        salt: Some(salt),
        hash: Some(output),
    }
    .to_string()
}

#[cfg(test)]
mod tests;
