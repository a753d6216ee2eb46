//! `POST /api/log_in`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_types::Next;

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
    let mut typed = FormPlace::page(LogIn::PAGE).flash();
    typed.keep("username", &username);
    caller.answer(outcome, &Next::parse(&next), typed)
}

impl LogIn {
    /// The page of its form.
    pub const PAGE: &str = "/login";
}
