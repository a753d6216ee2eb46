//! Revocations in memory on every node: which sessions have ended, and which users' access tokens are stale. Requests are checked
//! here without I/O. Memory follows the table `revocations`: an entry is removed only when its row is deleted (`retention`).

mod open_pages;
mod retention;
pub mod sync;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

pub use latchkey_store::{Horizon, MAX_TOKEN_LIFE};
pub use open_pages::Watch;
pub use retention::CautiousClock;

use super::tokens::Claims;
use crate::revocations::open_pages::Watchers;
use latchkey_store::{Revocation, Revoked, SessionId, UnixSeconds};
use latchkey_types::UserId;

/// What the revocations in memory say about a verified access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    /// The session lives, and what the token says about its user is current.
    Good,
    /// What the token says about its user has changed: ask the database.
    Stale,
    /// The session has ended.
    Ended,
    /// The last sync with the database is too long ago: ask the database.
    Unknown,
}

/// Most revocations applied under one lock. Requests wait while it is held.
pub const BATCH: usize = 1000;

/// The current revocations, in memory.
pub struct Revocations {
    /// How long memory is relied on after the last sync, in seconds.
    lag: i64,
    synced_at: AtomicI64,
    known: RwLock<Known>,
    watchers: Watchers,
    /// Decides which revocations may be deleted if the database has no clock of its own.
    pub cautious_clock: CautiousClock,
}

#[derive(Default)]
struct Known {
    ended: HashMap<SessionId, Kept>,
    /// The lowest epoch whose tokens are not stale.
    epochs: HashMap<UserId, (i64, Kept)>,
}

/// Decides how long an entry is kept.
#[derive(Clone, Copy)]
struct Kept {
    written_at: UnixSeconds,
    expires_at: UnixSeconds,
}

impl Kept {
    /// Extends an entry so that it is kept as long as the longer of two rows about the same user.
    fn at_least(&mut self, other: Self) {
        let life = (self.expires_at - self.written_at).max(other.expires_at - other.written_at);
        self.expires_at = self.expires_at.max(other.expires_at);
        self.written_at = self.expires_at - life;
    }
}

impl Known {
    /// Adds a revocation. Returns whether it changed anything.
    fn apply(&mut self, revocation: &Revocation) -> bool {
        let kept = Kept {
            written_at: revocation.written_at,
            expires_at: revocation.expires_at,
        };
        match &revocation.revoked {
            Revoked::Session(id) => self.ended.insert(*id, kept).is_none(),
            Revoked::User(id, epoch) => match self.epochs.get_mut(id) {
                Some((lowest, known)) => {
                    let new = *lowest < *epoch;
                    *lowest = (*lowest).max(*epoch);
                    known.at_least(kept);
                    new
                }
                None => self.epochs.insert(id.clone(), (*epoch, kept)).is_none(),
            },
        }
    }
}

impl Revocations {
    /// Returns empty, never synced revocations. After a sync, memory is relied on for `lag` seconds.
    pub fn new(lag: i64) -> Self {
        Self {
            lag,
            synced_at: AtomicI64::new(i64::MIN),
            known: RwLock::default(),
            watchers: Watchers::default(),
            cautious_clock: CautiousClock::default(),
        }
    }

    /// Returns what is known about a token. Needs no I/O, only one look-up in memory.
    pub fn status(&self, claims: &Claims, now: UnixSeconds) -> TokenStatus {
        if !self.is_current(now) {
            return TokenStatus::Unknown;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.ended.contains_key(&claims.sid) {
            TokenStatus::Ended
        } else if known.epochs.get(&claims.sub).is_some_and(|(lowest, _)| claims.epoch < *lowest) {
            TokenStatus::Stale
        } else {
            TokenStatus::Good
        }
    }

    /// Returns whether the last sync is recent enough to rely on memory. It is not if the clock stepped back by more than `lag`
    /// seconds since then.
    pub fn is_current(&self, now: UnixSeconds) -> bool {
        let synced_at = self.synced_at.load(Ordering::Acquire);
        synced_at != i64::MIN && (synced_at - self.lag..=synced_at + self.lag).contains(&now)
    }

    /// Adds committed revocations and notifies the open pages that they concern. Applying one twice changes nothing.
    pub fn apply(&self, revocations: &[Revocation]) {
        for batch in revocations.chunks(BATCH) {
            let new: Vec<_> = {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                batch.iter().filter(|revocation| known.apply(revocation)).collect()
            };
            for revocation in new {
                self.watchers.tell(&revocation.revoked);
            }
        }
    }

    /// Notes that everything committed before `now` has been applied.
    pub fn mark_synced(&self, now: UnixSeconds) {
        self.synced_at.store(now, Ordering::Release);
    }

    /// Removes the entries whose rows were deleted up to this horizon. Call this only after the rows were deleted.
    pub fn forget(&self, horizon: &Horizon) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.ended.retain(|_, kept| !horizon.is_past(kept.written_at, kept.expires_at));
        known
            .epochs
            .retain(|_, (_, kept)| !horizon.is_past(kept.written_at, kept.expires_at));
        known.ended.shrink_to_fit();
    }

    /// Returns a [`Watch`] for the revocations of a session and its user, or `None` if too many open pages of the user wait already.
    /// Check the [`TokenStatus`] after this call, not before it, so that no revocation is missed.
    pub fn watch(&self, session: SessionId, user: &UserId) -> Option<Watch> {
        self.watchers.watch(session, user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, Secrets, generate};
    use crate::tokens::TokenGrant;
    use crate::tokens::{AccessTokens, Algorithm};
    use latchkey_types::{Role, User};

    const NOW: UnixSeconds = 1_800_000_000;
    const LIFE: i64 = 900;
    const LAG: i64 = 10;

    fn claims(epoch: i64) -> Claims {
        let secrets = Secrets::of(Secret::parse(&generate()).expect("a strong secret"));
        let user = User {
            id: UserId("user-1".into()),
            username: "ada".into(),
            roles: vec![Role::User],
        };
        let tokens = AccessTokens::new("http://localhost:3000", &secrets, Algorithm::Hs256, LIFE);
        let issue = TokenGrant {
            session: SessionId::new(),
            counter: 0,
            now: NOW,
            expires_at: NOW + LIFE,
        };
        tokens.issue(&user, epoch, &issue).claims
    }

    fn current() -> Revocations {
        let revocations = Revocations::new(LAG);
        revocations.mark_synced(NOW);
        revocations
    }

    fn session(id: SessionId) -> Revocation {
        Revocation {
            revoked: Revoked::Session(id),
            written_at: NOW,
            expires_at: NOW + LIFE,
        }
    }

    fn user(id: &UserId, epoch: i64) -> Revocation {
        Revocation::of_user(id.clone(), epoch, NOW)
    }

    #[test]
    fn tokens_of_an_ended_session_or_an_older_epoch_are_refused_at_once() {
        let (revocations, claims) = (current(), claims(3));
        assert_eq!(revocations.status(&claims, NOW), TokenStatus::Good);
        revocations.apply(&[user(&claims.sub, 3)]);
        assert_eq!(
            revocations.status(&claims, NOW),
            TokenStatus::Good,
            "the token is of the current epoch"
        );
        revocations.apply(&[user(&claims.sub, 4)]);
        assert_eq!(revocations.status(&claims, NOW), TokenStatus::Stale);
        revocations.apply(&[user(&claims.sub, 2)]);
        assert_eq!(
            revocations.status(&claims, NOW),
            TokenStatus::Stale,
            "an older revocation changes nothing"
        );
        revocations.apply(&[session(claims.sid)]);
        assert_eq!(revocations.status(&claims, NOW), TokenStatus::Ended);
    }

    #[test]
    fn an_entry_is_kept_as_long_as_its_row() {
        let (revocations, claims) = (current(), claims(0));
        revocations.apply(&[session(claims.sid)]);
        let horizon = |now, uptime| Horizon { now, uptime };
        for (horizon, standing) in [
            (horizon(NOW + LIFE - 1, LIFE), TokenStatus::Ended),
            (horizon(NOW + LIFE, LIFE - 1), TokenStatus::Ended),
            (horizon(NOW + LIFE, LIFE), TokenStatus::Good),
        ] {
            revocations.forget(&horizon);
            assert_eq!(revocations.status(&claims, NOW), standing, "{horizon:?}");
        }
    }

    #[test]
    fn an_epoch_is_kept_as_long_as_the_latest_row_about_its_user() {
        let (revocations, claims) = (current(), claims(0));
        revocations.apply(&[user(&claims.sub, 2)]);
        revocations.apply(&[Revocation::of_user(claims.sub.clone(), 1, NOW + 100)]);
        revocations.forget(&Horizon {
            now: NOW + MAX_TOKEN_LIFE,
            uptime: MAX_TOKEN_LIFE,
        });
        assert_eq!(revocations.status(&claims, NOW), TokenStatus::Stale);
    }

    #[test]
    fn the_status_of_a_token_is_unknown_without_a_recent_sync() {
        let claims = claims(0);
        assert_eq!(
            Revocations::new(LAG).status(&claims, NOW),
            TokenStatus::Unknown,
            "before the first sync"
        );
        let revocations = current();
        assert_eq!(revocations.status(&claims, NOW + LAG), TokenStatus::Good);
        assert_eq!(revocations.status(&claims, NOW + LAG + 1), TokenStatus::Unknown);
        assert_eq!(
            revocations.status(&claims, NOW - LAG - 1),
            TokenStatus::Unknown,
            "the clock stepped back"
        );
    }

    #[tokio::test]
    async fn a_watch_is_notified_only_of_its_own_session_and_user() {
        let (revocations, mine, other) = (current(), claims(0), claims(0));
        let watch = revocations.watch(mine.sid, &mine.sub).expect("few pages wait");
        revocations.apply(&[session(other.sid), user(&UserId("user-2".into()), 1)]);
        assert!(!watch.has_changed());
        revocations.apply(&[session(mine.sid)]);
        watch.changed().await;
        drop(watch);
        let watch = revocations.watch(other.sid, &other.sub).expect("few pages wait");
        revocations.apply(&[user(&other.sub, 1)]);
        watch.changed().await;
        drop(watch);
        assert_eq!(revocations.watchers.len(), 0, "dropping a watch removes its entries");
    }
}
