//! The routes of the app.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use latchkey_axum::middleware::session;
use latchkey_axum::session_stream::session_events;
use latchkey_axum::state::AppState;
use latchkey_axum::{api, layers, metrics};
use latchkey_pages::{actions, assets, error_pages};

use crate::pages;

/// Builds the app: its routes and the middleware around them.
pub fn app(state: AppState) -> Router {
    layers::around(&state, routes(state.clone()), error_pages::refused_request)
}

/// Returns every route.
pub fn routes(state: AppState) -> Router {
    let routes = Router::new()
        .merge(with_cookies().layer(from_fn_with_state(state.clone(), session::attach)))
        .merge(api::routes())
        .route("/assets/{*path}", get(assets::serve))
        .method_not_allowed_fallback(error_pages::method_not_allowed);
    let routes = match state.config.metrics_addr {
        Some(_) => routes.layer(from_fn_with_state(state.clone(), metrics::time)),
        None => routes,
    };
    routes.with_state(state)
}

/// Returns the routes that identify their visitor by cookies: pages, form posts and session events. All other routes read no cookie.
fn with_cookies() -> Router<AppState> {
    Router::new()
        .merge(pages())
        .merge(latchkey_pages::pages::routes())
        .merge(actions::routes())
        .route("/session/events", get(session_events))
        .fallback(error_pages::not_found)
}

/// Returns the pages of this app. The handler of a protected page takes a `SignedIn`, so it cannot run without one.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/", get(pages::home))
        .route("/dashboard", get(pages::dashboard))
        .route("/docs", get(pages::docs))
}
