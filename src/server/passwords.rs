//! Password hashes: argon2id, on blocking threads, no more at once than there are cores.

mod common;
mod memory;
mod pace;
mod stored;

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};
use zeroize::Zeroizing;

pub use common::is_common;
pub use stored::Stored;

use self::memory::Memory;
use self::pace::Pace;
use crate::domain::Password;

/// Callers at a time, running or waiting for their turn; beyond them the answer is [`Busy`] at once.
const MAX_CALLERS: usize = 256;

/// Longest wait for a turn.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Longest password looked at, in bytes: 128 characters of at most four.
const MAX_BYTES: usize = 4 * crate::domain::password::MAX;

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
    /// One for each hash that runs: as many as there are cores.
    turns: Arc<Semaphore>,
    /// One for each caller, running or waiting, of [`MAX_CALLERS`].
    places: Arc<Semaphore>,
    memory: Memory,
    /// What an unknown name is checked against, so that it costs the same. Nobody knows a password with this hash, and it
    /// takes no hash to write it down.
    nobody: String,
    pace: Pace,
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
            memory: Memory::new(params.block_count()),
            params,
            turns: Arc::new(Semaphore::new(cores)),
            places: Arc::new(Semaphore::new(MAX_CALLERS)),
            pace: Pace::default(),
        }))
    }

    /// Hashes a new password to a PHC string.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
    pub async fn hash(&self, password: &Password) -> Result<String, Busy> {
        let password = Zeroizing::new(password.expose().as_bytes().to_vec());
        self.in_turn(move |inner| inner.hash(&password)).await
    }

    /// Verifies what was typed against a hash, or, when there is no account, against nobody's: the
    /// same work and the answer no.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
    pub async fn verify(&self, typed: &str, hash: Option<String>) -> Result<Verified, Busy> {
        // Longer ones are nobody's password: the same work, over a part of it.
        let too_long = typed.chars().count() > crate::domain::password::MAX;
        let typed = Zeroizing::new(typed.as_bytes()[..typed.len().min(MAX_BYTES)].to_vec());
        self.in_turn(move |inner| {
            let began = Instant::now();
            let right = inner.verify(&typed, hash.as_ref().unwrap_or(&inner.nobody)) && hash.is_some() && !too_long;
            Verified { right, began }
        })
        .await
    }

    /// Waits until a refusal takes as long as one for the slowest of these kinds of hashes would, each named by its
    /// decoy. Waiting costs nothing: the turn was given back.
    ///
    /// # Errors
    /// [`Busy`] when a kind that was never verified cannot be tried now.
    pub async fn take_as_long(&self, verified: Verified, kinds: &[String]) -> Result<(), Busy> {
        let mut longest = Duration::ZERO;
        for kind in kinds {
            if self.0.pace.of(kind).is_none() {
                self.verify("nobody has this password", Some(kind.clone())).await?;
            }
            longest = longest.max(self.0.pace.of(kind).unwrap_or_default());
        }
        // A little more than it has taken lately, so that the next one of its kind fits in.
        sleep_until((verified.began + longest + longest / 10).into()).await;
        Ok(())
    }

    /// Whether a hash is not what is made today: it was made elsewhere, or at another cost.
    pub fn is_outdated(&self, hash: &str) -> bool {
        !Stored::parse(hash).is_some_and(|stored| stored.is_current(&self.0.params))
    }

    /// Hashes a password that was just verified, whatever the rules for new ones are.
    ///
    /// # Errors
    /// [`Busy`] when it would wait too long.
    pub async fn rehash(&self, typed: &str) -> Result<String, Busy> {
        let typed = Zeroizing::new(typed.as_bytes().to_vec());
        self.in_turn(move |inner| inner.hash(&typed)).await
    }

    /// Callers, running or waiting.
    pub fn callers(&self) -> usize {
        MAX_CALLERS - self.0.places.available_permits()
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T, Busy> {
        let inner = Arc::clone(&self.0);
        let place = Arc::clone(&inner.places).try_acquire_owned().map_err(|_| Busy)?;
        let Ok(Ok(turn)) = timeout(MAX_WAIT, Arc::clone(&inner.turns).acquire_owned()).await else {
            return Err(Busy);
        };
        // The work owns its turn: a caller that goes away must not let another hash start beside its own.
        spawn_blocking(move || {
            let _held_to_the_end = (place, turn);
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
        let output = self.derive(password, &salt, &self.params, Algorithm::Argon2id).expect("a hash");
        phc(&self.params, salt, output)
    }

    fn verify(&self, password: &[u8], hash: &str) -> bool {
        let Some(stored) = Stored::parse(hash) else { return false };
        let began = Instant::now();
        let right = match &stored {
            // Output compares in constant time.
            Stored::Argon2(hash, algorithm, params) => hash
                .salt
                .zip(hash.hash)
                .is_some_and(|(salt, expected)| self.derive(password, &salt, params, *algorithm) == Some(expected)),
            Stored::Bcrypt { hash, .. } => bcrypt::verify(password, hash).unwrap_or(false),
        };
        self.pace.note(stored.decoy(), began.elapsed());
        right
    }

    fn derive(&self, password: &[u8], salt: &Salt, params: &Params, algorithm: Algorithm) -> Option<Output> {
        let mut memory = self.memory.borrow(params.block_count());
        let mut output = [0_u8; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let derived = Argon2::new(algorithm, Version::V0x13, params.clone()).hash_password_into_with_memory(
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
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };

    fn password(text: &str) -> Password {
        Password::parse(text, None).expect("within the rules")
    }

    async fn is_right(passwords: &Passwords, typed: &str, hash: Option<&str>) -> bool {
        passwords.verify(typed, hash.map(str::to_owned)).await.expect("a turn").right
    }

    #[tokio::test]
    async fn a_password_is_verified_exactly_as_sent() {
        let passwords = Passwords::new(CHEAP);
        let hash = passwords.hash(&password("correct horse")).await.expect("hashed");
        for (typed, good) in [
            ("correct horse", true),
            ("Correct horse", false),
            ("correct horse ", false),
            ("", false),
        ] {
            assert_eq!(is_right(&passwords, typed, Some(&hash)).await, good, "{typed:?}");
        }
    }

    /// What looks like a password and is another one.
    fn lookalikes(password: &str) -> Vec<String> {
        // The same to a reader, composed and not (NFC, NFD, NFKC).
        const SPELLINGS: [(&str, &str); 4] = [("é", "e\u{301}"), ("Å", "A\u{30a}"), ("ﬁ", "fi"), ("\u{212a}", "K")];
        let swapped = |(a, b): (&str, &str)| [password.replace(a, b), password.replace(b, a)];
        let beginnings = [1, 8, 71, 72, 73].map(|end| password.chars().take(end).collect());
        let mut others: Vec<String> = SPELLINGS.into_iter().flat_map(swapped).chain(beginnings).collect();
        others.extend([
            format!("{password} "),
            format!(" {password}"),
            format!("{password}\0"),
            format!("{password}\n"),
            format!("{password}x"),
            format!("{password}\0{password}"),
            password.trim().to_owned(),
            password.split_whitespace().collect::<Vec<_>>().join(" "),
            password.to_lowercase(),
            password.to_uppercase(),
            password[..password.floor_char_boundary(password.len() - 1)].to_owned(),
        ]);
        others.retain(|other| other != password);
        others
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_but_every_character_of_a_password_verifies(
            beginning in "[ a-zA-Z0-9éÅﬁ]{0,8}|[\\PC]{0,90}",
            core in select(vec!["e\u{301}", "é", "A\u{30a}", "Å", "ﬁ", "K", "\u{212a}", " ", "  ", "ß"]),
            end in "[a-zA-Z0-9]{8,60}|[\\PC]{8,20} ?",
        ) {
            let typed: String = format!("{beginning}{core}{end}").chars().take(crate::domain::password::MAX).collect();
            let turn = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            turn.block_on(async {
                let passwords = Passwords::new(CHEAP);
                let hash = passwords.hash(&password(&typed)).await.expect("hashed");
                prop_assert!(is_right(&passwords, &typed, Some(&hash)).await);
                for other in lookalikes(&typed) {
                    prop_assert!(!is_right(&passwords, &other, Some(&hash)).await, "{:?} is not {:?}", other, typed);
                }
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let passwords = Passwords::new(CHEAP);
        let hashes = (
            passwords.hash(&password("correct horse")).await,
            passwords.hash(&password("correct horse")).await,
        );
        assert_ne!(hashes.0, hashes.1);
    }

    #[tokio::test]
    async fn the_production_cost_is_in_the_hash() {
        let hash = Passwords::new(Cost::PRODUCTION)
            .hash(&password("correct horse"))
            .await
            .expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[tokio::test]
    async fn nobody_and_a_broken_hash_are_never_verified() {
        let passwords = Passwords::new(CHEAP);
        assert!(!is_right(&passwords, "nobody has this password", None).await);
        for broken in ["", "x", "$argon2id$", "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHQ$AAAA"] {
            assert!(!is_right(&passwords, "x", Some(broken)).await, "{broken}");
        }
    }

    #[test]
    fn to_be_ready_costs_no_hash_and_an_unknown_name_costs_one_of_today() {
        let began = Instant::now();
        let passwords = Passwords::new(Cost {
            memory_kib: 256 * 1024,
            passes: 32,
        });
        assert!(began.elapsed() < Duration::from_secs(1), "a hash at this cost takes many");
        assert!(!passwords.is_outdated(&passwords.0.nobody), "made like all others");
        let stored = Stored::parse(&Passwords::new(CHEAP).0.nobody).expect("it can be verified");
        assert_eq!(stored.decoy(), Passwords::new(CHEAP).0.nobody, "and no other salt or output");
    }

    #[tokio::test]
    async fn a_password_that_is_too_long_is_no_password_even_when_its_beginning_is() {
        let passwords = Passwords::new(CHEAP);
        let longest = "e".repeat(128);
        let hash = passwords.hash(&password(&longest)).await.expect("hashed");
        assert!(is_right(&passwords, &longest, Some(&hash)).await);
        assert!(!is_right(&passwords, &format!("{longest}e"), Some(&hash)).await);
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_at_once() {
        let passwords = Passwords::new(CHEAP);
        let places = u32::try_from(MAX_CALLERS).expect("few");
        let _everybody = passwords.0.places.acquire_many(places).await.expect("open");
        assert!(matches!(passwords.verify("x", None).await, Err(Busy)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_goes_away_keeps_its_turn_until_the_hash_is_done() {
        let passwords = Passwords::new(CHEAP);
        let all = passwords.0.turns.available_permits();
        let (started, is_started) = tokio::sync::oneshot::channel();
        let (finish, is_finished) = std::sync::mpsc::channel::<()>();
        let caller = tokio::spawn({
            let passwords = passwords.clone();
            async move {
                passwords
                    .in_turn(move |_| {
                        started.send(()).expect("somebody waits");
                        is_finished.recv().expect("told to finish");
                    })
                    .await
            }
        });
        is_started.await.expect("started");
        caller.abort();
        assert!(caller.await.expect_err("gone").is_cancelled());
        assert_eq!(passwords.0.turns.available_permits(), all - 1, "the hash still runs");

        finish.send(()).expect("somebody listens");
        let turns = u32::try_from(all).expect("few");
        let back = timeout(MAX_WAIT, passwords.0.turns.acquire_many(turns)).await;
        assert!(back.is_ok(), "the turn is given back");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_more_memory_is_kept_than_hashes_run_at_a_time() {
        let passwords = Passwords::new(CHEAP);
        let all = (0..32).map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.verify("x", None).await })
        });
        for one in all.collect::<Vec<_>>() {
            assert!(!one.await.expect("ran").expect("a turn").right);
        }
        let cores = passwords.0.turns.available_permits();
        assert!(passwords.0.memory.pieces() <= cores);
    }
}
