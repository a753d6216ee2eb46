//! `POST /api/log_out`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionScope};
use latchkey_types::Next;

/// Ends the session at once and clears its cookies. Signing out again does no harm.
#[server(endpoint = "log_out")]
pub async fn log_out() -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    match end(&caller).await {
        Ok(()) | Err(Refusal::NotSignedIn) => Ok(caller.signed_out(Notice::SignedOut)),
        // Do not say "signed out" while the session is still alive.
        Err(refusal) => Err(caller.refuse(&refusal, &Next::default(), FormPlace::page(LogOut::PAGE).flash())),
    }
}

async fn end(caller: &Caller) -> Result<(), Refusal> {
    let claims = &caller.signed_in()?.claims;
    caller
        .state
        .sessions
        .end(&claims.sub, SessionScope::One(claims.sid), EndReason::SignedOut, &caller.client)
        .await?;
    Ok(())
}

impl LogOut {
    /// A page with its form. Every protected page has one.
    pub const PAGE: &str = "/dashboard";
}
