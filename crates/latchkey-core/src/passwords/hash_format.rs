//! Formats of stored password hashes: our own, and those of imported accounts.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, MIN_SALT_LEN, Params, Version};
use bcrypt::HashParts;
use latchkey_store::HashedPassword;

/// Hashes that need more memory than this are not verified, even if they are in the database.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// Hashes that need more memory than this are not imported.
const MAX_IMPORTED_MEMORY_KIB: u32 = 64 * 1024;

/// Hashes with more passes than this are not verified.
const MAX_PASSES: u32 = 32;

/// The bcrypt costs that are verified. A lower cost gives no protection; a higher cost takes seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Bytes of a password that bcrypt uses. It ignores the rest.
const BCRYPT_BYTES: usize = 72;

/// The work of one round of bcrypt, in KiB that argon2 fills in the same time (measured on x86-64).
const BCRYPT_ROUND_KIB: u64 = 100;

/// The salt and digest of a decoy, which follow its kind. All bytes are zero, and no known password has such a hash.
const ARGON2_ZEROS: &str = "AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const BCRYPT_ZEROS: &str = ".....................................................";

/// A hash that can be verified.
#[derive(Debug)]
pub enum HashFormat {
    /// argon2 in the PHC format, with the parameters that it was made with.
    Argon2 {
        /// The hash.
        hash: Box<PasswordHash>,
        /// argon2d, argon2i or argon2id.
        algorithm: Algorithm,
        /// The version. A hash that does not name its version is of version 16.
        version: Version,
        /// Memory, passes and lanes.
        params: Params,
    },
    /// bcrypt in its own format.
    Bcrypt {
        /// The hash.
        hash: String,
        /// The binary logarithm of the number of rounds.
        cost: u32,
    },
}

impl HashFormat {
    /// Parses a hash. Returns `None` for a hash that no password can be verified against.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("$2") {
            let cost = text.parse::<HashParts>().ok()?.get_cost();
            return BCRYPT_COSTS.contains(&cost).then(|| Self::Bcrypt {
                hash: text.to_owned(),
                cost,
            });
        }
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let bearable = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES;
        let whole = hash.hash.is_some() && hash.salt.is_some_and(|salt| salt.len() >= MIN_SALT_LEN);
        // A key identifier means that the hash was made with a secret key, which we do not have.
        let keyless = params.keyid().is_empty();
        (bearable && whole && keyless).then_some(())?;
        Some(Self::Argon2 {
            algorithm: Algorithm::try_from(hash.algorithm.as_str()).ok()?,
            version: hash.version.map_or(Ok(Version::V0x10), Version::try_from).ok()?,
            params,
            hash: Box::new(hash),
        })
    }

    /// Returns whether the hash may be imported. `$2x$` may not: it marks hashes of an implementation that handled letters with accents
    /// wrongly, so users with such a password could not sign in.
    pub fn is_importable(&self) -> bool {
        match self {
            Self::Argon2 { params, .. } => params.m_cost() <= MAX_IMPORTED_MEMORY_KIB,
            Self::Bcrypt { hash, .. } => !hash.starts_with("$2x$"),
        }
    }

    /// Returns whether the hash has the algorithm, version and parameters that new hashes have.
    pub fn is_current(&self, current: &Params) -> bool {
        match self {
            Self::Argon2 {
                algorithm,
                version,
                params,
                ..
            } => {
                (*algorithm, *version) == (Algorithm::Argon2id, Version::V0x13)
                    && (params.m_cost(), params.t_cost(), params.p_cost()) == (current.m_cost(), current.t_cost(), current.p_cost())
            }
            Self::Bcrypt { .. } => false,
        }
    }

    /// Returns whether verifying this password covers each of its bytes.
    pub fn sees_all_of(&self, typed: &str) -> bool {
        matches!(self, Self::Argon2 { .. }) || typed.len() <= BCRYPT_BYTES
    }

    /// Returns the work of verifying the hash, in KiB that argon2 fills.
    pub fn work(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => u64::from(params.m_cost()) * u64::from(params.t_cost()),
            Self::Bcrypt { cost, .. } => BCRYPT_ROUND_KIB << cost,
        }
    }
}

/// Returns a hash together with its kind, as the store expects it.
pub fn hashed_password(text: &str) -> HashedPassword<'_> {
    HashedPassword { text, kind: kind(text) }
}

/// Returns the kind of a hash: the beginning that contains everything that decides how long verifying takes, such as
/// `$argon2id$v=19$m=19456,t=2,p=1$` or `$2b$10$`. Migration 8 computes the kind in the same way.
pub fn kind(hash: &str) -> Option<&str> {
    if hash.starts_with("$2") {
        return hash.get(..7);
    }
    let salt = hash[..hash.rfind('$')?].rfind('$')?;
    Some(&hash[..=salt])
}

/// Returns a hash of this kind that no known password has. Verifying it takes as long as for any other hash of the kind.
pub fn decoy(kind: &str) -> String {
    let zeros = if kind.starts_with("$2") { BCRYPT_ZEROS } else { ARGON2_ZEROS };
    format!("{kind}{zeros}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    #[test]
    fn argon2_and_bcrypt_hashes_are_parsed() {
        assert!(matches!(HashFormat::parse(BCRYPT), Some(HashFormat::Bcrypt { cost: 10, .. })));
        let argon2 = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw";
        let Some(HashFormat::Argon2 {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params,
            ..
        }) = HashFormat::parse(argon2)
        else {
            panic!("this hash must be parsed")
        };
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (65536, 3, 4));
    }

    #[test]
    fn unknown_incomplete_and_too_costly_hashes_are_refused() {
        let costly = BCRYPT.replace("$10$", "$31$");
        for text in [
            "",
            "quiet harbour lantern",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "$1$salt$hash",
            "$2b$10$short",
            "$2z$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
            &costly,
            "$argon2id$v=19$m=4194304,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
            "$argon2id$v=19$m=65536,t=3000,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=20$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
            "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
            "$argon2id$v=19$m=65536,t=3,p=4,keyid=Hj5+dsK0$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        ] {
            assert!(HashFormat::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_hash_without_a_version_is_of_version_16() {
        for version in ["", "$v=16"] {
            let text = format!("$argon2i{version}$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw");
            let Some(stored @ HashFormat::Argon2 { version, .. }) = HashFormat::parse(&text) else {
                panic!("{text}")
            };
            assert_eq!(version, Version::V0x10, "{text}");
            assert!(!stored.is_current(&Params::new(64, 1, 1, None).expect("parameters")));
        }
    }

    #[test]
    fn argon2_hashes_above_64_mib_and_bcrypt_2x_hashes_are_not_importable() {
        let argon2 =
            |memory: u32| format!("$argon2id$v=19$m={memory},t=1,p=1$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw");
        for (text, importable) in [
            (argon2(64 * 1024), true),
            (argon2(64 * 1024 + 1), false),
            (argon2(256 * 1024), false),
            (BCRYPT.to_owned(), true),
            (BCRYPT.replace("$2b$", "$2x$"), false),
        ] {
            assert_eq!(HashFormat::parse(&text).expect("verified").is_importable(), importable, "{text}");
        }
    }

    #[test]
    fn the_kind_of_a_hash_excludes_salt_and_digest_and_its_decoy_has_the_same_kind() {
        for (text, expected) in [
            (BCRYPT, "$2b$10$"),
            (
                "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
                "$argon2id$v=19$m=65536,t=3,p=4$",
            ),
            (
                "$argon2i$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM",
                "$argon2i$m=65536,t=3,p=4$",
            ),
        ] {
            assert_eq!(kind(text), Some(expected));
            let decoy = decoy(expected);
            assert_eq!(kind(&decoy), Some(expected));
            let work = |text| HashFormat::parse(text).expect("verified").work();
            assert_eq!(work(&decoy), work(text), "{decoy}");
        }
        assert_eq!(kind("broken"), None);
    }
}
