//! What the operator can do with an account, by its name. A running server applies each change within a second.

use super::Refusal;
use super::new_password::{Chosen, new_password};
use crate::accounts::Accounts;
use crate::passwords::{HashFormat, hashed_password};
use latchkey_store::{Account, Client, EndReason, EventKind, InitialRole, NewEvent, Revocation, SessionScope, StoreError};
use latchkey_types::{Email, Field, Problem, Role, Username};

/// An account to import from another system.
#[derive(Debug, serde::Deserialize)]
pub struct Imported {
    /// The sign-in name.
    pub username: String,
    /// The email address, empty for none.
    #[serde(default)]
    pub email: String,
    /// The password hash: argon2 in the PHC format, or bcrypt.
    pub password_hash: String,
}

impl Accounts {
    /// Imports an account from another system. Its user signs in with the same password as there. An imported account never becomes
    /// administrator, even if it is the first account. Refuses a hash that cannot be verified here.
    pub async fn import(&self, account: &Imported) -> Result<Account, Refusal> {
        let wrong = |field, problem| Refusal::field(field, problem);
        let username = Username::parse_new(&account.username).map_err(|problem| wrong(Field::Username, problem))?;
        let email = Email::parse(&account.email).map_err(|problem| wrong(Field::Email, problem))?;
        if !HashFormat::parse(&account.password_hash).is_some_and(|stored| stored.is_importable()) {
            return Err(wrong(Field::Password, Problem::HashUnknown));
        }
        self.insert(
            username,
            email,
            &account.password_hash,
            InitialRole {
                if_first: Role::User,
                otherwise: Role::User,
            },
            &Client::operator(),
            None,
        )
        .await
    }

    /// Sets the password of an account and ends all its sessions. Returns whether the account exists.
    pub async fn set_password(&self, name: &Username, typed: &str) -> Result<bool, Refusal> {
        let Some(account) = self.find(name).await? else {
            return Ok(false);
        };
        let password = new_password(typed, Some(name)).map_err(|problem| Refusal::field(Field::Password, problem))?;
        let chosen = Chosen {
            field: Field::Password,
            owner: Some(name),
            email: account.email.as_deref(),
            from: None,
        };
        let hash = self.hash_new(&password, chosen).await?;
        let by = Client::operator();
        let event = self.event(&account, EventKind::PasswordChanged, &by);
        let ending = self.sessions.ending(EndReason::PasswordChanged);
        let done = self
            .store
            .set_password(hashed_password(&hash), None, Some(&ending), None, &event)
            .await?;
        Ok(self.apply(done.map(|(revocations, _)| revocations)))
    }

    /// Sets the role of an account. Its sessions stay alive and get the new role. Returns whether the account exists.
    pub async fn set_role(&self, name: &Username, role: Role) -> Result<bool, StoreError> {
        let Some(account) = self.find(name).await? else {
            return Ok(false);
        };
        let by = Client::operator();
        let done = self
            .store
            .set_role(role, &self.event(&account, EventKind::RoleChanged, &by))
            .await?;
        Ok(self.apply(done))
    }

    /// Disables an account: all its sessions end, and its user cannot sign in. Returns whether the account exists.
    pub async fn disable(&self, name: &Username) -> Result<bool, StoreError> {
        let Some(account) = self.find(name).await? else {
            return Ok(false);
        };
        let by = Client::operator();
        let ending = self.sessions.ending(EndReason::Disabled);
        let done = self.store.disable(&ending, &self.event(&account, EventKind::Disabled, &by)).await?;
        Ok(self.apply(done))
    }

    /// Enables an account, so that its user can sign in again. Sessions that have ended stay ended. Returns whether the account exists.
    pub async fn enable(&self, name: &Username) -> Result<bool, StoreError> {
        let Some(account) = self.find(name).await? else {
            return Ok(false);
        };
        let by = Client::operator();
        self.store.enable(&self.event(&account, EventKind::Enabled, &by)).await
    }

    /// Ends every session of an account. Returns how many live sessions it ended, or `None` if the account does not exist.
    pub async fn end_sessions(&self, name: &Username) -> Result<Option<usize>, StoreError> {
        let Some(account) = self.find(name).await? else { return Ok(None) };
        let ended = self
            .sessions
            .end(&account.id, SessionScope::All, EndReason::Operator, &Client::operator())
            .await?;
        Ok(Some(ended))
    }

    /// Ends every session of every account. Returns the number of accounts.
    pub async fn end_all_sessions(&self) -> Result<u64, StoreError> {
        self.store.end_all_sessions(EndReason::Operator, self.clock.now()).await
    }

    /// Removes an account and all its data. Returns whether the account existed.
    pub async fn remove(&self, name: &Username) -> Result<bool, StoreError> {
        let Some(account) = self.find(name).await? else {
            return Ok(false);
        };
        self.remove_account(&account.id).await
    }

    /// Returns the account with this name.
    pub async fn find(&self, name: &Username) -> Result<Option<Account>, StoreError> {
        Ok(self.store.credentials(name).await?.map(|(account, _)| account))
    }

    fn event<'a>(&self, account: &'a Account, kind: EventKind, by: &'a Client) -> NewEvent<'a> {
        NewEvent {
            user: &account.id,
            kind,
            client: by,
            at: self.clock.now(),
        }
    }

    fn apply(&self, done: Option<Vec<Revocation>>) -> bool {
        if let Some(revocations) = &done {
            self.sessions.revocations.apply(revocations);
        }
        done.is_some()
    }
}
