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
    let security_headers = Arc::new(SecurityHeaders::new(state.config.public_url.is_https()));
    let layers = ServiceBuilder::new()
        .map_request(trace::drop_foreign_request_id)
        .layer(SetRequestIdLayer::x_request_id(NewRequestId))
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(trace::layer(&state.config.trusted_proxies))
        .map_response(move |mut response: Response| {
            security_headers.add(response.headers_mut());
            response
        })
        .layer(from_fn_with_state(error_page, show_refusals_as_pages))
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(state.clone(), refuse_early));
    Router::new().fallback_service(layers.service(routes))
}

/// Refuses requests that no route should see.
async fn refuse_early(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let refusal = size::check(&request)
        .or_else(|| host::check(&state, &request))
        .or_else(|| same_origin::check(&state, &request));
    match refusal {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

/// Replaces the JSON body of a refusal by a page if the client is a browser.
async fn show_refusals_as_pages(State(error_page): State<ErrorPage>, request: Request, next: Next) -> Response {
    let wants_page = wants_page(request.headers());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<RefusedRequest>() {
        Some(refused) if wants_page => page_of(error_page, &refused, response),
        _ => response,
    }
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
