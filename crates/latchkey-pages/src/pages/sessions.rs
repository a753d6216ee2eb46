//! `/sessions`: lists the sessions of the account and ends them.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::query_value;
use crate::actions::{EndOtherSessions, EndSession};
use crate::client_name::client_name;
use crate::description_list::fact;
use crate::error_pages;
use crate::page::Page;
use crate::{fields, time};
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::SignedIn;
use latchkey_store::{COUNT_CAP, Client, ClientKind, Counted, Session, SessionId, SessionPage};

/// Sessions shown on one page.
const SHOWN: usize = 25;

/// `?after=`: the session after which the page begins. Without a valid session id it is the first page.
pub struct AfterQuery(Option<SessionId>);

impl FromRequestParts<AppState> for AfterQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self(query_value(parts, "after").and_then(|after| SessionId::parse(&after))))
    }
}

/// `GET /sessions`
pub async fn sessions(
    State(state): State<AppState>,
    _headers: HeaderMap,
    AfterQuery(after): AfterQuery,
    mut page: Page,
    signed_in: SignedIn,
) -> Response {
    let here = signed_in.claims.sid;
    let found = state
        .store
        .live_sessions(&signed_in.user.id, here, after, state.clock.now(), SHOWN)
        .await;
    let listed = match found {
        Ok(listed) => listed,
        Err(error) => return error_pages::refused(&state, page, &error.into()),
    };
    let flash = page.take_flash();
    page.guarded("Sessions", signed_in, |_| {
        let SessionPage {
            sessions,
            after,
            older,
            all,
            before,
        } = listed;
        // Users with many sessions mostly want to end them all, so the button is above the list, away from the links to other pages.
        let paged = after.is_some() || older.is_some();
        let head = paged.then(|| range(before, sessions.len(), all)).map(|range| {
            view! {
                <div class="panel-head">
                    <p class="hint">{range}</p>
                    <EndOthers all />
                </div>
            }
        });
        view! {
            {fields::form_notice(&flash)}
            <p class="lead">"Where you are signed in. Ending a session signs that device out at once."</p>
            {head}
            <ul class="cards">{sessions.into_iter().map(|session| card(session, here, after)).collect_view()}</ul>
            {if paged { view! { <Pages after older /> }.into_any() } else { view! { <EndOthers all /> }.into_any() }}
        }
    })
}

/// Describes which of all sessions the page shows.
fn range(before: Counted, shown: usize, all: Counted) -> String {
    let of_all = all
        .exactly()
        .map_or_else(|| format!("more than {COUNT_CAP}"), |all| all.to_string());
    match before.exactly() {
        Some(before) => format!("{} to {} of {of_all}, the latest sign-in first.", before + 1, before + shown),
        None => format!("{shown} of {of_all}, the latest sign-in first."),
    }
}

/// Links to the other pages of the list.
#[component]
fn Pages(after: Option<SessionId>, older: Option<SessionId>) -> impl IntoView {
    view! {
        <nav class="pages" aria-label="Pages of sessions">
            {older.map(|older| view! { <a href=EndSession::page(Some(older))>"Older sessions"</a> })}
            {after.is_some().then(|| view! { <a href=EndSession::PAGE>"Back to the newest"</a> })}
        </nav>
    }
}

fn card(session: Session, here: SessionId, after: Option<SessionId>) -> impl IntoView {
    let this = session.id == here;
    let words = client_name(&session.client);
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
                    {fact("Address", place(&session.client))} {fact("Signed in", time::minute(session.started_at))}
                    {fact("Last used", time::minute(session.last_used_at))}
                </dl>
            </div>
            <form method="post" action=EndSession::url()>
                <input type="hidden" name="session" value=session.id.to_string() />
                {after.map(|after| view! { <input type="hidden" name="after" value=after.to_string() /> })}
                <button type="submit" aria-label=label>
                    {if this { "Sign out" } else { "End" }}
                </button>
            </form>
        </li>
    }
}

/// Describes the address of a client and whether it uses the pages or the API.
fn place(client: &Client) -> String {
    let way = match client.kind {
        ClientKind::Browser => "in a browser",
        ClientKind::Api | ClientKind::Operator => "through the API",
    };
    match client.address {
        Some(address) => format!("{address}, {way}"),
        None => format!("Unknown, {way}"),
    }
}

#[component]
fn EndOthers(all: Counted) -> impl IntoView {
    let text = match all.exactly() {
        Some(0 | 1) => return None,
        Some(2) => "End the other session".to_owned(),
        Some(all) => format!("End all {} other sessions", all - 1),
        None => "End all other sessions".to_owned(),
    };
    Some(view! {
        <form method="post" action=EndOtherSessions::url()>
            <button type="submit">{text}</button>
        </form>
    })
}
