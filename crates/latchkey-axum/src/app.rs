//! Every route, and what each request passes on its way.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::FutureExt;
use leptos::context::provide_context;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::handle_server_fns_with_context;
use tower::Service;

use super::form::{self, Form, FormError};
use super::log::{self, Asked};
use super::middleware::security_headers::SecurityHeaders;
use super::middleware::{host, same_origin, session, size};
use super::rest::{health, introspect, me, openapi, protected, revoke, security_txt, token, well_known};
use super::session_events::session_events;
use super::state::AppState;
use super::{assets, metrics};
use crate::app::{error, pages};

/// The whole application: the routes, and what each request passes on its way to them and back. That stands around all
/// routes at once, as plain calls: as a layer of each route every step would copy those within it, for each request.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    state: AppState,
    security_headers: SecurityHeaders,
    routes: Router,
}

impl App {
    /// With the state that everything shares.
    pub fn new(state: AppState) -> Self {
        Self(Arc::new(Inner {
            security_headers: SecurityHeaders::new(state.config.public_url.is_https()),
            routes: routes(state.clone()),
            state,
        }))
    }

    /// Answers a request. What comes first here is around all that comes later.
    pub async fn answer(self, request: Request) -> Response {
        let began = Instant::now();
        let inner = &*self.0;
        let wants_page = error::wants_page(request.headers());
        let asked = Asked::of(&inner.state.config.trusted_proxies, &request);
        // Pinned where they are: what wraps a future would otherwise move all of it, several times for each request.
        let work = pin!(async {
            let checked = pin!(inner.checked(request));
            let answered = AssertUnwindSafe(checked).catch_unwind().await;
            let mut response = answered.unwrap_or_else(|cause| error::panicked(wants_page, cause));
            inner.security_headers.add(response.headers_mut());
            log::answered(&response, began.elapsed());
            response
        });
        asked.scope(work).await
    }
}

impl Inner {
    /// Refuses what no route should see.
    async fn checked(&self, request: Request) -> Response {
        let refusal = size::check(&request)
            .or_else(|| host::check(&self.state, &request))
            .or_else(|| same_origin::check(&self.state, &request));
        if let Some(refusal) = refusal {
            return refusal;
        }
        let Ok(response) = self.routes.clone().call(request).await;
        response
    }
}

/// Every route.
fn routes(state: AppState) -> Router {
    let routes = Router::new()
        .merge(with_cookies().layer(from_fn_with_state(state.clone(), session::attach)))
        .merge(rest())
        .route("/assets/{*path}", get(assets::serve))
        .method_not_allowed_fallback(error::method_not_allowed);
    let routes = match state.config.metrics_addr {
        Some(_) => routes.layer(from_fn_with_state(state.clone(), metrics::time)),
        None => routes,
    };
    routes.with_state(state)
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
        .route("/.well-known/change-password", get(well_known::change_password))
        .route("/.well-known/security.txt", get(security_txt::security_txt))
        .route("/health/live", get(health::live).options(health::options))
        .route("/health/ready", get(health::ready).options(health::options))
}
