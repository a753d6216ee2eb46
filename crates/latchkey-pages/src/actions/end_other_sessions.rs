//! `POST /api/end_other_sessions`

use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionScope};
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done, FormPlace, TypedForm};

/// Ends every session of the caller except the current one.
#[server(endpoint = "end_other_sessions")]
pub async fn end_other_sessions() -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let outcome = end(&caller).await;
    caller.respond(outcome, TypedForm::at(FormPlace::page(super::EndSession::PAGE)))
}

async fn end(caller: &Caller) -> Result<Done, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let others = SessionScope::AllBut(claims.sid);
    let sessions = &caller.state.sessions;
    sessions.end(&claims.sub, others, EndReason::EndedElsewhere, &caller.client).await?;
    Ok(Done::said(Notice::OthersEnded))
}
