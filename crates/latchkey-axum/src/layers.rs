//! The layers around the whole router, which every request and every response passes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::SetRequestIdLayer;

use crate::errors::{RefusedRequest, refuse, wants_page};
use crate::middleware::security_headers::SecurityHeaders;
use crate::middleware::{host, same_origin, size};
use crate::state::AppState;
use crate::trace::{self, NewRequestId};

/// Renders the page of a refused request.
pub type ErrorPage = fn(&RefusedRequest) -> Response;

/// Puts the layers around the routes. The first layer in the list is the outermost. The layers are around the router and not
/// around each route, so that they also see requests that match no route.
pub fn around(state: &AppState, routes: Router, error_page: ErrorPage) -> Router {
    let edge = Edge {
        state: state.clone(),
        security_headers: Arc::new(SecurityHeaders::new(state.config.public_url.is_https())),
        error_page,
    };
    let layers = ServiceBuilder::new()
        .map_request(trace::drop_foreign_request_id)
        .layer(SetRequestIdLayer::x_request_id(NewRequestId))
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(trace::layer(&state.config.trusted_proxies))
        .layer(from_fn_with_state(edge, pass))
        .layer(CatchPanicLayer::custom(panicked));
    Router::new().fallback_service(layers.service(routes))
}

/// What the first and the last step of every request need. They are one layer, because each layer of a function is boxed.
#[derive(Clone)]
struct Edge {
    state: AppState,
    security_headers: Arc<SecurityHeaders>,
    error_page: ErrorPage,
}

/// Refuses requests that no route should see. Replaces the JSON body of a refusal by a page if the client is a browser, and adds
/// the security headers.
async fn pass(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    let refusal = size::check(&request)
        .or_else(|| host::check(&edge.state, &request))
        .or_else(|| same_origin::check(&edge.state, &request));
    let mut response = match refusal {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    if let Some(refused) = response.extensions_mut().remove::<RefusedRequest>()
        && wants_page
    {
        response = page_of(edge.error_page, &refused, response);
    }
    edge.security_headers.add(response.headers_mut());
    response
}

/// Renders a refusal as a page and keeps the headers of the response. If rendering the page panics, the response stays JSON.
fn page_of(error_page: ErrorPage, refused: &RefusedRequest, mut response: Response) -> Response {
    let Ok(mut page) = catch_unwind(AssertUnwindSafe(|| error_page(refused))) else {
        return response;
    };
    let mut kept: HeaderMap = std::mem::take(response.headers_mut());
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        kept.remove(name);
    }
    page.headers_mut().extend(kept);
    page
}

/// Returns the response for a handler that panicked. Only the log names the cause.
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let cause = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(cause, "a request handler panicked");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong on our side. Check whether your change was saved, then try again.",
    )
}
