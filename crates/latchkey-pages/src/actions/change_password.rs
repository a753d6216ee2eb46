//! `POST /api/change_password`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_core::sessions::Tokens;
use latchkey_types::Next;

/// Changes the caller's password. This browser stays signed in, in a new session.
#[server(endpoint = "change_password")]
pub async fn change_password(
    /// The current password.
    #[server(default)]
    current_password: String,
    /// The new password.
    #[server(default)]
    new_password: String,
    /// Any value keeps the other sessions. Without one they end.
    #[server(default)]
    keep_others: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    match change(&caller, &current_password, &new_password, keep_others.is_empty()).await {
        Ok(tokens) => {
            caller.sign_in(&tokens);
            Ok(caller.done(ChangePassword::PLACE.flash(), Notice::PasswordChanged))
        }
        Err(refusal) => Err(caller.refuse(&refusal, &Next::default(), ChangePassword::PLACE.flash())),
    }
}

async fn change(caller: &Caller, current: &str, new: &str, end_others: bool) -> Result<Tokens, Refusal> {
    caller
        .state
        .accounts
        .change_password(&caller.signed_in()?.claims, current, new, end_others, &caller.client)
        .await
}

impl ChangePassword {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-password",
    };
}
