//! Every route, and what each request passes on its way.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use leptos::context::provide_context;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::handle_server_fns_with_context;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use super::form::{self, Form, FormError};
use super::rest::{health, me, openapi, protected, token};
use super::state::AppState;
use super::{assets, middleware};
use crate::app::{error, pages};

/// The whole application.
pub fn router(state: AppState) -> Router {
    Router::new()
        .merge(pages())
        .merge(server_functions())
        .merge(rest())
        .route("/assets/{*path}", get(assets::serve))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        // The last one added is the first one passed.
        .layer(from_fn_with_state(state.clone(), middleware::session::attach))
        .layer(from_fn_with_state(state.clone(), middleware::same_origin::check))
        .layer(from_fn_with_state(state.clone(), middleware::host::check))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(state.clone(), middleware::security_headers::add))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

/// The pages. A protected one takes a `SignedIn` and cannot be rendered without.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/", get(pages::home))
        .route("/login", get(pages::log_in))
        .route("/signup", get(pages::sign_up))
        .route("/dashboard", get(pages::dashboard))
        .route("/account", get(pages::account))
        .route("/docs", get(pages::docs))
}

/// Every `#[server]` function of the program, at its own address.
fn server_functions() -> Router<AppState> {
    server_fn_paths().fold(Router::new(), |router, (path, _)| router.route(path, post(server_function)))
}

/// Runs a server function, once its form has been read by the one strict reader.
async fn server_function(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match form::read_body(&parts.headers, body)
        .await
        .and_then(|bytes| Form::parse(&parts.headers, &bytes).map(|_| bytes))
    {
        Ok(bytes) => bytes,
        Err(FormError { status, sentence }) => return error::refuse(&parts.headers, status, sentence),
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    handle_server_fns_with_context(move || provide_context(state.clone()), request)
        .await
        .into_response()
}

/// The API for other programs.
fn rest() -> Router<AppState> {
    Router::new()
        .route("/token", post(token::token))
        .route("/protected", get(protected::protected))
        .route("/me", get(me::me))
        .route("/openapi.json", get(openapi::openapi))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
}
