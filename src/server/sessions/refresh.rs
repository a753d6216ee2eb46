//! Refreshing: one token in, the next two out.
//!
//! A refresh token is good once. Its immediate predecessor gets the *same* successor again: within the grace, because
//! tabs and retries present one token together, and later, as long as that successor was never used, because its answer
//! was lost. Anything else is a token in two hands, and ends this session and no other (RFC 9700 section 4.14.2).

use super::{Client, EndReason, Issue, Session, Tokens, issue};
use crate::server::accounts::Account;
use crate::server::clock::UnixSeconds;
use crate::server::refresh_tokens::{Counter, Presented};
use crate::server::state::AppState;
use crate::server::store::{StoreError, Which};
use crate::server::throttle::{ADDRESS, REFRESHES, Wait};

/// Why there are no new tokens.
#[derive(Debug)]
pub enum RefreshError {
    /// It is not one of our tokens.
    Invalid,
    /// It is, and its session is over.
    Ended(EndReason),
    /// Too many tokens that are none came from this address, or this session is refreshed without end.
    Throttled(Wait),
    /// The database said no.
    Store(StoreError),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a genuine token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The current one: move on.
    Current,
    /// The one before, and nobody has to suspect anything: the same successor again.
    Predecessor,
    /// Used again after its successor.
    Reused,
    /// Ahead of what the database knows, which was put back from a copy.
    Ahead,
    /// The session is over.
    Over(EndReason),
}

impl Session {
    /// `used` says whether a token of the current counter has been seen; `grace` is in seconds.
    fn judge(&self, presented: Counter, used: bool, now: UnixSeconds, grace: i64) -> Verdict {
        if let Some(reason) = self.ended {
            return Verdict::Over(reason);
        }
        if now >= self.expires_at {
            return Verdict::Over(EndReason::Expired);
        }
        match self.counter.checked_sub(presented) {
            None => Verdict::Ahead,
            Some(0) => Verdict::Current,
            Some(1) if !used || now <= self.rotated_at.saturating_add(grace) => Verdict::Predecessor,
            Some(_) => Verdict::Reused,
        }
    }
}

/// Exchanges a refresh token for the next two tokens. Whatever it finds out is committed before it answers.
///
/// # Errors
/// When the token is none, its session is over, or the database cannot be used: then nothing has changed and the
/// same token can be presented again.
pub async fn refresh(state: &AppState, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
    let outcome = counted(state, token, client).await;
    state.metrics.refreshed(&outcome);
    outcome
}

async fn counted(state: &AppState, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
    state
        .addresses
        .take(ADDRESS, client.address, state.clock.now())
        .map_err(RefreshError::Throttled)?;
    let outcome = exchange(state, token, client).await;
    // Only what is no token of ours is a guess.
    if !matches!(outcome, Err(RefreshError::Invalid)) {
        state.addresses.give_back(ADDRESS, client.address);
    }
    outcome
}

async fn exchange(state: &AppState, token: &str, client: &Client) -> Result<Tokens, RefreshError> {
    let presented = Presented::parse(token).ok_or(RefreshError::Invalid)?;
    loop {
        let (session, account) = genuine(state, &presented).await?;
        let now = state.clock.now();
        let used = session.used_counter >= session.counter || state.notes.has_seen(session.id, session.counter);
        match session.judge(presented.counter, used, now, state.config.refresh_grace) {
            Verdict::Current => {
                let next = presented.counter.checked_add(1).ok_or(RefreshError::Invalid)?;
                let expires_at = session.ends_at.min(now + state.config.refresh_ttl);
                // Whoever moves the counter writes this too, so no refresh goes uncounted.
                let refreshes_until = REFRESHES.take(session.refreshes_until, now).map_err(RefreshError::Throttled)?;
                if state
                    .store
                    .rotate_session(session.id, presented.counter, now, expires_at, refreshes_until)
                    .await?
                {
                    return Ok(issue(
                        state,
                        &account,
                        &session.salt,
                        &Issue {
                            session: session.id,
                            counter: next,
                            now,
                            expires_at,
                        },
                    ));
                }
                // Somebody else moved it, or ended it, in between: look again. The counter only grows, so this ends.
            }
            Verdict::Predecessor => {
                let same = Issue {
                    session: session.id,
                    counter: session.counter,
                    now,
                    expires_at: session.expires_at,
                };
                return Ok(issue(state, &account, &session.salt, &same));
            }
            Verdict::Reused => {
                tracing::warn!(user = %account.id, session = %session.id, "a used refresh token was used again; its session ends");
                if super::end(state, &account.id, Which::One(session.id), EndReason::Reuse, client).await? > 0 {
                    state.metrics.reuse_detected();
                }
                return Err(RefreshError::Ended(EndReason::Reuse));
            }
            Verdict::Ahead => return Err(RefreshError::Invalid),
            Verdict::Over(reason) => return Err(RefreshError::Ended(reason)),
        }
    }
}

/// Ends the session that a token belongs to, whoever presents it (RFC 7009): a refresh token, also one that was
/// exchanged already, or an access token. A token that means nothing changes nothing.
///
/// # Errors
/// When the database cannot be used.
pub async fn revoke(state: &AppState, token: &str, client: &Client) -> Result<(), StoreError> {
    let session = match Presented::parse(token) {
        Some(presented) => match genuine(state, &presented).await {
            Ok((session, account)) => Some((session.id, account.id)),
            Err(RefreshError::Store(error)) => return Err(error),
            Err(_) => None,
        },
        None => state
            .tokens
            .verify(token, state.clock.now())
            .ok()
            .map(|claims| (claims.sid, claims.sub.clone())),
    };
    if let Some((session, user)) = session {
        super::end(state, &user, Which::One(session), EndReason::Revoked, client).await?;
    }
    Ok(())
}

/// The session of a token, if the token is genuine.
async fn genuine(state: &AppState, presented: &Presented) -> Result<(Session, Account), RefreshError> {
    let found = state.store.session(presented.session).await?;
    found
        .filter(|(session, _)| state.refresh_tokens.verify(presented, &session.salt))
        .ok_or(RefreshError::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::refresh_tokens::Salt;
    use crate::server::sessions::{ClientKind, SessionId};

    const NOW: UnixSeconds = 1_800_000_000;
    const GRACE: i64 = 10;

    fn session() -> Session {
        Session {
            id: SessionId::new(),
            client: Client::new(ClientKind::Browser, "", None),
            salt: Salt::generate(),
            counter: 5,
            used_counter: 4,
            rotated_at: NOW,
            refreshes_until: NOW,
            started_at: NOW,
            last_used_at: NOW,
            proved_at: NOW,
            expires_at: NOW + 1000,
            ends_at: NOW + 2000,
            ended: None,
        }
    }

    fn judge(session: &Session, presented: Counter, used: bool, now: UnixSeconds) -> Verdict {
        session.judge(presented, used, now, GRACE)
    }

    #[test]
    fn the_current_token_moves_on_and_its_predecessor_gets_the_same_again() {
        let session = session();
        assert_eq!(judge(&session, 5, true, NOW), Verdict::Current);
        assert_eq!(judge(&session, 4, true, NOW + GRACE), Verdict::Predecessor, "within the grace");
        assert_eq!(judge(&session, 4, false, NOW + 999), Verdict::Predecessor, "the answer was lost");
    }

    #[test]
    fn a_predecessor_whose_successor_is_in_use_is_reused_once_the_grace_is_over() {
        assert_eq!(judge(&session(), 4, true, NOW + GRACE + 1), Verdict::Reused);
    }

    #[test]
    fn anything_older_is_reused_at_once() {
        for used in [true, false] {
            assert_eq!(judge(&session(), 3, used, NOW), Verdict::Reused);
            assert_eq!(judge(&session(), 0, used, NOW), Verdict::Reused);
        }
    }

    #[test]
    fn a_token_ahead_of_the_database_opens_and_ends_nothing() {
        assert_eq!(judge(&session(), 6, false, NOW), Verdict::Ahead);
    }

    #[test]
    fn nothing_of_this_applies_to_a_session_that_is_over() {
        let ended = Session {
            ended: Some(EndReason::SignedOut),
            ..session()
        };
        for presented in 0..7 {
            assert_eq!(judge(&ended, presented, false, NOW), Verdict::Over(EndReason::SignedOut));
            assert_eq!(judge(&session(), presented, false, NOW + 1000), Verdict::Over(EndReason::Expired));
        }
    }

    #[test]
    fn a_clock_that_steps_back_turns_nobody_out() {
        assert_eq!(judge(&session(), 4, true, NOW - 3600), Verdict::Predecessor);
        assert_eq!(judge(&session(), 5, true, NOW - 3600), Verdict::Current);
    }
}
