//! What people change about their own account.

use super::Refusal;
use super::new_password::{Chosen, hash_new, new_password};
use crate::server::log;
use crate::server::passwords::hashed_password;
use crate::server::session::SignedIn;
use crate::server::sessions;
use crate::server::sessions::{PROOF_LASTS, PendingSession, Tokens};
use crate::server::state::AppState;
use crate::server::throttle;
use latchkey_store::{Account, Client, EndReason, EventKind, NewEvent, SessionId, StoreError};
use latchkey_types::{Email, Field, Problem, User, Username};

/// Changes the password of whoever is signed in. The browser that does it goes on in a session of its own; every other
/// session ends, unless the user wants to keep them.
///
/// # Errors
/// When the current password is wrong or the new one is outside the rules.
pub async fn password(
    state: &AppState,
    who: &SignedIn,
    current: &str,
    new: &str,
    end_others: bool,
    client: &Client,
) -> Result<Tokens, Refusal> {
    let name = Username::parse(&who.user.username).ok();
    let new = new_password(new, name.as_ref()).map_err(|problem| Refusal::field(Field::NewPassword, problem))?;
    // Limits guesses at the current password. Only who knows it has the new one judged, which costs as much.
    let (mut account, verified) = proven(state, &who.user, Field::CurrentPassword, current, client).await?;
    let chosen = Chosen {
        field: Field::NewPassword,
        owner: name.as_ref(),
        email: account.email.as_deref(),
        from: client.address,
    };
    let hash = hash_new(state, &new, chosen).await?;
    let draft = PendingSession::new(state, Some(who.claims.sid));
    let session = draft.of(&account, client);
    let ending = end_others.then(|| sessions::ending(state, EndReason::PasswordChanged));
    let event = NewEvent {
        user: &account.id,
        kind: EventKind::PasswordChanged,
        client,
        at: state.clock.now(),
    };
    let done = state
        .store
        .set_password(hashed_password(&hash), Some(&verified), ending.as_ref(), Some(&session), &event)
        .await?;
    let (revocations, epoch) = done.ok_or(Refusal::NotSignedIn)?;
    state.revocations.apply(&revocations);
    account.epoch = epoch;
    // By one, since the hash was still the one that was read with the account.
    account.password_generation += 1;
    Ok(draft.issue(state, &account))
}

/// Changes the email address, or takes it away. Asks for the password when it was last given a while ago; the browser
/// then goes on in a session of its own, and copies of its tokens are dead (ASVS 7.2.4).
///
/// # Errors
/// When the address is none, or the password is needed.
pub async fn email(state: &AppState, who: &SignedIn, email: &str, password: &str, client: &Client) -> Result<Option<Tokens>, Refusal> {
    let email = Email::parse(email).map_err(|problem| Refusal::field(Field::Email, problem))?;
    let mut proof = None;
    if needs_proof(state, who.claims.sid).await? {
        if password.is_empty() {
            return Err(Refusal::field(Field::Password, Problem::PasswordNeeded));
        }
        proof = Some(proven(state, &who.user, Field::Password, password, client).await?);
    }
    let draft = PendingSession::new(state, Some(who.claims.sid));
    let session = proof.as_ref().map(|(account, hash)| (draft.of(account, client), hash.as_str()));
    let event = NewEvent {
        user: &who.user.id,
        kind: EventKind::EmailChanged,
        client,
        at: state.clock.now(),
    };
    let session = session.as_ref().map(|(session, hash)| (session, *hash));
    let revocations = state
        .store
        .set_email(email.as_ref(), session, &event)
        .await?
        .ok_or(Refusal::NotSignedIn)?;
    state.revocations.apply(&revocations);
    Ok(proof.map(|(account, _)| draft.issue(state, &account)))
}

/// Removes the account of whoever is signed in, once they typed its name and their password.
///
/// # Errors
/// When one of the two is wrong.
pub async fn remove(state: &AppState, who: &SignedIn, name: &str, password: &str, client: &Client) -> Result<(), Refusal> {
    let same = Username::parse(name).is_ok_and(|name| name.as_str() == who.user.username);
    if !same {
        return Err(Refusal::field(Field::Username, Problem::NameDiffers));
    }
    let (account, _) = proven(state, &who.user, Field::Password, password, client).await?;
    if !super::remove(state, &account.id).await? {
        return Err(Refusal::NotSignedIn);
    }
    tracing::info!(target: log::AUDIT, user = %account.id, "account removed by its owner");
    Ok(())
}

/// Whether sensitive changes of a session must wait for the password.
///
/// # Errors
/// When the database cannot be used.
pub async fn needs_proof(state: &AppState, session: SessionId) -> Result<bool, StoreError> {
    let found = state.store.session(session).await?;
    // One that has ended meanwhile proves nothing.
    let living = found.filter(|(session, _)| session.ended.is_none());
    let proved_at = living.map_or(i64::MIN, |(session, _)| session.proved_at);
    Ok(state.clock.now() >= proved_at.saturating_add(PROOF_LASTS))
}

/// The account of a user whose password was just given, and its hash.
async fn proven(state: &AppState, user: &User, field: Field, password: &str, client: &Client) -> Result<(Account, String), Refusal> {
    if password.is_empty() {
        return Err(Refusal::field(field, Problem::Missing));
    }
    let name = Username::parse(&user.username).map_err(|_| Refusal::NotSignedIn)?;
    let known = state.store.credentials(&name).await?;
    // A name may have been given to another account since.
    let known = known.filter(|(account, _)| account.id == user.id && account.disabled_at.is_none());
    let (account, hash) = known.ok_or(Refusal::NotSignedIn)?;
    let guess = throttle::take(state, &user.username, client).await?;
    let (verified, guess) = throttle::check(state, guess, password, Some(hash.clone()), client).await?;
    if verified.right {
        throttle::give_back(state, guess).await?;
        return Ok((account, hash));
    }
    state.write_behind.failed(&account.id, client, state.clock.now());
    tracing::info!(user = %account.id, "a change was not confirmed by its password");
    Err(Refusal::field(field, Problem::PasswordWrong))
}
