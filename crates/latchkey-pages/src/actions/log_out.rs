//! `POST /api/log_out`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionScope};
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace, TypedForm};

/// Ends the session at once and clears its cookies. Signing out again does no harm.
#[server(endpoint = "log_out")]
pub async fn log_out() -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = match end(&caller).await {
        Ok(()) | Err(Refusal::NotSignedIn) => Ok(Done::SignedOut(Notice::SignedOut)),
        // As long as the session goes on, the answer must not say that it ended.
        Err(refusal) => Err(refusal),
    };
    caller.respond(outcome, TypedForm::at(FormPlace::page(LogOut::PAGE)))
}

async fn end(caller: &Caller) -> Result<(), Refusal> {
    let claims = &caller.signed_in()?.claims;
    let this = SessionScope::One(claims.sid);
    let sessions = &caller.state.sessions;
    sessions.end(&claims.sub, this, EndReason::SignedOut, &caller.client).await?;
    Ok(())
}

impl LogOut {
    /// A page with its form. Every protected page has one.
    pub const PAGE: &str = "/dashboard";
}
