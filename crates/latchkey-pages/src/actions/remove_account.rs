//! `POST /api/remove_account`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_types::Next;

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
    match remove(&caller, &username, &password).await {
        Ok(()) => Ok(caller.signed_out(Notice::AccountRemoved)),
        Err(refusal) => {
            let mut typed = RemoveAccount::PLACE.flash();
            typed.keep("username", &username);
            Err(caller.refuse(&refusal, &Next::default(), typed))
        }
    }
}

async fn remove(caller: &Caller, username: &str, password: &str) -> Result<(), Refusal> {
    caller
        .state
        .accounts
        .remove_own(&caller.signed_in()?.claims, username, password, &caller.client)
        .await
}

impl RemoveAccount {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "remove-account",
    };
}
