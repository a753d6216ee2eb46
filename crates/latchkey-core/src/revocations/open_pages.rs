//! The open pages of users, which wait for revocations of their session or user.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use latchkey_store::{Revoked, SessionId};
use latchkey_types::UserId;

/// Most open pages of one user that wait at a time. Each holds a connection, and the number of connections is limited.
const MOST_OF_A_USER: usize = 64;

type Bell = Arc<watch::Sender<bool>>;

/// All open pages that wait. Each waits for one session and one user, so a revocation wakes only the pages that it concerns.
#[derive(Default)]
pub(super) struct Watchers(Arc<Mutex<Bells>>);

#[derive(Default)]
struct Bells {
    sessions: HashMap<SessionId, Vec<Bell>>,
    users: HashMap<UserId, Vec<Bell>>,
}

/// An open page that waits for revocations of its session and user. Dropping it ends the wait.
pub struct Watch {
    bells: Arc<Mutex<Bells>>,
    session: SessionId,
    user: UserId,
    notify: Bell,
}

impl Watchers {
    pub(super) fn watch(&self, session: SessionId, user: &UserId) -> Option<Watch> {
        let notify = Arc::new(watch::Sender::new(false));
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bells.users.get(user).is_some_and(|waiting| waiting.len() >= MOST_OF_A_USER) {
            return None;
        }
        bells.sessions.entry(session).or_default().push(Arc::clone(&notify));
        bells.users.entry(user.clone()).or_default().push(Arc::clone(&notify));
        Some(Watch {
            bells: Arc::clone(&self.0),
            session,
            user: user.clone(),
            notify,
        })
    }

    pub(super) fn tell(&self, revoked: &Revoked) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned = match revoked {
            Revoked::Session(id) => bells.sessions.get(id),
            Revoked::User(id, _) => bells.users.get(id),
        };
        for notify in concerned.into_iter().flatten() {
            notify.send_replace(true);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let bells = self.0.lock().expect("unpoisoned");
        bells.sessions.len() + bells.users.len()
    }
}

impl Watch {
    /// Waits for a revocation of this session or user. Re-check the token's status afterwards; later revocations wake the next call.
    pub async fn changed(&self) {
        // This cannot fail, because `self` holds the sender.
        let _ = self.notify.subscribe().wait_for(|news| *news).await;
        self.notify.send_replace(false);
    }

    #[cfg(test)]
    pub(super) fn has_changed(&self) -> bool {
        *self.notify.borrow()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        remove(&mut bells.sessions, &self.session, &self.notify);
        remove(&mut bells.users, &self.user, &self.notify);
    }
}

fn remove<K: Eq + Hash>(bells: &mut HashMap<K, Vec<Bell>>, key: &K, notify: &Bell) {
    if let Some(rung) = bells.get_mut(key) {
        rung.retain(|other| !Arc::ptr_eq(other, notify));
        if rung.is_empty() {
            bells.remove(key);
        }
    }
}
