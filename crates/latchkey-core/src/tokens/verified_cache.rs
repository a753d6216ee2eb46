//! A cache of verified tokens, so that a token that is presented again needs no signature check. It holds only what never changes:
//! that we issued the token, and its claims. Callers check each time whether it has expired and whether its session has ended.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::Claims;
use latchkey_store::UnixSeconds;

/// Number of sets of tokens, a power of two. Each set has its own lock, which is held only for a few comparisons.
const SETS: usize = 2048;

/// Most tokens in a set. A full set drops its least recently used token, so an attacker who floods the cache can only slow down
/// other users.
const WAYS: usize = 4;

/// Longest token that is cached, in bytes. Together with [`SETS`] and [`WAYS`] this bounds the memory of the cache.
const MAX_LENGTH: usize = 1024;

/// Characters at the end of a signature that its tag is made from. They hold 96 bits of it, which an attacker cannot choose.
const TAGGED: usize = 16;

/// The tokens that one set of keys has verified. The cache is dropped with its keys, so no token of a retired key stays cached.
pub struct VerifiedCache {
    /// The key of this hasher is random, so that an attacker cannot choose which set a token falls into.
    hasher: RandomState,
    sets: Box<[Mutex<Set>]>,
}

/// The entries of a set, the most recently used first.
type Set = Vec<Entry>;

struct Entry {
    tag: u64,
    jwt: Box<str>,
    claims: Arc<Claims>,
}

impl VerifiedCache {
    /// Returns the claims of a token if exactly this token was verified before.
    pub fn find(&self, jwt: &str) -> Option<Arc<Claims>> {
        let tag = self.tag(jwt);
        let mut set = self.set(tag).lock().unwrap_or_else(PoisonError::into_inner);
        // Tokens are compared only if a keyed hash of their signatures agrees, so the time of the comparison reveals nothing about a
        // token to a client that does not have it.
        let at = set.iter().position(|entry| entry.tag == tag && *entry.jwt == *jwt)?;
        set[..=at].rotate_right(1);
        Some(Arc::clone(&set[0].claims))
    }

    /// Adds a token that was just verified.
    pub fn insert(&self, jwt: &str, claims: &Arc<Claims>) {
        if jwt.len() > MAX_LENGTH {
            return;
        }
        let tag = self.tag(jwt);
        let entry = Entry {
            tag,
            jwt: jwt.into(),
            claims: Arc::clone(claims),
        };
        let mut set = self.set(tag).lock().unwrap_or_else(PoisonError::into_inner);
        // Another request may have verified and added it at the same time.
        set.retain(|known| known.tag != tag);
        set.truncate(WAYS - 1);
        set.insert(0, entry);
    }

    /// Removes expired tokens: they are refused anyway and only take memory.
    pub fn forget(&self, now: UnixSeconds) {
        for set in &self.sets {
            let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
            set.retain(|entry| now < entry.claims.exp);
            set.shrink_to_fit();
        }
    }

    /// Returns a hash of the end of the signature, which differs if anything in the token differs.
    fn tag(&self, jwt: &str) -> u64 {
        let end = jwt.as_bytes().last_chunk::<TAGGED>();
        end.map_or_else(|| self.hasher.hash_one(jwt), |end| self.hasher.hash_one(end))
    }

    fn set(&self, tag: u64) -> &Mutex<Set> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash select a set")]
        let at = tag as usize % SETS;
        &self.sets[at]
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().expect("unpoisoned").len()).sum()
    }
}

impl Default for VerifiedCache {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
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
        for number in 0..4 * SETS * WAYS {
            verified.insert(&format!("a.b.{number}"), &claims);
        }
        let full = verified.len();
        assert!(full <= SETS * WAYS && full > SETS * WAYS / 2, "{full}");
        verified.insert(&"x".repeat(MAX_LENGTH + 1), &claims);
        assert_eq!(verified.len(), full, "a token over the length limit is not cached");

        let of_one_set: Vec<String> = (0..)
            .map(|number| format!("a.b.{number}"))
            .filter(|jwt| std::ptr::eq(verified.set(verified.tag(jwt)), &raw const verified.sets[0]))
            .take(2 * WAYS)
            .collect();
        for jwt in &of_one_set {
            verified.insert(jwt, &claims);
            let first = verified.find(&of_one_set[0]);
            assert!(first.is_some(), "it was the most recently used one");
        }
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
