//! `/sessions`: where the account is signed in, and how to end that.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{flash, shown};
use crate::api::{EndOtherSessions, EndSession};
use crate::app::error::unavailable;
use crate::app::facts::fact;
use crate::app::{Page, fields, format};
use crate::server::session::SignedIn;
use crate::server::sessions::{Client, ClientKind, Session, SessionId};
use crate::server::state::AppState;

/// `GET /sessions`
pub async fn sessions(State(state): State<AppState>, headers: HeaderMap, page: Page, signed_in: SignedIn) -> Response {
    let mut live = match state.store.live_sessions(&signed_in.user.id, state.clock.now()).await {
        Ok(live) => live,
        Err(error) => return unavailable(page, &error),
    };
    let flash = flash(&state, &headers, EndSession::PAGE);
    let here = signed_in.claims.sid;
    live.sort_by_key(|session| session.id != here);
    let response = page.guarded("Sessions", signed_in, |_| {
        let others = live.len().saturating_sub(1);
        view! {
            {fields::form_notice(&flash)}
            <p class="lead">"Where you are signed in. A session that you end is over at once, on every device."</p>
            <ul class="cards">{live.into_iter().map(|session| card(session, here)).collect_view()}</ul>
            {(others > 0).then(|| view! { <EndOthers others /> })}
        }
    });
    shown(&state, &flash, response)
}

fn card(session: Session, here: SessionId) -> impl IntoView {
    let this = session.id == here;
    let words = session.client.in_words();
    let label = if this {
        "Sign out here".to_owned()
    } else {
        format!("End the session of {words}")
    };
    view! {
        <li class="panel card">
            <div class="stack close">
                <h2>{words} {this.then(|| view! { " " <span class="badge">"This device"</span> })}</h2>
                <dl class="facts columns">
                    {fact("Address", place(&session.client))} {fact("Signed in", format::minute(session.started_at))}
                    {fact("Last used", format::minute(session.last_used_at))}
                </dl>
            </div>
            <form method="post" action=EndSession::url()>
                <input type="hidden" name="session" value=session.id.to_string() />
                <button type="submit" aria-label=label>
                    {if this { "Sign out" } else { "End" }}
                </button>
            </form>
        </li>
    }
}

/// Where a client is and how it came.
fn place(client: &Client) -> String {
    let way = match client.kind {
        ClientKind::Browser => "on the pages",
        ClientKind::Api | ClientKind::Operator => "with the API",
    };
    match client.address {
        Some(address) => format!("{address}, {way}"),
        None => format!("Unknown, {way}"),
    }
}

#[component]
fn EndOthers(others: usize) -> impl IntoView {
    let text = if others == 1 {
        "End the other session".to_owned()
    } else {
        format!("End all {others} other sessions")
    };
    view! {
        <form method="post" action=EndOtherSessions::url()>
            <button type="submit">{text}</button>
        </form>
    }
}
