//! `POST /api/change_email`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_types::{Field, Problem};
use leptos::prelude::*;

use super::form_error::Refused;
use super::maybe_field::Sent;
use super::respond::{Caller, Destination, Done, FormPlace};

/// Changes the caller's email address, or takes it away.
#[server(endpoint = "change_email")]
pub async fn change_email(
    /// The address, empty for none. Absent it is a mistake: nothing is taken away by it.
    #[server(default)]
    email: Sent,
    /// The password; needed when it was last given a while ago.
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
    /// Where its form is.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-email",
    };
}
