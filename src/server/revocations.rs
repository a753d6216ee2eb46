//! What every node knows by heart: which sessions have ended and which users' tokens are stale, for as long
//! as an access token may live. So a request asks memory, and an ended session is over at once.

mod watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

pub use watch::Watch;

use self::watch::Watchers;
use super::clock::UnixSeconds;
use super::sessions::SessionId;
use super::tokens::{CLOCK_SLACK, Claims};
use crate::domain::UserId;

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// This session has ended.
    Session(SessionId),
    /// Access tokens of this user are stale when they are of an earlier epoch.
    User(UserId, i64),
}

/// What memory says of a verified access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its session lives and its facts are right.
    Good,
    /// Its facts have changed: ask the database.
    Stale,
    /// Its session has ended.
    Ended,
    /// There has been no news for too long: ask the database.
    Unknown,
}

/// Pieces learnt at a time: while memory learns, requests wait.
pub const BATCH: usize = 1000;

/// The news, in memory.
pub struct Revocations {
    /// How long a piece of news is kept, in seconds: no token that it is about lives longer.
    keep: i64,
    /// How long memory counts without news, in seconds.
    lag: i64,
    heard_at: AtomicI64,
    known: RwLock<Known>,
    watchers: Watchers,
}

#[derive(Default)]
struct Known {
    /// Sessions that ended, and when each may be forgotten.
    ended: HashMap<SessionId, UnixSeconds>,
    /// The lowest epoch whose tokens are not stale, likewise.
    epochs: HashMap<UserId, (i64, UnixSeconds)>,
}

impl Known {
    /// Learns a piece of news, and keeps it until then. Whether it was new.
    fn learn(&mut self, piece: &Revocation, until: UnixSeconds) -> bool {
        match piece {
            Revocation::Session(id) => self.ended.insert(*id, until).is_none(),
            Revocation::User(id, epoch) => match self.epochs.get_mut(id) {
                Some((lowest, kept)) => {
                    let new = *lowest < *epoch;
                    *lowest = (*lowest).max(*epoch);
                    *kept = until;
                    new
                }
                None => self.epochs.insert(id.clone(), (*epoch, until)).is_none(),
            },
        }
    }
}

impl Revocations {
    /// Knows nothing yet. Access tokens live `life` seconds; without news memory counts for `lag` seconds.
    pub fn new(life: i64, lag: i64) -> Self {
        Self {
            keep: life + CLOCK_SLACK,
            lag,
            heard_at: AtomicI64::new(i64::MIN),
            known: RwLock::default(),
            watchers: Watchers::default(),
        }
    }

    /// What is known of a token: one look at memory.
    pub fn standing(&self, claims: &Claims, now: UnixSeconds) -> Standing {
        if !self.is_current(now) {
            return Standing::Unknown;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.ended.contains_key(&claims.sid) {
            Standing::Ended
        } else if known.epochs.get(&claims.sub).is_some_and(|(lowest, _)| claims.epoch < *lowest) {
            Standing::Stale
        } else {
            Standing::Good
        }
    }

    /// Whether the news is recent enough to rely on. A clock that stepped back is no reason to.
    pub fn is_current(&self, now: UnixSeconds) -> bool {
        let heard_at = self.heard_at.load(Ordering::Acquire);
        heard_at != i64::MIN && (heard_at - self.lag..=heard_at + self.lag).contains(&now)
    }

    /// Learns what has been committed, and tells the open pages it is about. Learning it twice changes nothing.
    pub fn learn(&self, news: &[Revocation], now: UnixSeconds) {
        let until = now + self.keep;
        for batch in news.chunks(BATCH) {
            let new: Vec<_> = {
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                batch.iter().filter(|piece| known.learn(piece, until)).collect()
            };
            for piece in new {
                self.watchers.tell(piece);
            }
        }
    }

    /// Notes that everything committed before `now` has been learnt.
    pub fn heard(&self, now: UnixSeconds) {
        self.heard_at.store(now, Ordering::Release);
    }

    /// Forgets what no living token can be about any more.
    pub fn forget(&self, now: UnixSeconds) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.ended.retain(|_, until| *until > now);
        known.epochs.retain(|_, (_, until)| *until > now);
        known.ended.shrink_to_fit();
    }

    /// News older than this many seconds is about no living token.
    pub const fn keep(&self) -> i64 {
        self.keep
    }

    /// Waits for news about a session or its user, unless too many pages of the user do already. Ask for the [`Standing`]
    /// after this, not before: so nothing is missed.
    pub fn watch(&self, session: SessionId, user: &UserId) -> Option<Watch> {
        self.watchers.watch(session, user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, User};
    use crate::server::secret::{Secret, Secrets, generate};
    use crate::server::sessions::Issue;
    use crate::server::tokens::{AccessTokens, Algorithm};

    const NOW: UnixSeconds = 1_800_000_000;
    const LIFE: i64 = 900;
    const LAG: i64 = 10;

    fn claims(epoch: i64) -> Claims {
        let secrets = Secrets::of(Secret::parse(&generate()).expect("good"));
        let user = User {
            id: UserId("user-1".into()),
            username: "ada".into(),
            roles: vec![Role::User],
        };
        let tokens = AccessTokens::new("http://localhost:3000", &secrets, Algorithm::Hs256, LIFE);
        let issue = Issue {
            session: SessionId::new(),
            counter: 0,
            now: NOW,
            expires_at: NOW + LIFE,
        };
        tokens.issue(&user, epoch, &issue).claims
    }

    fn current() -> Revocations {
        let revocations = Revocations::new(LIFE, LAG);
        revocations.heard(NOW);
        revocations
    }

    #[test]
    fn an_ended_session_and_an_old_epoch_are_known_at_once() {
        let (revocations, claims) = (current(), claims(3));
        assert_eq!(revocations.standing(&claims, NOW), Standing::Good);
        revocations.learn(&[Revocation::User(claims.sub.clone(), 3)], NOW);
        assert_eq!(revocations.standing(&claims, NOW), Standing::Good, "of this very epoch");
        revocations.learn(&[Revocation::User(claims.sub.clone(), 4)], NOW);
        assert_eq!(revocations.standing(&claims, NOW), Standing::Stale);
        revocations.learn(&[Revocation::User(claims.sub.clone(), 2)], NOW);
        assert_eq!(revocations.standing(&claims, NOW), Standing::Stale, "older news changes nothing");
        revocations.learn(&[Revocation::Session(claims.sid)], NOW);
        assert_eq!(revocations.standing(&claims, NOW), Standing::Ended);
    }

    #[test]
    fn nothing_is_forgotten_while_a_token_may_live() {
        let (revocations, claims) = (current(), claims(0));
        revocations.learn(&[Revocation::Session(claims.sid)], NOW);
        let last = NOW + LIFE + CLOCK_SLACK;
        for (now, standing) in [(last - 1, Standing::Ended), (last, Standing::Good)] {
            revocations.forget(now);
            revocations.heard(now);
            assert_eq!(revocations.standing(&claims, now), standing);
        }
    }

    #[test]
    fn without_news_nothing_is_certain() {
        let claims = claims(0);
        assert_eq!(
            Revocations::new(LIFE, LAG).standing(&claims, NOW),
            Standing::Unknown,
            "before the first"
        );
        let revocations = current();
        assert_eq!(revocations.standing(&claims, NOW + LAG), Standing::Good);
        assert_eq!(revocations.standing(&claims, NOW + LAG + 1), Standing::Unknown);
        assert_eq!(
            revocations.standing(&claims, NOW - LAG - 1),
            Standing::Unknown,
            "the clock stepped back"
        );
    }

    #[tokio::test]
    async fn a_watch_hears_of_its_session_and_its_user_alone() {
        let (revocations, mine, other) = (current(), claims(0), claims(0));
        let watch = revocations.watch(mine.sid, &mine.sub).expect("room");
        revocations.learn(&[Revocation::Session(other.sid), Revocation::User(UserId("user-2".into()), 1)], NOW);
        assert!(!watch.has_news());
        revocations.learn(&[Revocation::Session(mine.sid)], NOW);
        watch.news().await;
        drop(watch);
        let watch = revocations.watch(other.sid, &other.sub).expect("room");
        revocations.learn(&[Revocation::User(other.sub.clone(), 1)], NOW);
        watch.news().await;
        drop(watch);
        assert_eq!(revocations.watchers.len(), 0, "a watch that is over leaves nothing behind");
    }
}
