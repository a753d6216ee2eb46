//! Hashes as they are stored: our own, and those that came from elsewhere.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Params};

/// Hashes of more memory than this are not verified, whoever put them into the database.
const MAX_MEMORY_KIB: u32 = 256 * 1024;

/// Nor of more passes.
const MAX_PASSES: u32 = 32;

/// Costs of bcrypt that are verified: below it is no protection, above it a hash takes seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Characters of a bcrypt hash that are salt and digest.
const BCRYPT_DIGEST: usize = 53;

/// A hash that can be verified.
#[derive(Debug)]
pub enum Stored {
    /// argon2 in the PHC format, and the parameters it was made with.
    Argon2(Box<PasswordHash>, Algorithm, Params),
    /// bcrypt in its own.
    Bcrypt {
        /// The hash.
        hash: String,
        /// The logarithm of its rounds.
        cost: u32,
    },
}

impl Stored {
    /// Parses a hash.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("$2") {
            let cost = bcrypt_cost(text).filter(|cost| BCRYPT_COSTS.contains(cost))?;
            return Some(Self::Bcrypt {
                hash: text.to_owned(),
                cost,
            });
        }
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let bearable = params.m_cost() <= MAX_MEMORY_KIB && params.t_cost() <= MAX_PASSES;
        let whole = hash.salt.is_some() && hash.hash.is_some();
        let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
        (bearable && whole).then(|| Self::Argon2(Box::new(hash), algorithm, params))
    }

    /// Whether it is what is made here today.
    pub fn is_current(&self, current: &Params) -> bool {
        match self {
            Self::Argon2(_, algorithm, params) => {
                *algorithm == Algorithm::Argon2id
                    && (params.m_cost(), params.t_cost(), params.p_cost()) == (current.m_cost(), current.t_cost(), current.p_cost())
            }
            Self::Bcrypt { .. } => false,
        }
    }

    /// A hash of nobody's password that takes as long to verify, and names the kind: all of one kind have the same.
    pub fn decoy(&self) -> String {
        match self {
            Self::Argon2(hash, ..) => PasswordHash {
                salt: Salt::new(&[0; 16]).ok(),
                hash: Output::new(&[0; Params::DEFAULT_OUTPUT_LEN]).ok(),
                ..(**hash).clone()
            }
            .to_string(),
            Self::Bcrypt { cost, .. } => format!("$2b${cost:02}${}", ".".repeat(BCRYPT_DIGEST)),
        }
    }
}

/// The cost of a well-formed bcrypt hash: `$2b$10$` and 53 characters.
fn bcrypt_cost(text: &str) -> Option<u32> {
    let (version, rest) = text.strip_prefix("$2")?.split_once('$')?;
    let (cost, digest) = rest.split_once('$')?;
    let well_formed = matches!(version, "a" | "b" | "x" | "y")
        && cost.len() == 2
        && digest.len() == BCRYPT_DIGEST
        && digest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    well_formed.then(|| cost.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";

    #[test]
    fn argon2_and_bcrypt_hashes_are_known() {
        assert!(matches!(Stored::parse(BCRYPT), Some(Stored::Bcrypt { cost: 10, .. })));
        let argon2 = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw";
        let Some(Stored::Argon2(_, Algorithm::Argon2id, params)) = Stored::parse(argon2) else {
            panic!("known")
        };
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (65536, 3, 4));
    }

    #[test]
    fn anything_else_and_anything_too_dear_is_none() {
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
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        ] {
            assert!(Stored::parse(text).is_none(), "{text}");
        }
    }
}
