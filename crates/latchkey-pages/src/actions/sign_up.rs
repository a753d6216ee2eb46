//! `POST /api/sign_up`

use latchkey_core::accounts::SignUpInput;
use latchkey_types::Next;
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace, TypedForm};

/// Creates an account, signs in to it and sets the cookies of its first session.
#[server(endpoint = "sign_up")]
pub async fn sign_up(
    /// The sign-in name.
    #[server(default)]
    username: String,
    /// The password. It is never sent back.
    #[server(default)]
    password: String,
    /// The email address; empty for none.
    #[server(default)]
    email: String,
    /// The page to go to after signing up.
    #[server(default)]
    next: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let account = SignUpInput {
        username: &username,
        password: &password,
        email: &email,
    };
    let outcome = caller.state.accounts.sign_up(account, &caller.client, caller.session()).await;
    let mut flash = FormPlace::page(SignUp::PAGE).flash();
    flash.keep("username", &username);
    flash.keep("email", &email);
    let next = Next::parse(&next);
    caller.respond(outcome.map(Done::SignedIn), TypedForm { flash, next })
}

impl SignUp {
    /// The page of its form.
    pub const PAGE: &str = "/signup";
}
