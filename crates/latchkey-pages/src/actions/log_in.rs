//! `POST /api/log_in`

use latchkey_types::Next;
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace, TypedForm};

/// Signs in and sets the cookies of a new session. An unknown name and a wrong password get the same answer after the same work.
#[server(endpoint = "log_in")]
pub async fn log_in(
    /// The sign-in name.
    #[server(default)]
    username: String,
    /// The password. It is never sent back.
    #[server(default)]
    password: String,
    /// The page to go to after signing in.
    #[server(default)]
    next: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = caller
        .state
        .accounts
        .sign_in(&username, &password, &caller.client, caller.session())
        .await;
    let mut flash = FormPlace::page(LogIn::PAGE).flash();
    flash.keep("username", &username);
    let next = Next::parse(&next);
    caller.respond(outcome.map(Done::SignedIn), TypedForm { flash, next })
}

impl LogIn {
    /// The page of its form.
    pub const PAGE: &str = "/login";
}
