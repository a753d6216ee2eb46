//! Password hashes: argon2id, on blocking threads, no more at once than there are cores.

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

/// Longest password looked at, in bytes: 128 characters of at most four.
const MAX_BYTES: usize = 4 * latchkey_types::password::MAX;

/// What a hash costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
}

impl Cost {
    /// 19 MiB, two passes: the OWASP Password Storage Cheat Sheet's first choice for argon2id.
    pub const PRODUCTION: Self = Self {
        memory_kib: 19 * 1024,
        passes: 2,
    };
}

/// Too many people are signing in: try again shortly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// Few guesses find the password: another one has to be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessable;

/// What came of verifying a password.
#[derive(Clone, Copy, Debug)]
pub struct Verified {
    /// Whether it is the right one.
    pub right: bool,
    /// When its turn began.
    began: Instant,
}

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    params: Params,
    /// Has a turn for each core.
    queue: FairQueue,
    memory: BlockPool,
    /// What an unknown name is checked against, so that it costs the same. Nobody knows a password with this hash, and it
    /// takes no hash to write it down.
    nobody: String,
    timings: Timings,
}

impl Passwords {
    /// Hashes at this cost.
    ///
    /// # Panics
    /// When the cost is outside what argon2 can do.
    #[expect(clippy::expect_used, reason = "a cost is a constant of the program, and so are 16 and 32 zeros")]
    pub fn new(cost: Cost) -> Self {
        let params = Params::new(cost.memory_kib, cost.passes, 1, Some(Params::DEFAULT_OUTPUT_LEN)).expect("argon2 parameters");
        let cores = available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            nobody: phc(
                &params,
                Salt::new(&[0; 16]).expect("a salt"),
                Output::new(&[0; 32]).expect("an output"),
            ),
            memory: BlockPool::new(params.block_count()),
            params,
            queue: FairQueue::new(cores),
            timings: Timings::default(),
        }))
    }

    /// Hashes a new password to a PHC string, unless few guesses find it. The estimate takes as long as the hash, so both are made in
    /// one turn.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
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

    /// Verifies what was typed against a hash, or, when there is no account, against nobody's: the
    /// same work and the answer no.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
    pub async fn verify(&self, typed: &str, hash: Option<String>, from: Option<IpAddr>) -> Result<Verified, Busy> {
        // Longer ones are nobody's password: the same work, over a part of it.
        let too_long = typed.chars().count() > latchkey_types::password::MAX;
        let typed = Zeroizing::new(typed.as_bytes()[..typed.len().min(MAX_BYTES)].to_vec());
        self.in_turn(from, move |inner| {
            let began = Instant::now();
            let right = inner.verify(&typed, hash.as_ref().unwrap_or(&inner.nobody)) && hash.is_some() && !too_long;
            Verified { right, began }
        })
        .await
    }

    /// Waits until a refusal takes as long as one for the slowest kind of hash that counts: `kinds` says how many accounts have each.
    /// Waiting costs nothing: the turn was given back.
    ///
    /// # Errors
    /// [`Busy`] when a kind that was never verified cannot be tried now.
    pub async fn pad_refusal(&self, verified: Verified, kinds: &[(String, i64)], from: Option<IpAddr>) -> Result<(), Busy> {
        let mut longest = Duration::ZERO;
        for kind in padding(kind(&self.0.nobody).unwrap_or_default(), kinds) {
            if self.0.timings.of(&kind).is_none() {
                self.verify("nobody has this password", Some(decoy(&kind)), from).await?;
            }
            longest = longest.max(self.0.timings.of(&kind).unwrap_or_default());
        }
        // A little more than it has taken lately, so that the next one of its kind fits in.
        sleep_until((verified.began + longest + longest / 10).into()).await;
        Ok(())
    }

    /// Whether a hash that was just verified is to be replaced by one of today: it was made elsewhere or at another cost, and it
    /// proves every byte of what was typed. bcrypt ignores what stands behind the 72nd byte, where there may be a mistake.
    pub fn should_upgrade(&self, hash: &str, typed: &str) -> bool {
        HashFormat::parse(hash).is_some_and(|stored| !stored.is_current(&self.0.params) && stored.sees_all_of(typed))
    }

    /// Hashes a password that was just verified, whatever the rules for new ones are.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
    pub async fn rehash(&self, typed: &str, from: Option<IpAddr>) -> Result<String, Busy> {
        let typed = Zeroizing::new(typed.as_bytes().to_vec());
        self.in_turn(from, move |inner| inner.hash(&typed)).await
    }

    /// Callers, running or waiting.
    pub fn callers(&self) -> usize {
        self.0.queue.callers()
    }

    async fn in_turn<T: Send + 'static>(&self, from: Option<IpAddr>, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Busy> {
        let inner = Arc::clone(&self.0);
        let turn = inner.queue.turn(from).await?;
        // The work owns its turn: a caller that goes away must not let another hash start beside its own.
        spawn_blocking(move || {
            let _held_to_the_end = turn;
            work(&inner)
        })
        .await
        .map_err(|_| Busy)
    }
}

impl Inner {
    #[expect(clippy::expect_used, reason = "the parameters were checked, a salt of 16 random bytes is one")]
    fn hash(&self, password: &[u8]) -> String {
        let salt = Salt::generate();
        let output = self
            .derive(password, &salt, &self.params, Algorithm::Argon2id, Version::V0x13)
            .expect("a hash");
        phc(&self.params, salt, output)
    }

    fn verify(&self, password: &[u8], hash: &str) -> bool {
        let Some(stored) = HashFormat::parse(hash) else { return false };
        let began = Instant::now();
        let right = match &stored {
            // Output compares in constant time.
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

/// A hash as it is stored.
#[expect(clippy::expect_used, reason = "the parameters were checked")]
fn phc(params: &Params, salt: Salt, output: Output) -> String {
    PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).expect("parameters"),
        salt: Some(salt),
        hash: Some(output),
    }
    .to_string()
}

#[cfg(test)]
mod tests;
