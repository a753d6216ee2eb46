//! Resolves the visitor once per request, before anything is rendered.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::header::SET_COOKIE;

use crate::state::AppState;
use crate::visitor::{Resolved, resolve, with_next};
use crate::{cookie_check, paths};

/// Puts the visitor into the request. If their tokens were renewed, sets the new cookies in the response, unless the response
/// itself signs in or out. This layer does not decide about access.
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

/// Redirects a browser that keeps no cookies to the sign-in page, which shows a notice about it. The sign-in and sign-up pages
/// show the notice themselves.
fn lead_to_the_cookie_notice(state: &AppState, request: &Request) -> Option<Response> {
    let (uri, headers) = (request.uri(), request.headers());
    let says_so = [paths::LOG_IN, paths::SIGN_UP].contains(&uri.path());
    if says_so || !request.method().is_safe() || !cookie_check::failed(state, uri, headers) {
        return None;
    }
    let next = latchkey_types::Next::parse(&cookie_check::unmarked(uri));
    Some(Redirect::to(&cookie_check::mark(&with_next(paths::LOG_IN, &next))).into_response())
}
