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

/// Sessions shown: of more than that, nobody ends one by one.
const MOST_SHOWN: i64 = 100;

/// `GET /sessions`
pub async fn sessions(State(state): State<AppState>, headers: HeaderMap, page: Page, signed_in: SignedIn) -> Response {
    let here = signed_in.claims.sid;
    let found = state
        .store
        .live_sessions(&signed_in.user.id, Some(here), state.clock.now(), MOST_SHOWN)
        .await;
    let (live, total) = match found {
        Ok(found) => found,
        Err(error) => return unavailable(page, &error),
    };
    let flash = flash(&state, &headers, EndSession::PAGE);
    let response = page.guarded("Sessions", signed_in, |_| {
        let others = total.saturating_sub(1);
        let more = total - live.len();
        view! {
            {fields::form_notice(&flash)}
            <p class="lead">"Where you are signed in. A session that you end is over at once, on every device."</p>
            <ul class="cards">{live.into_iter().map(|session| card(session, here)).collect_view()}</ul>
            {(more > 0).then(|| view! { <p>{format!("And {more} more, not used as lately.")}</p> })}
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
