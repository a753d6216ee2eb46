//! `POST /api/change_email`

use leptos::prelude::*;

use super::caller::{Caller, Destination, FormPlace};
use super::refused::Refused;
use crate::domain::Next;
use crate::server::accounts::{Refusal, change};
use crate::server::flash::Notice;

/// Changes the caller's email address, or takes it away.
#[server(endpoint = "change_email")]
pub async fn change_email(
    /// The address, empty for none.
    #[server(default)]
    email: String,
    /// The password; needed when it was last given a while ago.
    #[server(default)]
    password: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = change(&caller, &email, &password).await;
    match outcome {
        Ok(()) => Ok(caller.done(ChangeEmail::PLACE, Notice::EmailChanged)),
        Err(refusal) => {
            let mut typed = ChangeEmail::PLACE.flash();
            typed.keep("email", &email);
            Err(caller.refuse(&refusal, &Next::default(), typed))
        }
    }
}

async fn change(caller: &Caller, email: &str, password: &str) -> Result<(), Refusal> {
    change::email(&caller.state, caller.signed_in()?, email, password, &caller.client).await
}

impl ChangeEmail {
    /// Where its form is.
    pub const PLACE: FormPlace = FormPlace {
        page: "/account",
        form: "change-email",
    };
}
