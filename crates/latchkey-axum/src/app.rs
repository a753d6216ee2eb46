//! What each request passes on its way to a route and back.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt;
use http::{StatusCode, header};
use tower::Service;

use super::log;
use super::middleware::security_headers::SecurityHeaders;
use super::middleware::{host, same_origin, size};
use super::state::AppState;
use crate::errors::{RefusedRequest, refuse, wants_page};
use crate::request_context::RequestContext;

/// Makes the page of a refused request.
pub type ErrorPage = fn(&RefusedRequest) -> Response;

/// The whole application: the routes, and what each request passes on its way to them and back. That stands around all
/// routes at once, as plain calls: as a layer of each route every step would copy those within it, for each request.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    state: AppState,
    security_headers: SecurityHeaders,
    routes: Router,
    error_page: ErrorPage,
}

impl App {
    /// Puts what every request passes around the routes. `error_page` makes the page of a refused request.
    pub fn new(state: AppState, routes: Router, error_page: ErrorPage) -> Self {
        Self(Arc::new(Inner {
            security_headers: SecurityHeaders::new(state.config.public_url.is_https()),
            routes,
            error_page,
            state,
        }))
    }

    /// Answers a request. What comes first here is around all that comes later.
    pub async fn answer(self, request: Request) -> Response {
        let began = Instant::now();
        let inner = &*self.0;
        let wants_page = wants_page(request.headers());
        let context = RequestContext::of(&inner.state.config.trusted_proxies, &request);
        // Pinned where they are: what wraps a future would otherwise move all of it, several times for each request.
        let work = pin!(async {
            let checked = pin!(inner.checked(request));
            let answered = AssertUnwindSafe(checked).catch_unwind().await;
            let mut response = answered.unwrap_or_else(panicked);
            if wants_page && let Some(refused) = response.extensions_mut().remove::<RefusedRequest>() {
                response = inner.page_of(&refused, response);
            }
            inner.security_headers.add(response.headers_mut());
            log::answered(&response, began.elapsed());
            response
        });
        context.scope(work).await
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

    /// Shows a refusal as a page, with the headers that it has. The fault may lie in what renders pages: then it stays JSON.
    fn page_of(&self, refused: &RefusedRequest, mut response: Response) -> Response {
        let Ok(mut page) = catch_unwind(AssertUnwindSafe(|| (self.error_page)(refused))) else {
            return response;
        };
        for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
            response.headers_mut().remove(name);
        }
        page.headers_mut().extend(std::mem::take(response.headers_mut()));
        page
    }
}

/// A fault of ours: said without a word about its cause, which the log has.
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let cause = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(cause, "a request panicked");
    refuse(
        StatusCode::INTERNAL_SERVER_ERROR,
        "The fault is on our side. Try again in a moment.",
    )
}
