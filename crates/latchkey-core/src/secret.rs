//! The secret that all keys are derived from, and the file that stores it.

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

/// Smallest accepted estimate by [`estimated_bits`], which is a crude measure. 32 random bytes come to about 210 in base64 and 256
/// in hex; 16 random bytes in hex come to 128.
const MIN_BITS: f64 = 180.0;

/// Write and read permissions of the group and of all other users.
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_OTHERS: u32 = 0o044;

/// Words from tutorials and templates. A secret that contains one of them may be publicly known.
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

/// A secret that passed [`Secret::parse`]. Its bytes are wiped when it is dropped, and debug output never shows them.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Checks a secret from the configuration. Refuses one that is too short, contains a well-known sample word, or is too regular to
    /// be random. The error is the end of a sentence that begins with the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        const HOW: &str = "create one with `latchkey secret`";
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if let Some(sample) = SAMPLES.iter().find(|sample| lower.contains(*sample)) {
            return Err(format!("contains the well-known word \"{sample}\"; {HOW}"));
        }
        if text.len() < MIN_BYTES {
            return Err(format!("is shorter than {MIN_BYTES} bytes; {HOW}"));
        }
        if repeats_itself(text) || estimated_bits(text) < MIN_BITS {
            return Err(format!("is too regular to be {MIN_BYTES} random bytes; {HOW}"));
        }
        Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
    }

    /// Reads the secret from a file. Refuses a file that other users can change, and a secret that [`Secret::parse`] refuses.
    pub fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let mut file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(format!(
                "{0}: other users of this machine can change this secret and forge sessions with it; run `chmod 600 {0}`, and create a new secret if one of them may have changed it",
                path.display()
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(unreadable)?;
        Self::parse(&Zeroizing::new(text)).map_err(|reason| format!("{}: the secret in it {reason}", path.display()))
    }

    /// Reads the secret from a file, and first creates the file with a new secret if it does not exist. Of several programs that
    /// start at the same time, one creates the file and all read it.
    pub fn read_or_make(path: &Path) -> Result<Self, String> {
        match write_new(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be written: {error}", path.display())),
        }
        Self::read(path)
    }

    /// Returns a random secret that is not stored. Use it where nothing is signed.
    pub fn random() -> Self {
        Self(Zeroizing::new(generate().as_bytes().to_vec()))
    }

    /// Returns the secret that keys of tokens are derived from. With an empty `salt`, before any restore, it is this secret. Each
    /// restore of a backup sets a new salt and so gives another secret, so that no token from before the restore is accepted.
    ///
    /// # Panics
    /// Never, because HKDF-SHA256 can output 32 bytes.
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
            .expect("HKDF-SHA256 outputs 32 bytes");
        Self(bytes)
    }

    /// Returns the bytes that keys are derived from.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// The current secret, which signs, and the previous one, which still verifies. So the secret can be changed without signing users
/// out.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Signs and verifies.
    pub current: Secret,
    /// Verifies.
    pub previous: Option<Secret>,
}

impl Secrets {
    /// Returns a current secret without a previous one.
    pub const fn of(current: Secret) -> Self {
        Self { current, previous: None }
    }

    /// Returns the secrets that keys of tokens are derived from; see [`Secret::salted`].
    #[must_use]
    pub fn salted(&self, salt: &str) -> Self {
        Self {
            current: self.current.salted(salt),
            previous: self.previous.as_ref().map(|previous| previous.salted(salt)),
        }
    }

    /// Returns the current secret, then the previous one if there is one.
    pub fn iter(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// Returns a warning for the operator if other users can read the file. This is not an error, because Kubernetes mounts secrets that
/// way.
pub fn warning(path: &Path) -> Option<String> {
    let readable = fs::metadata(path).is_ok_and(|metadata| metadata.mode() & READABLE_BY_OTHERS != 0);
    readable.then(|| {
        format!(
            "other users of this machine can read the secret: run `chmod 600 {}`",
            path.display()
        )
    })
}

/// Returns 32 random bytes in base64url, as `latchkey secret` prints them.
///
/// # Panics
/// If the system provides no random numbers. Nothing in this program works without them.
pub fn generate() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; MIN_BYTES]);
    #[expect(clippy::expect_used, reason = "the program must not run without random numbers")]
    rand::fill(bytes.as_mut_slice()).expect("the system provides random numbers");
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// Writes a new secret to a file next to `path` and hard-links it to `path`, so that no program ever reads half of it. Does nothing
/// if `path` exists.
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
            // About one random secret in millions contains a sample word. It would be refused and has to be generated again.
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
    fn a_secret_file_is_created_once_and_only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        let first = Secret::read_or_make(&path).expect("the file can be created");
        let second = Secret::read_or_make(&path).expect("the file can be read");
        assert_eq!(first.expose(), second.expose());
        let mode = fs::metadata(&path).expect("the file exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("a readable directory").count(), 1);
    }

    #[test]
    fn each_salt_derives_another_secret_and_an_empty_salt_changes_nothing() {
        let secret = Secret::parse(&generate()).expect("a strong secret");
        assert_eq!(secret.salted("").expose(), secret.expose());
        assert_eq!(secret.salted("one").expose(), secret.salted("one").expose());
        assert_ne!(secret.salted("one").expose(), secret.salted("two").expose());
        assert_ne!(secret.salted("one").expose(), secret.expose());
    }

    #[test]
    fn debug_output_never_contains_the_secret() {
        let text = generate();
        let secret = Secret::parse(&text).expect("a strong secret");
        assert!(!format!("{secret:?}").contains(text.as_str()));
    }
}
