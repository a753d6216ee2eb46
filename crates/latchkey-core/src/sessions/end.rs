//! Ends sessions.

use latchkey_store::{Client, EndReason, Ended, Ending, EventKind, NewEvent, SessionScope, StoreError};
use latchkey_types::UserId;

use super::Sessions;
use crate::audit::AUDIT;

impl Sessions {
    /// Ends sessions of a user. The end takes effect on this node before this returns, and on other nodes within a second. Returns
    /// how many live sessions it ended. On an error none has ended.
    pub async fn end(&self, user: &UserId, which: SessionScope, reason: EndReason, by: &Client) -> Result<usize, StoreError> {
        let ending = self.ending(reason);
        let event = NewEvent {
            user,
            kind: match which {
                SessionScope::AllBut(_) => EventKind::OthersEnded,
                SessionScope::One(_) | SessionScope::All => reason.into(),
            },
            client: by,
            at: ending.at,
        };
        let Ended { sessions, revocations } = self.store.end_sessions(which, &ending, &event).await?;
        self.revocations.apply(&revocations);
        if sessions > 0 {
            tracing::info!(target: AUDIT, user = %user, sessions, reason = reason.as_str(), "sessions ended");
        }
        Ok(sessions)
    }

    /// Returns an [`Ending`] for sessions that end now for this reason.
    pub fn ending(&self, reason: EndReason) -> Ending {
        let at = self.clock.now();
        Ending {
            reason,
            at,
            tokens_until: at + self.tokens.life(),
        }
    }
}
