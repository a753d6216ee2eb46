//! Decodes who is asking, once per request, before anything is rendered.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::server::session::Visitor;
use crate::server::state::AppState;

/// Puts the [`Visitor`] into the request. Decides nothing about access.
pub async fn attach(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let visitor = Visitor::decode(&state, request.headers());
    request.extensions_mut().insert(visitor);
    next.run(request).await
}
