//! `POST /api/end_session`

use latchkey_axum::flash::{Flash, Notice};
use latchkey_core::accounts::Refusal;
use latchkey_store::{EndReason, SessionId, SessionScope};
use leptos::prelude::*;

use super::form_error::Refused;
use super::respond::{Caller, Destination, Done};

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
    let outcome = end(&caller, &session).await;
    caller.respond(outcome, place.into())
}

async fn end(caller: &Caller, session: &str) -> Result<Done, Refusal> {
    let claims = &caller.signed_in()?.claims;
    let id = SessionId::parse(session).ok_or(Refusal::NoSuchSession)?;
    let is_own = id == claims.sid;
    let reason = if is_own { EndReason::SignedOut } else { EndReason::EndedElsewhere };
    let sessions = &caller.state.sessions;
    let ended = sessions.end(&claims.sub, SessionScope::One(id), reason, &caller.client).await?;
    match (ended, is_own) {
        // Another user's session gets the same answer as no session.
        (0, _) => Err(Refusal::NoSuchSession),
        (_, true) => Ok(Done::SignedOut(Notice::SignedOut)),
        (_, false) => Ok(Done::said(Notice::SessionEnded)),
    }
}

impl EndSession {
    /// The page of its form.
    pub const PAGE: &str = "/sessions";

    /// Returns the path of the sessions page that begins after a session.
    pub fn page(after: Option<SessionId>) -> String {
        after.map_or_else(|| Self::PAGE.to_owned(), |after| format!("{}?after={after}", Self::PAGE))
    }
}
