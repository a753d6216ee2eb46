//! Every route, and what each request passes on its way.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use leptos::context::provide_context;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::handle_server_fns_with_context;
use tower::util::option_layer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use super::form::{self, Form, FormError};
use super::rest::{health, introspect, me, openapi, protected, revoke, security_txt, token, well_known};
use super::session_events::session_events;
use super::state::AppState;
use super::{assets, log, metrics, middleware};
use crate::app::{error, pages};

/// The whole application.
pub fn router(state: AppState) -> Router {
    let timed = state.config.metrics_addr.is_some();
    Router::new()
        .merge(with_cookies().layer(from_fn_with_state(state.clone(), middleware::session::attach)))
        .merge(rest())
        .route("/assets/{*path}", get(assets::serve))
        .method_not_allowed_fallback(error::method_not_allowed)
        // The last one added is the first one passed.
        .layer(option_layer(timed.then(|| from_fn_with_state(state.clone(), metrics::time))))
        .layer(from_fn_with_state(state.clone(), middleware::same_origin::check))
        .layer(from_fn_with_state(state.clone(), middleware::host::check))
        .layer(from_fn(middleware::size::check))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(from_fn_with_state(state.clone(), middleware::security_headers::add))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with({
                    let state = state.clone();
                    move |request: &Request| log::request_span(&state.config.trusted_proxies, request)
                })
                .on_response(log::answered),
        )
        .with_state(state)
}

/// What knows its visitor by cookies: pages, the posts of their forms, the events of their session. Everything else
/// reads no cookie.
fn with_cookies() -> Router<AppState> {
    Router::new()
        .merge(pages())
        .merge(server_functions())
        .route("/session/events", get(session_events))
        .fallback(error::not_found)
}

/// The pages. A protected one takes a `SignedIn` and cannot be rendered without.
fn pages() -> Router<AppState> {
    Router::new()
        .route("/", get(pages::home))
        .route("/login", get(pages::log_in))
        .route("/signup", get(pages::sign_up))
        .route("/dashboard", get(pages::dashboard))
        .route("/sessions", get(pages::sessions))
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
        .route("/revoke", post(revoke::revoke))
        .route("/introspect", post(introspect::introspect))
        .route("/protected", get(protected::protected))
        .route("/me", get(me::me))
        .route("/openapi.json", get(openapi::openapi))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/.well-known/oauth-authorization-server", get(well_known::metadata))
        .route("/.well-known/security.txt", get(security_txt::security_txt))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
}
