//! `POST /api/end_session`

use leptos::prelude::*;

use super::caller::{Caller, Destination, FormPlace};
use super::refused::Refused;
use crate::domain::Next;
use crate::server::accounts::Refusal;
use crate::server::flash::Notice;
use crate::server::sessions::{self, EndReason, SessionId};
use crate::server::store::Which;

/// Ends one of the caller's sessions, on every device at once; their own means signing out.
#[server(endpoint = "end_session")]
pub async fn end_session(
    /// Its id, as the page of sessions shows it.
    #[server(default)]
    session: String,
) -> Result<Destination, Refused> {
    let caller = Caller::from_context();
    let place = FormPlace::page(EndSession::PAGE);
    match end(&caller, &session).await {
        Ok(Some(Notice::SignedOut)) => Ok(caller.signed_out(Notice::SignedOut)),
        Ok(Some(notice)) => Ok(caller.done(place, notice)),
        // Somebody else's, or none: the same answer.
        Ok(None) => Err(caller.refuse(&Refusal::NoSuchSession, &Next::default(), place.flash())),
        Err(refusal) => Err(caller.refuse(&refusal, &Next::default(), place.flash())),
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
    let ended = sessions::end(&caller.state, &claims.sub, Which::One(id), reason, &caller.client).await?;
    Ok((ended > 0).then_some(notice))
}

impl EndSession {
    /// The page of its form.
    pub const PAGE: &str = "/sessions";
}
