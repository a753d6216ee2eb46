//! The first request with a new pair of tokens. It marks the pair as used in the database before it is answered, because theft is
//! detected by this mark. Later requests with the pair find the mark in memory and write nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::sessions::Sessions;
use crate::tokens::Claims;
use latchkey_store::{Counter, SessionId, StoreError, UnixSeconds};

/// Precision of "last used", in seconds.
pub const EXACT_TO: i64 = 60;

/// Longest wait for a database that hangs, if the request is served even without the mark.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Most marks that are being written at a time. Beyond this the database counts as unavailable, so that no work piles up during an
/// outage.
const MAX_WRITES: usize = 1024;

/// Most sessions kept in memory, about 40 MB. Beyond this all are forgotten; each of them then costs one statement that changes
/// nothing.
const MAX_KNOWN: usize = 1_000_000;

/// What this node knows about the use of a session.
#[derive(Clone, Copy)]
struct Known {
    /// The highest counter that is durably marked as used; -1 for none.
    marked: i64,
    /// When the use of the session was last noted for "last used".
    noted_at: UnixSeconds,
}

/// A mark that is being written. All requests with the same pair wait for the same write.
#[derive(Clone)]
struct Write {
    began: Instant,
    outcome: watch::Receiver<Option<Result<(), Arc<StoreError>>>>,
}

/// The pairs of tokens that this node knows to be durably marked as used.
#[derive(Default)]
pub struct FirstUses {
    known: RwLock<HashMap<SessionId, Known>>,
    writes: Mutex<HashMap<(SessionId, Counter), Write>>,
}

impl FirstUses {
    /// Returns whether the use of a pair is recorded: marked durably, and noted within the last minute. Needs no I/O, only one
    /// look-up in memory.
    pub fn is_recorded(&self, session: SessionId, counter: Counter, now: UnixSeconds) -> bool {
        self.known(session)
            .is_some_and(|known| known.marked >= i64::from(counter) && is_recent(known.noted_at, now))
    }

    /// Remembers that a pair is durably marked as used.
    pub fn remember(&self, session: SessionId, counter: Counter) {
        self.change(session, |known| known.marked = known.marked.max(i64::from(counter)));
    }

    /// Forgets sessions whose use was last noted `keep` or more seconds ago.
    pub fn forget(&self, now: UnixSeconds, keep: i64) {
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, known| known.noted_at.saturating_add(keep) > now);
        all.shrink_to_fit();
    }

    fn known(&self, session: SessionId) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&session).copied()
    }

    fn is_marked(&self, session: SessionId, counter: Counter) -> bool {
        self.known(session).is_some_and(|known| known.marked >= i64::from(counter))
    }

    /// Notes a use of a session. Returns whether it is the first within a minute.
    fn note(&self, session: SessionId, now: UnixSeconds) -> bool {
        if self.known(session).is_some_and(|known| is_recent(known.noted_at, now)) {
            return false;
        }
        self.change(session, |known| known.noted_at = now);
        true
    }

    fn change(&self, session: SessionId, change: impl FnOnce(&mut Known)) {
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KNOWN && !all.contains_key(&session) {
            all.clear();
        }
        change(all.entry(session).or_insert(Known {
            marked: -1,
            noted_at: i64::MIN,
        }));
    }

    fn writes(&self) -> MutexGuard<'_, HashMap<(SessionId, Counter), Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_recent(noted_at: UnixSeconds, now: UnixSeconds) -> bool {
    (noted_at..noted_at.saturating_add(EXACT_TO)).contains(&now)
}

impl Sessions {
    /// Records that a verified access token is in use. Returns an error only if the first use of its pair cannot be written and
    /// serving the request without that mark could hide a theft.
    pub async fn record_first_use(&self, claims: &Claims, now: UnixSeconds) -> Result<(), StoreError> {
        let (session, counter) = (claims.sid, claims.jti.counter());
        if self.first_uses.note(session, now) {
            self.write_behind.used(session, now);
        }
        if self.first_uses.is_marked(session, counter) {
            return Ok(());
        }
        let is_harmless = self.is_harmless_unmarked(claims, now);
        match self.mark(session, counter, is_harmless).await {
            Err(error) if is_harmless => {
                tracing::debug!(%error, %session, "the first use of a token is written down later");
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Returns whether serving a pair without a mark changes no decision about theft. This holds for the first pair of a session,
    /// because it has no predecessor. It holds for any other pair within the grace, because until then its predecessor gets the same
    /// pair whether it is marked or not.
    fn is_harmless_unmarked(&self, claims: &Claims, now: UnixSeconds) -> bool {
        claims.jti.counter() == 0 || now <= claims.iat.saturating_add(self.lifetimes.refresh_grace)
    }

    async fn mark(&self, session: SessionId, counter: Counter, briefly: bool) -> Result<(), StoreError> {
        let mut write = self.join_or_begin(session, counter)?;
        let outcome = write.outcome.wait_for(Option::is_some);
        let outcome = if briefly {
            // The wait counts from the beginning of the write, so that a later request does not wait for the full time again.
            timeout_at(write.began + SHORT_WAIT, outcome)
                .await
                .map_err(|_| StoreError::slow())?
        } else {
            outcome.await
        };
        match outcome.as_deref() {
            Ok(Some(Ok(()))) => Ok(()),
            Ok(Some(Err(error))) => Err(StoreError::Shared(Arc::clone(error))),
            Ok(None) | Err(_) => Err(StoreError::slow()),
        }
    }

    fn join_or_begin(&self, session: SessionId, counter: Counter) -> Result<Write, StoreError> {
        let mut writes = self.first_uses.writes();
        if let Some(write) = writes.get(&(session, counter)) {
            return Ok(write.clone());
        }
        if writes.len() >= MAX_WRITES {
            return Err(StoreError::slow());
        }
        let (done, outcome) = watch::channel(None);
        let write = Write {
            began: Instant::now(),
            outcome,
        };
        writes.insert((session, counter), write.clone());
        drop(writes);
        // Write in a separate task, so that a client that disconnects does not interrupt a write that other requests wait for.
        let sessions = self.clone();
        tokio::spawn(async move {
            let written = sessions.store.mark_used(session, counter).await;
            match &written {
                Ok(()) => sessions.first_uses.remember(session, counter),
                Err(_) => sessions.write_behind.unmarked(session, counter),
            }
            sessions.first_uses.writes().remove(&(session, counter));
            done.send_replace(Some(written.map_err(Arc::new)));
        });
        Ok(write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;

    #[test]
    fn a_use_is_noted_once_a_minute_and_recorded_once_its_pair_is_marked() {
        let (uses, session) = (FirstUses::default(), SessionId::new());
        assert!(uses.note(session, NOW) && !uses.note(session, NOW + 59));
        assert!(!uses.is_recorded(session, 0, NOW), "the pair is not marked yet");
        uses.remember(session, 1);
        uses.remember(session, 0);
        assert!(uses.is_recorded(session, 0, NOW) && uses.is_recorded(session, 1, NOW));
        assert!(!uses.is_recorded(session, 2, NOW), "pair 2 was never marked");
        assert!(
            !uses.is_recorded(session, 1, NOW + 60),
            "the use was noted a minute ago, so it must be noted again"
        );
        assert!(uses.note(session, NOW + 60) && uses.is_recorded(session, 1, NOW + 60));
        assert!(!uses.is_recorded(SessionId::new(), 0, NOW));
    }

    #[test]
    fn a_session_that_was_not_used_for_the_keep_time_is_forgotten() {
        let (uses, session) = (FirstUses::default(), SessionId::new());
        assert!(uses.note(session, NOW));
        uses.remember(session, 3);
        uses.forget(NOW + 899, 900);
        assert!(uses.is_marked(session, 3));
        uses.forget(NOW + 900, 900);
        assert!(!uses.is_marked(session, 3));
    }
}
