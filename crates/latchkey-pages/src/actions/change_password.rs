//! `POST /api/change_password`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace, TypedForm};

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
    let outcome = change(&caller, &current_password, &new_password, keep_others.is_empty()).await;
    caller.respond(outcome, TypedForm::at(ChangePassword::PLACE))
}

async fn change(caller: &Caller, current: &str, new: &str, end_others: bool) -> Result<Done, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let accounts = &caller.state.accounts;
    let tokens = accounts.change_password(claims, current, new, end_others, &caller.client).await?;
    Ok(Done::Changed {
        notice: Notice::PasswordChanged,
        renewed: Some(tokens),
    })
}

impl ChangePassword {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-password",
    };
}
