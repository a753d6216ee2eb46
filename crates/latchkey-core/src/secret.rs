//! The one secret that everything else is derived from.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aws_lc_rs::hkdf::{self, HKDF_SHA256};
use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// Fewest bytes of a secret.
const MIN_BYTES: usize = 32;

/// What its characters must be worth, by the crude measure of [`estimated_bits`]. 32 random bytes come
/// to about 210 in base64 and 256 in hex; 16 random bytes in hex come to 128.
const MIN_BITS: f64 = 180.0;

/// Permissions of the group and of all others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o044;

/// Words of tutorials and templates. A secret built on one is known to everybody.
const SAMPLES: [&str; 10] = [
    "your-secret-key",
    "your_secret_key",
    "your-256-bit-secret",
    "replaceme",
    "changeme",
    "change-me",
    "secret",
    "password",
    "example",
    "latchkey",
];

/// A secret that passed [`Secret::parse`]. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Checks a secret somebody set. The error is the end of a sentence that begins with the setting's name.
    ///
    /// # Errors
    /// When it is short, a known sample, or too regular to be random.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str = "make one with `latchkey secret`";
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if let Some(sample) = SAMPLES.iter().find(|sample| lower.contains(*sample)) {
            return Err(format!("holds the well-known word \"{sample}\"; {HOW}"));
        }
        if text.len() < MIN_BYTES {
            return Err(format!("is shorter than {MIN_BYTES} bytes; {HOW}"));
        }
        if repeats_itself(text) || estimated_bits(text) < MIN_BITS {
            return Err(format!("is too regular to be {MIN_BYTES} random bytes; {HOW}"));
        }
        Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
    }

    /// Reads the secret from a file.
    ///
    /// # Errors
    /// When it cannot be read, other users can change it, or it is refused by [`Secret::parse`].
    pub fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let mut file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(format!(
                "{0}: other users can change it, and with it who is signed in; make a new secret if one of them may have, and run `chmod 600 {0}`",
                path.display()
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&Zeroizing::new(text)).map_err(|reason| format!("{}: the secret in it {reason}", path.display()))
    }

    /// Reads the secret from a file, made with a fresh one if it is not there. Of several programs that
    /// start at once, one makes it and all read it.
    ///
    /// # Errors
    /// When it can be neither made nor read.
    pub fn read_or_make(path: &Path) -> Result<Self, String> {
        match write_new(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be written: {error}", path.display())),
        }
        Self::read(path)
    }

    /// One that is not kept, where nothing is signed.
    pub fn random() -> Self {
        Self(Zeroizing::new(generate().as_bytes().to_vec()))
    }

    /// The secret that keys of tokens are derived from: this one until a backup is restored, then another one for each salt,
    /// so that no token from before the restore is accepted.
    ///
    /// # Panics
    /// Never: 32 bytes are within what HKDF-SHA256 can give.
    #[must_use]
    pub fn salted(&self, salt: &str) -> Self {
        if salt.is_empty() {
            return self.clone();
        }
        let mut bytes = Zeroizing::new(vec![0_u8; MIN_BYTES]);
        #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit of 255 blocks")]
        hkdf::Salt::new(HKDF_SHA256, salt.as_bytes())
            .extract(self.expose())
            .expand(&[b"latchkey restored"], HKDF_SHA256)
            .and_then(|output| output.fill(&mut bytes))
            .expect("a secret of 32 bytes");
        Self(bytes)
    }

    /// The bytes, to derive keys from.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The secret that signs, and the one before it, which still verifies: so it can be changed without signing
/// anybody out.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Signs and verifies.
    pub current: Secret,
    /// Verifies.
    pub previous: Option<Secret>,
}

impl Secrets {
    /// One secret and none before it.
    pub const fn of(current: Secret) -> Self {
        Self { current, previous: None }
    }

    /// Those that keys of tokens are derived from.
    #[must_use]
    pub fn salted(&self, salt: &str) -> Self {
        Self {
            current: self.current.salted(salt),
            previous: self.previous.as_ref().map(|previous| previous.salted(salt)),
        }
    }

    /// The current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// What to tell the operator of a file that other users can read. Kubernetes mounts secrets that way, so it is no error.
pub fn warning(path: &Path) -> Option<String> {
    let readable = fs::metadata(path).is_ok_and(|metadata| metadata.mode() & READABLE_BY_OTHERS != 0);
    readable.then(|| {
        format!(
            "other users of this machine can read the secret: run `chmod 600 {}`",
            path.display()
        )
    })
}

/// 32 random bytes in base64url: what `latchkey secret` prints.
///
/// # Panics
/// When the system has no randomness; nothing of this program could run then.
pub fn generate() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; MIN_BYTES]);
    #[expect(clippy::expect_used, reason = "without randomness nothing may run")]
    rand::fill(bytes.as_mut_slice()).expect("the system's random numbers");
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// Written beside and linked into place, so that nobody ever reads half of it.
fn write_new(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(generate().as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked
}

fn repeats_itself(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=bytes.len() / 2).any(|period| bytes.iter().zip(&bytes[period..]).all(|(a, b)| a == b))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn estimated_bits(text: &str) -> f64 {
    let distinct = text.bytes().collect::<HashSet<_>>().len();
    text.len() as f64 * (distinct as f64).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_are_accepted() {
        for _ in 0..1000 {
            let secret = generate();
            // A random secret that spells a sample word is one in millions; it would be refused, and rightly retried.
            assert!(Secret::parse(&secret).is_ok(), "{}", *secret);
        }
        assert!(Secret::parse("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08").is_ok());
    }

    #[test]
    fn short_regular_and_sample_secrets_are_refused() {
        let repeated = "0123456789abcdef".repeat(4);
        for weak in [
            "",
            "secret",
            "changeme",
            "your-secret-key",
            "Your-Secret-Key-0123456789-ABCDEFGHIJKLMNOPQRS",
            "d41d8cd98f00b204e9800998ecf8427e",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            &repeated,
        ] {
            assert!(Secret::parse(weak).is_err(), "{weak}");
        }
    }

    #[test]
    fn a_secret_file_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        let first = Secret::read_or_make(&path).expect("made");
        let second = Secret::read_or_make(&path).expect("read");
        assert_eq!(first.expose(), second.expose());
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
    }

    #[test]
    fn each_salt_makes_another_secret_and_no_salt_keeps_it() {
        let secret = Secret::parse(&generate()).expect("good");
        assert_eq!(secret.salted("").expose(), secret.expose());
        assert_eq!(secret.salted("one").expose(), secret.salted("one").expose());
        assert_ne!(secret.salted("one").expose(), secret.salted("two").expose());
        assert_ne!(secret.salted("one").expose(), secret.expose());
    }

    #[test]
    fn debug_never_shows_it() {
        let text = generate();
        let secret = Secret::parse(&text).expect("good");
        assert!(!format!("{secret:?}").contains(text.as_str()));
    }
}
