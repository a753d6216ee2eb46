//! `POST /api/end_session`

use leptos::prelude::*;

use crate::actions::form_error::Refused;
use crate::actions::respond::{Caller, Destination};
use latchkey_axum::flash::{Flash, Notice};
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionId, SessionScope};
use latchkey_types::Next;

/// Ends one of the caller's sessions, on every device at once; their own means signing out.
#[server(endpoint = "end_session")]
pub async fn end_session(
    /// Its id, as the page of sessions shows it.
    #[server(default)]
    session: String,
    /// The session that the page of the form begins behind, if it is not the first one: back to that page.
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
        // Somebody else's, or none: the same answer.
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

    /// The address of its page that begins behind a session.
    pub fn page(after: Option<SessionId>) -> String {
        after.map_or_else(|| Self::PAGE.to_owned(), |after| format!("{}?after={after}", Self::PAGE))
    }
}
