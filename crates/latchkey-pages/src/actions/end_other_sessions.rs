//! `POST /api/end_other_sessions`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination, FormPlace};
use latchkey_axum::flash::Notice;
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionScope};
use latchkey_types::Next;

/// Ends every session of the caller except the current one.
#[server(endpoint = "end_other_sessions")]
pub async fn end_other_sessions() -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let place = FormPlace::page(super::EndSession::PAGE);
    match end(&caller).await {
        Ok(()) => Ok(caller.done(place.flash(), Notice::OthersEnded)),
        Err(refusal) => Err(caller.refuse(&refusal, &Next::default(), place.flash())),
    }
}

async fn end(caller: &Caller) -> Result<(), Refusal> {
    let claims = &caller.signed_in()?.claims;
    let others = SessionScope::AllBut(claims.sid);
    caller
        .state
        .sessions
        .end(&claims.sub, others, EndReason::EndedElsewhere, &caller.client)
        .await?;
    Ok(())
}
