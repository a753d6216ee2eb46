//! `POST /api/change_email`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_types::{Field, Problem};
use leptos::prelude::*;

use super::form_error::Refused;
use super::maybe_field::Sent;
use super::respond::{Caller, Destination, Done, FormPlace};

/// Changes the caller's email address, or removes it.
#[server(endpoint = "change_email")]
pub async fn change_email(
    /// The address; empty removes it. A missing field is an error, so that it cannot remove the address by mistake.
    #[server(default)]
    email: Sent,
    /// The password, required if it was last entered too long ago.
    #[server(default)]
    password: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = change(&caller, email.0.as_deref(), &password).await;
    let mut flash = ChangeEmail::PLACE.flash();
    flash.keep("email", &String::from(email));
    caller.respond(outcome, flash.into())
}

async fn change(caller: &Caller, email: Option<&str>, password: &str) -> Result<Done, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let email = email.ok_or_else(|| Refusal::field(Field::Email, Problem::Missing))?;
    let accounts = &caller.state.accounts;
    let renewed = accounts.change_email(claims, email, password, &caller.client).await?;
    Ok(Done::Changed {
        notice: Notice::EmailChanged,
        renewed,
    })
}

impl ChangeEmail {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-email",
    };
}
