//! Resolves who is asking, once per request, before anything is rendered.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;

use crate::state::AppState;
use crate::visitor::{Resolved, resolve, with_next};
use crate::{cookie_check, paths};

/// Puts the visitor into the request and, where their tokens were renewed, the new ones into the answer, unless the
/// answer signs somebody in or out itself. Decides nothing about access.
pub async fn attach(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    if let Some(led) = lead_to_the_cookie_notice(&state, &request) {
        return led;
    }
    let Resolved { visitor, renewed } = resolve(&state, request.headers(), request.extensions()).await;
    request.extensions_mut().insert(visitor);
    let mut response = next.run(request).await;
    if let Some(tokens) = renewed
        && !state.cookies.decides(response.headers())
    {
        for cookie in state.cookies.sign_in(&tokens) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// Leads a browser that keeps no cookies to the sign-in page, which says so. The sign-in pages say it themselves.
fn lead_to_the_cookie_notice(state: &AppState, request: &Request) -> Option<Response> {
    let (uri, headers) = (request.uri(), request.headers());
    let says_so = [paths::LOG_IN, paths::SIGN_UP].contains(&uri.path());
    if says_so || !request.method().is_safe() || !cookie_check::failed(state, uri, headers) {
        return None;
    }
    let next = latchkey_types::Next::parse(&cookie_check::unmarked(uri));
    Some(Redirect::to(&cookie_check::mark(&with_next(paths::LOG_IN, &next))).into_response())
}
