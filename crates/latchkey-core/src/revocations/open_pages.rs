//! Who waits for news: the open pages of a session.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use latchkey_store::{Revoked, SessionId};
use latchkey_types::UserId;

/// Open pages of one user that wait at a time: each holds a connection, and there are only so many.
const MOST_OF_A_USER: usize = 64;

type Bell = Arc<watch::Sender<bool>>;

/// Everybody who waits. Each waits for one session and one user, so news rings only where it matters.
#[derive(Default)]
pub(super) struct Watchers(Arc<Mutex<Bells>>);

#[derive(Default)]
struct Bells {
    sessions: HashMap<SessionId, Vec<Bell>>,
    users: HashMap<UserId, Vec<Bell>>,
}

/// One who waits. Dropping it is no longer waiting.
pub struct Watch {
    bells: Arc<Mutex<Bells>>,
    session: SessionId,
    user: UserId,
    bell: Bell,
}

impl Watchers {
    pub(super) fn watch(&self, session: SessionId, user: &UserId) -> Option<Watch> {
        let bell = Arc::new(watch::Sender::new(false));
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bells.users.get(user).is_some_and(|waiting| waiting.len() >= MOST_OF_A_USER) {
            return None;
        }
        bells.sessions.entry(session).or_default().push(Arc::clone(&bell));
        bells.users.entry(user.clone()).or_default().push(Arc::clone(&bell));
        Some(Watch {
            bells: Arc::clone(&self.0),
            session,
            user: user.clone(),
            bell,
        })
    }

    pub(super) fn tell(&self, revoked: &Revoked) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned = match revoked {
            Revoked::Session(id) => bells.sessions.get(id),
            Revoked::User(id, _) => bells.users.get(id),
        };
        for bell in concerned.into_iter().flatten() {
            bell.send_replace(true);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let bells = self.0.lock().expect("unpoisoned");
        bells.sessions.len() + bells.users.len()
    }
}

impl Watch {
    /// Returns once there is news. Ask for the standing after it: what comes later is news again.
    pub async fn news(&self) {
        // The sender is held here: it cannot be gone.
        let _ = self.bell.subscribe().wait_for(|news| *news).await;
        self.bell.send_replace(false);
    }

    #[cfg(test)]
    pub(super) fn has_news(&self) -> bool {
        *self.bell.borrow()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        remove(&mut bells.sessions, &self.session, &self.bell);
        remove(&mut bells.users, &self.user, &self.bell);
    }
}

fn remove<K: Eq + Hash>(bells: &mut HashMap<K, Vec<Bell>>, key: &K, bell: &Bell) {
    if let Some(rung) = bells.get_mut(key) {
        rung.retain(|other| !Arc::ptr_eq(other, bell));
        if rung.is_empty() {
            bells.remove(key);
        }
    }
}
