//! `POST /api/remove_account`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace};

/// Removes the caller's account for good.
#[server(endpoint = "remove_account")]
pub async fn remove_account(
    /// The sign-in name, typed to confirm the removal.
    #[server(default)]
    username: String,
    /// The password of the account.
    #[server(default)]
    password: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = remove(&caller, &username, &password).await;
    let mut flash = RemoveAccount::PLACE.flash();
    flash.keep("username", &username);
    caller.respond(outcome, flash.into())
}

async fn remove(caller: &Caller, username: &str, password: &str) -> Result<Done, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let accounts = &caller.state.accounts;
    accounts.remove_own(claims, username, password, &caller.client).await?;
    Ok(Done::SignedOut(Notice::AccountRemoved))
}

impl RemoveAccount {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "remove-account",
    };
}
