//! Resolves who is asking, once per request, before anything is rendered.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::SET_COOKIE;

use crate::server::session::{Resolved, resolve};
use crate::server::state::AppState;

/// Puts the visitor into the request and, where their tokens were renewed, the new ones into the answer, unless the
/// answer signs somebody in or out itself. Decides nothing about access.
pub async fn attach(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
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
