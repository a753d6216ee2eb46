//! What users can change about their own account.

use super::Refusal;
use super::new_password::{Chosen, new_password};
use crate::accounts::Accounts;
use crate::audit::AUDIT;
use crate::passwords::hashed_password;
use crate::sessions::{PROOF_LASTS, Tokens};
use crate::tokens::Claims;
use latchkey_store::{Account, Client, EndReason, EventKind, NewEvent, SessionId, StoreError};
use latchkey_types::{Email, Field, Problem, User, Username};

impl Accounts {
    /// Changes the password of the signed-in user. The client that asks gets a new session in place of its current one. If
    /// `end_others` is set, all other sessions of the user end.
    pub async fn change_password(
        &self,
        claims: &Claims,
        current: &str,
        new: &str,
        end_others: bool,
        client: &Client,
    ) -> Result<Tokens, Refusal> {
        let name = Username::parse(&claims.username).ok();
        let new = new_password(new, name.as_ref()).map_err(|problem| Refusal::field(Field::NewPassword, problem))?;
        // Verify the current password first, which charges the limits for attempts: judging the new one costs as much as a hash.
        let (mut account, verified) = self.proven(&claims.user(), Field::CurrentPassword, current, client).await?;
        let chosen = Chosen {
            field: Field::NewPassword,
            owner: name.as_ref(),
            email: account.email.as_deref(),
            from: client.address,
        };
        let hash = self.hash_new(&new, chosen).await?;
        let session = self.sessions.pending(Some(claims.sid));
        let ending = end_others.then(|| self.sessions.ending(EndReason::PasswordChanged));
        let event = NewEvent {
            user: &account.id,
            kind: EventKind::PasswordChanged,
            client,
            at: self.clock.now(),
        };
        let done = self
            .store
            .set_password(hashed_password(&hash), Some(&verified), ending.as_ref(), Some(&session), &event)
            .await?;
        let (revocations, epoch) = done.ok_or(Refusal::NotSignedIn)?;
        self.sessions.revocations.apply(&revocations);
        account.epoch = epoch;
        // The generation grew by exactly one, because the stored hash was still the one that was read with the account.
        account.password_generation += 1;
        Ok(self.sessions.first_tokens(&session, &account))
    }

    /// Changes or removes the email address. Needs the password if the last password check of the session is more than
    /// [`PROOF_LASTS`] seconds ago. If the password was needed, the client gets a new session in place of its current one, so that
    /// copies of its old tokens become invalid (ASVS 7.2.4).
    pub async fn change_email(&self, claims: &Claims, email: &str, password: &str, client: &Client) -> Result<Option<Tokens>, Refusal> {
        let email = Email::parse(email).map_err(|problem| Refusal::field(Field::Email, problem))?;
        let mut proof = None;
        if self.needs_proof(claims.sid).await? {
            if password.is_empty() {
                return Err(Refusal::field(Field::Password, Problem::PasswordNeeded));
            }
            proof = Some(self.proven(&claims.user(), Field::Password, password, client).await?);
        }
        let session = self.sessions.pending(Some(claims.sid));
        let proven = proof.as_ref().map(|(_, hash)| (&session, hash.as_str()));
        let event = NewEvent {
            user: &claims.sub,
            kind: EventKind::EmailChanged,
            client,
            at: self.clock.now(),
        };
        let revocations = self
            .store
            .set_email(email.as_ref(), proven, &event)
            .await?
            .ok_or(Refusal::NotSignedIn)?;
        self.sessions.revocations.apply(&revocations);
        Ok(proof.map(|(account, _)| self.sessions.first_tokens(&session, &account)))
    }

    /// Removes the account of the signed-in user. The user must type its name and password to confirm.
    pub async fn remove_own(&self, claims: &Claims, name: &str, password: &str, client: &Client) -> Result<(), Refusal> {
        let same = Username::parse(name).is_ok_and(|name| name.as_str() == claims.username);
        if !same {
            return Err(Refusal::field(Field::Username, Problem::NameDiffers));
        }
        let (account, _) = self.proven(&claims.user(), Field::Password, password, client).await?;
        if !self.remove_account(&account.id).await? {
            return Err(Refusal::NotSignedIn);
        }
        tracing::info!(target: AUDIT, user = %account.id, "account removed by its owner");
        Ok(())
    }

    /// Returns whether sensitive changes in a session need the password again.
    pub async fn needs_proof(&self, session: SessionId) -> Result<bool, StoreError> {
        let found = self.store.session(session).await?;
        // A session that has ended in the meantime proves nothing.
        let living = found.filter(|(session, _)| session.ended.is_none());
        let proved_at = living.map_or(i64::MIN, |(session, _)| session.proved_at);
        Ok(self.clock.now() >= proved_at.saturating_add(PROOF_LASTS))
    }

    /// Verifies the password of a signed-in user, within the limits for attempts. Returns the account and its password hash.
    async fn proven(&self, user: &User, field: Field, password: &str, client: &Client) -> Result<(Account, String), Refusal> {
        if password.is_empty() {
            return Err(Refusal::field(field, Problem::Missing));
        }
        let name = Username::parse(&user.username).map_err(|_| Refusal::NotSignedIn)?;
        let known = self.store.credentials(&name).await?;
        // Another account may have this name by now.
        let known = known.filter(|(account, _)| account.id == user.id && account.disabled_at.is_none());
        let (account, hash) = known.ok_or(Refusal::NotSignedIn)?;
        let attempt = self.throttle.charge_attempt(&user.username, client).await?;
        let (verified, attempt) = self.check_attempt(attempt, password, Some(hash.clone()), client).await?;
        if verified.right {
            self.throttle.refund(attempt).await?;
            return Ok((account, hash));
        }
        self.sessions.write_behind.failed(&account.id, client, self.clock.now());
        tracing::info!(user = %account.id, "a change was not confirmed by its password");
        Err(Refusal::field(field, Problem::PasswordWrong))
    }
}
