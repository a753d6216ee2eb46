//! The checks that every new password must pass, wherever it is set.

use std::iter;
use std::net::IpAddr;

use super::Refusal;
use crate::accounts::Accounts;
use crate::passwords;
use crate::passwords::Guessable;
use latchkey_types::{Field, Password, Problem, Username};

/// Checks a new password against the cheap rules: its length, the sign-in name, and the list of the most common passwords.
/// [`Accounts::hash_new`] checks the rest; it is the only way to hash a new password.
pub(super) fn new_password(typed: &str, owner: Option<&Username>) -> Result<Password, Problem> {
    let password = Password::parse(typed, owner)?;
    if passwords::is_listed(password.expose()) {
        return Err(Problem::PasswordCommon);
    }
    Ok(password)
}

/// Where a new password was typed, and for which account.
pub(super) struct Chosen<'a> {
    pub field: Field,
    pub owner: Option<&'a Username>,
    pub email: Option<&'a str>,
    pub from: Option<IpAddr>,
}

impl Accounts {
    /// Hashes a new password. Refuses one that is easy to guess from the name and email address of its account and from the names of
    /// this site. This is costly, so check the limits first.
    pub(super) async fn hash_new(&self, password: &Password, chosen: Chosen<'_>) -> Result<String, Refusal> {
        let facts = [
            chosen.owner.map(Username::as_str),
            chosen.email,
            Some(&self.site_host),
            Some("latchkey"),
        ];
        // Use each fact as a whole and word by word: `ada.lovelace` also gives `ada` and `lovelace`.
        let suggested = facts
            .into_iter()
            .flatten()
            .flat_map(|fact| iter::once(fact).chain(fact.split(|character: char| !character.is_alphanumeric())))
            .filter(|word| word.len() > 2)
            .map(str::to_owned)
            .collect();
        let hashed = self.passwords.hash_new(password, suggested, chosen.from).await?;
        hashed.map_err(|Guessable| Refusal::field(chosen.field, Problem::PasswordCommon))
    }
}
