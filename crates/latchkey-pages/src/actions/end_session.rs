//! `POST /api/end_session`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination};
use latchkey_axum::flash::{Flash, Notice};
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionId, SessionScope};
use latchkey_types::Next;

/// Ends one of the caller's sessions at once. Ending the current one signs out.
#[server(endpoint = "end_session")]
pub async fn end_session(
    /// The session id, from the sessions page.
    #[server(default)]
    session: String,
    /// The `after` parameter of the page that holds the form, to return to the same page of the list. Empty for the first page.
    #[server(default)]
    after: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let place = Flash {
        page: EndSession::page(SessionId::parse(&after)),
        ..Flash::default()
    };
    match end(&caller, &session).await {
        Ok(Some(Notice::SignedOut)) => Ok(caller.signed_out(Notice::SignedOut)),
        Ok(Some(notice)) => Ok(caller.done(place, notice)),
        // The session of another user and a session that does not exist get the same answer.
        Ok(None) => Err(caller.refuse(&Refusal::NoSuchSession, &Next::default(), place)),
        Err(refusal) => Err(caller.refuse(&refusal, &Next::default(), place)),
    }
}

async fn end(caller: &Caller, session: &str) -> Result<Option<Notice>, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let Some(id) = SessionId::parse(session) else { return Ok(None) };
    let (reason, notice) = if id == claims.sid {
        (EndReason::SignedOut, Notice::SignedOut)
    } else {
        (EndReason::EndedElsewhere, Notice::SessionEnded)
    };
    let ended = caller
        .state
        .sessions
        .end(&claims.sub, SessionScope::One(id), reason, &caller.client)
        .await?;
    Ok((ended > 0).then_some(notice))
}

impl EndSession {
    /// The page of its form.
    pub const PAGE: &str = "/sessions";

    /// Returns the path of the sessions page that begins after a session.
    pub fn page(after: Option<SessionId>) -> String {
        after.map_or_else(|| Self::PAGE.to_owned(), |after| format!("{}?after={after}", Self::PAGE))
    }
}
