//! Writes after the response: when sessions were last used, and failed sign-ins. No response waits for these writes, so they add no
//! time that an attacker could measure. The marks that theft is detected by are written before the response instead
//! (`sessions/first_use.rs`), except for first uses that were served while the database was unavailable.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::first_use::{EXACT_TO, FirstUses};
use crate::clock::Clock;
use latchkey_store::{Client, Counter, EventKind, NewEvent, SessionId, Store, StoreError, UnixSeconds};
use latchkey_types::UserId;

/// Shortest time between two rounds of writing.
const PAUSE: Duration = Duration::from_millis(250);

/// Rows written in one transaction. Each transaction is committed separately, so its rows stay written if a later one fails.
const CHUNK: usize = 500;

/// First uses that are written concurrently, so that they share a commit on SQLite.
const MARKS_AT_ONCE: usize = 64;

/// Most failed sign-ins that wait. Further ones are counted only in the metrics.
const MAX_FAILURES: usize = 1000;

/// Most first uses that wait. For further ones the next request with the same pair tries again.
const MAX_UNMARKED: usize = 10_000;

/// What waits to be written.
#[derive(Default)]
pub struct WriteBehind {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Default)]
struct Waiting {
    uses: HashMap<SessionId, UnixSeconds>,
    unmarked: HashMap<SessionId, Counter>,
    failures: Vec<Failure>,
}

#[derive(Clone)]
struct Failure {
    user: UserId,
    client: Client,
    at: UnixSeconds,
}

impl WriteBehind {
    /// Notes that a session was used.
    pub fn used(&self, session: SessionId, now: UnixSeconds) {
        self.waiting().uses.insert(session, now);
        self.added.notify_one();
    }

    /// Notes that the first use of a pair of tokens is not marked in the database yet.
    pub fn unmarked(&self, session: SessionId, counter: Counter) {
        let mut waiting = self.waiting();
        if waiting.unmarked.len() < MAX_UNMARKED || waiting.unmarked.contains_key(&session) {
            let highest = waiting.unmarked.entry(session).or_insert(counter);
            *highest = counter.max(*highest);
            self.added.notify_one();
        }
    }

    /// Notes a failed sign-in to an account.
    pub fn failed(&self, user: &UserId, client: &Client, now: UnixSeconds) {
        let mut waiting = self.waiting();
        if waiting.failures.len() < MAX_FAILURES {
            waiting.failures.push(Failure {
                user: user.clone(),
                client: client.clone(),
                at: now,
            });
            self.added.notify_one();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what waits in [`WriteBehind`].
#[derive(Clone)]
pub struct Writer {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// What waits to be written.
    pub write_behind: Arc<WriteBehind>,
    /// Remembers the pairs that were marked.
    pub first_uses: Arc<FirstUses>,
}

impl Writer {
    /// Writes what waits. An entry waits until its write has succeeded, so that an error or an interruption loses nothing. Rows that
    /// other transactions have locked keep waiting too.
    pub async fn write(&self) -> Result<(), StoreError> {
        self.write_unmarked().await?;
        self.write_failures().await?;
        self.write_uses().await
    }

    /// Marks the first uses of pairs that were served while the database was unavailable. Marking one twice changes nothing. After
    /// an error, those that are not marked yet still wait.
    pub async fn write_unmarked(&self) -> Result<(), StoreError> {
        let all = copied(&self.write_behind.waiting().unmarked);
        for chunk in all.chunks(MARKS_AT_ONCE) {
            let written = join_all(chunk.iter().map(|(session, counter)| self.store.mark_used(*session, *counter))).await;
            written.into_iter().collect::<Result<(), _>>()?;
            for (session, counter) in chunk {
                self.first_uses.remember(*session, *counter);
                remove_unchanged(&mut self.write_behind.waiting().unmarked, session, counter);
            }
        }
        Ok(())
    }

    async fn write_failures(&self) -> Result<(), StoreError> {
        let failures = self.write_behind.waiting().failures.clone();
        for chunk in failures.chunks(CHUNK) {
            let events = chunk.iter().map(|failure| NewEvent {
                user: &failure.user,
                kind: EventKind::SignInFailed,
                client: &failure.client,
                at: failure.at,
            });
            self.store.count_or_insert_events(events, FAILURES_SHARED_FOR).await?;
            let mut waiting = self.write_behind.waiting();
            // Failures that arrived meanwhile were appended behind these.
            let written = chunk.len().min(waiting.failures.len());
            waiting.failures.drain(..written);
        }
        Ok(())
    }

    async fn write_uses(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let all = copied(&self.write_behind.waiting().uses);
        for chunk in all.chunks(CHUNK) {
            let settled = self.store.write_last_used(chunk).await?;
            let mut waiting = self.write_behind.waiting();
            for (session, at) in chunk {
                // A deleted row is never settled, so its entry is removed after a minute. No lock on an existing row lasts that long.
                let is_old = !(*at..at.saturating_add(EXACT_TO)).contains(&now);
                if is_old || settled.contains(session) {
                    remove_unchanged(&mut waiting.uses, session, at);
                }
            }
            if waiting.uses.is_empty() {
                waiting.uses.shrink_to_fit();
            }
        }
        Ok(())
    }

    /// Writes in a loop for as long as the program runs.
    pub async fn keep_writing(self) {
        loop {
            self.write_behind.added.notified().await;
            if let Err(error) = self.write().await {
                tracing::debug!(%error, "what is written after answers waits for the database");
            }
            let is_waiting = {
                let waiting = self.write_behind.waiting();
                !(waiting.uses.is_empty() && waiting.unmarked.is_empty() && waiting.failures.is_empty())
            };
            if is_waiting {
                self.write_behind.added.notify_one();
            }
            sleep(PAUSE).await;
        }
    }
}

/// Failed sign-ins from one address within this many seconds share a row, so that password guessing does not fill the table.
const FAILURES_SHARED_FOR: i64 = 3600;

fn copied<V: Copy>(entries: &HashMap<SessionId, V>) -> Vec<(SessionId, V)> {
    entries.iter().map(|(session, value)| (*session, *value)).collect()
}

/// Removes an entry that was written, unless it has a newer value by now.
fn remove_unchanged<K: Eq + Hash, V: PartialEq>(entries: &mut HashMap<K, V>, key: &K, written: &V) {
    if entries.get(key) == Some(written) {
        entries.remove(key);
    }
}
