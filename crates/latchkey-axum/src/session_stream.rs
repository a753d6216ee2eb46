//! `GET /session/events`: tells an open page that its session has ended or that the data of its user has changed (server-sent
//! events, HTML Living Standard section 9.2). The guard island listens to it.

pub mod quota;

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use self::quota::EventStreamPermit;
use super::errors::RETRY_AFTER;
use super::state::AppState;
use crate::client_ip;
use crate::errors::{cannot_tell, refuse};
use crate::visitor::{Visitor, renewed_at};
use latchkey_core::revocations::{TokenStatus, Watch};
use latchkey_core::throttle::Network;
use latchkey_core::tokens::Claims;

/// How long a browser waits before it reconnects after a stream has ended.
const COME_BACK: Duration = Duration::from_millis(500);

/// How long a browser waits before it reconnects while the database is unavailable.
const COME_BACK_LATER: Duration = Duration::from_secs(2);

/// Tells proxies not to buffer the response, because buffering would delay the events.
const UNBUFFERED: (HeaderName, HeaderValue) = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// Forbids storing the response, because it contains a session id. `Sse` alone sets `no-cache`, which allows storing.
const NOT_STORED: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Streams the events of the visitor's session.
///
/// A stream begins with the event `session`: the id of the session and the remaining seconds of its access token, which was
/// renewed if that was due. The stream ends with the event `over` when the page should reload. It ends without an event when a
/// renewal is due or the server stops; the browser then reconnects by itself. If too many streams are open, the response is 503,
/// and the page asks again when its token expires.
pub async fn session_events(State(state): State<AppState>, headers: HeaderMap, extensions: Extensions, visitor: Visitor) -> Response {
    let listens = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    match visitor {
        Visitor::SignedIn(signed_in) => {
            let claims = Arc::clone(&signed_in.claims);
            let network = Network::from(client_ip::address(&state.config.trusted_proxies, &headers, &extensions));
            let Some(permit) = state.event_streams.take(network) else {
                return too_many();
            };
            match state.sessions.revocations.watch(claims.sid, &claims.sub) {
                Some(watch) => stream_of(events_of(state, claims, watch, permit)),
                None => too_many(),
            }
        }
        Visitor::Anonymous | Visitor::Ended(_) if listens => stream_of(stream::once(ready(over()))),
        Visitor::Unknown if listens => stream_of(stream::once(ready(Event::default().retry(COME_BACK_LATER)))),
        Visitor::Anonymous | Visitor::Ended(_) => refuse(StatusCode::UNAUTHORIZED, "Not authenticated"),
        Visitor::Unknown => cannot_tell(),
    }
}

fn events_of(state: AppState, claims: Arc<Claims>, watch: Watch, permit: EventStreamPermit) -> impl Stream<Item = Event> {
    let left = claims.exp - state.clock.now();
    let hello = Event::default()
        .retry(COME_BACK)
        .event("session")
        .data(format!("{} {left}", claims.sid));
    let rest = async move {
        let _held_while_open = permit;
        let due = Duration::from_secs(u64::try_from(renewed_at(&state, &claims) - state.clock.now()).unwrap_or(0));
        let due = tokio::time::sleep(due);
        tokio::pin!(due);
        loop {
            // Check the status after the watch has begun, so that no change in between is missed. The check is also needed because
            // a change may be older than the token.
            if matches!(
                state.sessions.revocations.status(&claims, state.clock.now()),
                TokenStatus::Ended | TokenStatus::Stale
            ) {
                return Some(over());
            }
            tokio::select! {
                () = watch.changed() => {}
                () = state.stop.cancelled() => return None,
                () = &mut due => return None,
            }
        }
    };
    stream::once(ready(hello)).chain(stream::once(rest).filter_map(ready))
}

fn too_many() -> Response {
    let mut response = refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many pages are open. Close some of them, then try again.",
    );
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn over() -> Event {
    Event::default().event("over").data("ask the server")
}

fn stream_of(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    ([UNBUFFERED, NOT_STORED], Sse::new(events).keep_alive(KeepAlive::default())).into_response()
}
