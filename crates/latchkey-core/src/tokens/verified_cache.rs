//! Tokens that were verified, so that showing one again costs no signature check. Whether one has expired, and whether its
//! session has ended, is asked each time: here is only what can never change, that we issued it and what it says.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::Claims;
use latchkey_store::UnixSeconds;

/// Sets of tokens, each behind a lock of its own that is held for a few comparisons. A power of two.
const SETS: usize = 2048;

/// Tokens in a set. The one that was used longest ago makes room: who floods the table slows down others, and no more.
const WAYS: usize = 4;

/// Longest token that is remembered, in bytes: with [`SETS`] and [`WAYS`] it bounds the memory that all of them take.
const MAX_LENGTH: usize = 1024;

/// Bytes of a signature that its tag is made from: 96 bits of it, which nobody can aim at.
const TAGGED: usize = 16;

/// Verified tokens of one set of keys. It belongs to the keys and is gone with them: a retired key leaves none behind.
pub struct VerifiedCache {
    /// Its key is random: nobody can choose which set a token falls into.
    hasher: RandomState,
    sets: Box<[Mutex<Set>]>,
}

/// The most recently used first.
type Set = Vec<Entry>;

struct Entry {
    tag: u64,
    jwt: Box<str>,
    claims: Arc<Claims>,
}

impl VerifiedCache {
    /// The claims of a token, if this very text was verified.
    pub fn find(&self, jwt: &str) -> Option<Arc<Claims>> {
        let tag = self.tag(jwt);
        let mut set = self.set(tag).lock().unwrap_or_else(PoisonError::into_inner);
        // Texts are compared only where a secret hash of their signatures agrees, so the time it takes tells nothing about a
        // token to whoever does not have it.
        let at = set.iter().position(|entry| entry.tag == tag && *entry.jwt == *jwt)?;
        set[..=at].rotate_right(1);
        Some(Arc::clone(&set[0].claims))
    }

    /// Remembers a token that was verified just now.
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
        // Two requests at once may both have verified it.
        set.retain(|known| known.tag != tag);
        set.truncate(WAYS - 1);
        set.insert(0, entry);
    }

    /// Forgets tokens that have expired: they would open nothing, and take memory.
    pub fn forget(&self, now: UnixSeconds) {
        for set in &self.sets {
            let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
            set.retain(|entry| now < entry.claims.exp);
            set.shrink_to_fit();
        }
    }

    /// From the end of the signature, which differs wherever anything in the token does.
    fn tag(&self, jwt: &str) -> u64 {
        let end = jwt.as_bytes().last_chunk::<TAGGED>();
        end.map_or_else(|| self.hasher.hash_one(jwt), |end| self.hasher.hash_one(end))
    }

    fn set(&self, tag: u64) -> &Mutex<Set> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
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
    fn a_token_is_found_by_every_byte_of_its_text_alone() {
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
    fn a_flood_of_tokens_takes_no_more_room_than_there_is_and_what_is_used_stays_longest() {
        let verified = VerifiedCache::default();
        let claims = claims(NOW);
        for number in 0..4 * SETS * WAYS {
            verified.insert(&format!("a.b.{number}"), &claims);
        }
        let full = verified.len();
        assert!(full <= SETS * WAYS && full > SETS * WAYS / 2, "{full}");
        verified.insert(&"x".repeat(MAX_LENGTH + 1), &claims);
        assert_eq!(verified.len(), full, "too long to be remembered");

        let of_one_set: Vec<String> = (0..)
            .map(|number| format!("a.b.{number}"))
            .filter(|jwt| std::ptr::eq(verified.set(verified.tag(jwt)), &raw const verified.sets[0]))
            .take(2 * WAYS)
            .collect();
        for jwt in &of_one_set {
            verified.insert(jwt, &claims);
            let first = verified.find(&of_one_set[0]);
            assert!(first.is_some(), "it was used a moment ago");
        }
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let verified = VerifiedCache::default();
        verified.insert("a.b.c", &claims(NOW));
        verified.insert("a.b.d", &claims(NOW + 1));
        verified.forget(NOW);
        assert!(verified.find("a.b.c").is_none() && verified.find("a.b.d").is_some());
    }
}
