//! Answers to what cannot be done: a page for people, a JSON detail for programs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use leptos::prelude::*;

use super::page::Page;
use super::pages;
use crate::api;
use crate::server::errors::{RETRY_AFTER, detail};
use crate::server::flash::Notice;
use latchkey_store::StoreError;

/// Whether the client shows pages: a browser says `text/html`, programs do not.
pub fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// Refuses a request, whoever made it.
pub fn refuse(headers: &HeaderMap, status: StatusCode, sentence: &str) -> Response {
    if wants_page(headers) {
        page(Page::for_nobody(), status, title(status), sentence)
    } else {
        detail(status, sentence)
    }
}

/// No such address. One of a page with a slash at its end leads to the page.
pub async fn not_found(page: Page, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    const SENTENCE: &str = "There is no page at this address.";
    if is_read(&method)
        && let Some(address) = pages::without_slash(&uri)
    {
        return Redirect::permanent(&address).into_response();
    }
    if wants_page(&headers) {
        self::page(page, StatusCode::NOT_FOUND, "Page not found", SENTENCE)
    } else {
        detail(StatusCode::NOT_FOUND, "Not Found")
    }
}

/// The address is there, and does something else. Opened in a browser, the address of a form leads to its page.
pub async fn method_not_allowed(page: Page, method: Method, headers: HeaderMap) -> Response {
    const STATUS: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
    if is_read(&method)
        && wants_page(&headers)
        && let Some(form) = api::page_of_form(&page.path)
    {
        return Redirect::to(form).into_response();
    }
    if wants_page(&headers) {
        self::page(
            page,
            STATUS,
            "This cannot be done here",
            &format!("This address does not take {method} requests."),
        )
    } else {
        detail(STATUS, "Method Not Allowed")
    }
}

/// A fault of ours: said without a word about its cause, which the log has.
pub fn panicked(wants_page: bool, cause: Box<dyn Any + Send>) -> Response {
    const STATUS: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
    const SENTENCE: &str = "The fault is on our side. Try again in a moment.";
    let cause = cause
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    tracing::error!(cause, "a request panicked");
    // The fault may lie in what renders pages.
    let rendered = wants_page.then(|| catch_unwind(AssertUnwindSafe(|| page(Page::for_nobody(), STATUS, title(STATUS), SENTENCE))));
    match rendered {
        Some(Ok(page)) => page,
        Some(Err(_)) | None => detail(STATUS, SENTENCE),
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// The page for a database that is away.
pub fn unavailable(page: Page, error: &StoreError) -> Response {
    tracing::error!(%error, "the database refused");
    let mut response = self::page(
        page,
        StatusCode::SERVICE_UNAVAILABLE,
        "Something went wrong",
        &Notice::Unavailable.sentence(),
    );
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

/// The page for a visitor of whom it cannot be told who it is.
pub fn cannot_tell(headers: &HeaderMap) -> Response {
    let mut response = refuse(headers, StatusCode::SERVICE_UNAVAILABLE, &Notice::Unavailable.sentence());
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Nothing was done",
        StatusCode::NOT_FOUND => "Page not found",
        StatusCode::MISDIRECTED_REQUEST => "Wrong address",
        status if status.is_client_error() => "This cannot be done",
        _ => "Something went wrong",
    }
}

fn page(page: Page, status: StatusCode, title: &'static str, sentence: &str) -> Response {
    let sentence = sentence.to_owned();
    let view = move || {
        view! {
            <h1>{title}</h1>
            <p class="lead">{sentence}</p>
            <p>
                <a href="/">"Go to the home page"</a>
            </p>
        }
    };
    (status, page.public(title, view)).into_response()
}
