//! Remembers verified tokens, so that presenting one again costs no signature check. It holds only what never changes: that we
//! issued the token, and its claims. Expiry and revocation are checked each time, elsewhere.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Claims;
use latchkey_store::UnixSeconds;

/// Tokens that are remembered at most.
const CAPACITY: usize = 8192;

/// Longest token that is remembered, in bytes: with [`CAPACITY`] it bounds the memory.
const MAX_LENGTH: usize = 1024;

/// Bytes of a signature that its tag is made from: 96 bits of it, which nobody can aim at.
const TAGGED: usize = 16;

/// Verified tokens of one set of keys. It is dropped with the keys, so a retired key leaves no token behind.
pub struct VerifiedCache {
    /// Its key is random, so nobody can choose the tag of a token.
    hasher: RandomState,
    /// By the tag of the token.
    tokens: Cache<u64, Arc<Entry>>,
}

struct Entry {
    jwt: Box<str>,
    claims: Arc<Claims>,
}

impl VerifiedCache {
    /// Returns the claims of a token if this very text was verified.
    pub fn find(&self, jwt: &str) -> Option<Arc<Claims>> {
        // Texts are compared only where a secret hash of their signatures agrees, so the response time tells nothing about a
        // token to anyone who does not have it.
        let entry = self.tokens.get(&self.tag(jwt))?;
        (*entry.jwt == *jwt).then(|| Arc::clone(&entry.claims))
    }

    /// Remembers a token that was verified just now.
    pub fn insert(&self, jwt: &str, claims: &Arc<Claims>) {
        if jwt.len() > MAX_LENGTH {
            return;
        }
        let entry = Entry {
            jwt: jwt.into(),
            claims: Arc::clone(claims),
        };
        self.tokens.insert(self.tag(jwt), Arc::new(entry));
    }

    /// Forgets expired tokens, which take memory for nothing.
    pub fn forget(&self, now: UnixSeconds) {
        self.tokens.retain(|_, entry| now < entry.claims.exp);
    }

    /// Hashes the end of the signature, which differs wherever anything in the token does.
    fn tag(&self, jwt: &str) -> u64 {
        let end = jwt.as_bytes().last_chunk::<TAGGED>();
        end.map_or_else(|| self.hasher.hash_one(jwt), |end| self.hasher.hash_one(end))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }
}

impl Default for VerifiedCache {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            tokens: Cache::new(CAPACITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::TokenId;
    use latchkey_store::SessionId;
    use latchkey_types::UserId;

    const NOW: UnixSeconds = 1_800_000_000;

    fn claims(exp: UnixSeconds) -> Arc<Claims> {
        Arc::new(Claims {
            iss: "http://localhost:3000".into(),
            aud: "http://localhost:3000".into(),
            sub: UserId("user-1".into()),
            sid: SessionId::new(),
            jti: TokenId::new(0),
            iat: exp - 900,
            exp,
            username: "ada".into(),
            roles: Vec::new(),
            epoch: 0,
        })
    }

    #[test]
    fn only_the_exact_token_is_found_in_the_cache() {
        let verified = VerifiedCache::default();
        let (jwt, claims) = ("header.claims.signature", claims(NOW));
        verified.insert(jwt, &claims);
        assert!(verified.find(jwt).is_some_and(|found| Arc::ptr_eq(&found, &claims)));
        for at in 0..jwt.len() {
            for bit in 0..7 {
                let mut bytes = jwt.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).expect("ASCII");
                assert!(verified.find(&changed).is_none(), "{changed:?}");
            }
        }
        for other in [
            "",
            ".",
            "header.claims.",
            ".signature",
            "header.claims.signature.",
            " header.claims.signature",
        ] {
            assert!(verified.find(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_flood_of_tokens_stays_within_the_cache_size_and_recently_used_tokens_stay_cached() {
        let verified = VerifiedCache::default();
        let claims = claims(NOW);
        let in_use = "in.use.now";
        verified.insert(in_use, &claims);
        for number in 0..4 * CAPACITY {
            verified.insert(&format!("a.b.{number}"), &claims);
            assert!(verified.find(in_use).is_some(), "after {number} others");
        }
        assert!((CAPACITY / 2..=CAPACITY).contains(&verified.len()), "{}", verified.len());
        let too_long = "x".repeat(MAX_LENGTH + 1);
        verified.insert(&too_long, &claims);
        assert!(verified.find(&too_long).is_none());
    }

    #[test]
    fn expired_tokens_are_removed_from_the_cache() {
        let verified = VerifiedCache::default();
        verified.insert("a.b.c", &claims(NOW));
        verified.insert("a.b.d", &claims(NOW + 1));
        verified.forget(NOW);
        assert!(verified.find("a.b.c").is_none() && verified.find("a.b.d").is_some());
    }
}
