//! `POST /api/change_email`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::maybe_field::Sent;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_core::sessions::Tokens;
use latchkey_types::{Field, Next, Problem};

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
    match change(&caller, email.0.as_deref(), &password).await {
        Ok(renewed) => {
            if let Some(tokens) = renewed {
                caller.sign_in(&tokens);
            }
            Ok(caller.done(ChangeEmail::PLACE.flash(), Notice::EmailChanged))
        }
        Err(refusal) => {
            let mut typed = ChangeEmail::PLACE.flash();
            typed.keep("email", &String::from(email));
            Err(caller.refuse(&refusal, &Next::default(), typed))
        }
    }
}

async fn change(caller: &Caller, email: Option<&str>, password: &str) -> Result<Option<Tokens>, Refusal> {
    let who = caller.signed_in()?;
    let email = email.ok_or_else(|| Refusal::field(Field::Email, Problem::Missing))?;
    caller
        .state
        .accounts
        .change_email(&who.claims, email, password, &caller.client)
        .await
}

impl ChangeEmail {
    /// The page and the form that post to this function.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-email",
    };
}
