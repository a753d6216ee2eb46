//! What is written down after the answer: that a token was seen, and that somebody failed to sign in. No answer
//! waits for it, so it adds no time that could be measured.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::clock::UnixSeconds;
use super::events::{EventKind, NewEvent};
use super::refresh_tokens::Counter;
use super::sessions::{Client, SessionId};
use super::state::AppState;
use super::store::StoreError;
use crate::domain::UserId;

/// How exact "last used" is, in seconds.
const EXACT_TO: i64 = 60;

/// Least time between two writes: notes share one.
const PAUSE: Duration = Duration::from_millis(250);

/// Failures that wait at most; more are counted in the metrics alone.
const MAX_FAILURES: usize = 1000;

type Uses = HashMap<SessionId, (Counter, UnixSeconds)>;

/// Notes, in memory until they are written.
#[derive(Default)]
pub struct Notes {
    /// The highest counter seen of each session, and when that was noted.
    seen: RwLock<Uses>,
    waiting: Mutex<Waiting>,
    something: Notify,
}

#[derive(Default)]
struct Waiting {
    uses: Uses,
    failures: Vec<Failure>,
}

struct Failure {
    user: UserId,
    client: Client,
    at: UnixSeconds,
}

impl Notes {
    /// Notes that an access token of a session was seen, once for each refresh and minute.
    pub fn seen(&self, session: SessionId, counter: Counter, now: UnixSeconds) {
        let known = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(&session).copied();
        if known.is_some_and(|(seen, at)| counter <= seen && (at..at + EXACT_TO).contains(&now)) {
            return;
        }
        let highest = known.map_or(counter, |(seen, _)| counter.max(seen));
        let note = (highest, now);
        self.seen.write().unwrap_or_else(PoisonError::into_inner).insert(session, note);
        self.waiting().uses.insert(session, note);
        self.something.notify_one();
    }

    /// Whether a token of this counter, or a later one, was seen here.
    pub fn has_seen(&self, session: SessionId, counter: Counter) -> bool {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.get(&session).is_some_and(|(highest, _)| *highest >= counter)
    }

    /// Notes that somebody failed to sign in to an account.
    pub fn failed(&self, user: &UserId, client: &Client, now: UnixSeconds) {
        let mut waiting = self.waiting();
        if waiting.failures.len() < MAX_FAILURES {
            waiting.failures.push(Failure {
                user: user.clone(),
                client: client.clone(),
                at: now,
            });
            self.something.notify_one();
        }
    }

    /// Forgets sessions of which nothing was seen for `keep` seconds.
    pub fn forget(&self, now: UnixSeconds, keep: i64) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, (_, at)| *at + keep > now);
        seen.shrink_to_fit();
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits.
///
/// # Errors
/// When the database cannot be used; then everything still waits.
pub async fn write(state: &AppState) -> Result<(), StoreError> {
    let Waiting { uses, failures } = std::mem::take(&mut *state.notes.waiting());
    if uses.is_empty() && failures.is_empty() {
        return Ok(());
    }
    let seen: Vec<_> = uses.iter().map(|(id, (counter, at))| (*id, *counter, *at)).collect();
    let events: Vec<_> = failures
        .iter()
        .map(|failure| NewEvent {
            user: &failure.user,
            kind: EventKind::SignInFailed,
            client: &failure.client,
            at: failure.at,
        })
        .collect();
    let written = state.store.note(&seen, &events).await;
    if written.is_err() {
        let mut waiting = state.notes.waiting();
        for (id, note) in uses {
            waiting.uses.entry(id).or_insert(note);
        }
        waiting.failures.extend(failures);
    }
    written
}

/// Writes notes as they come, for as long as the program runs.
pub async fn keep_writing(state: AppState) {
    loop {
        state.notes.something.notified().await;
        if let Err(error) = write(&state).await {
            tracing::debug!(%error, "notes wait for the database");
            state.notes.something.notify_one();
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixSeconds = 1_800_000_000;

    #[test]
    fn a_use_is_noted_once_for_each_refresh_and_minute() {
        let (notes, session) = (Notes::default(), SessionId::new());
        let left_by = |counter, now| {
            notes.seen(session, counter, now);
            notes.waiting().uses.remove(&session)
        };
        assert_eq!(left_by(0, NOW), Some((0, NOW)));
        assert_eq!(left_by(0, NOW + 59), None);
        assert_eq!(left_by(0, NOW + 60), Some((0, NOW + 60)));
        assert_eq!(left_by(1, NOW + 61), Some((1, NOW + 61)));
        assert_eq!(left_by(0, NOW + 62), None, "the older token of the grace");
        assert!(notes.has_seen(session, 1) && !notes.has_seen(session, 2) && !notes.has_seen(SessionId::new(), 0));
    }

    #[test]
    fn what_was_not_seen_for_long_is_forgotten() {
        let (notes, session) = (Notes::default(), SessionId::new());
        notes.seen(session, 3, NOW);
        notes.forget(NOW + 899, 900);
        assert!(notes.has_seen(session, 3));
        notes.forget(NOW + 900, 900);
        assert!(!notes.has_seen(session, 3));
    }
}
