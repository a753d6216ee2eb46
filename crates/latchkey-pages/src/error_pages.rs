//! Answers to what cannot be done: a page for people, a JSON detail for programs.

use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use leptos::prelude::*;

use super::page::Page;
use super::pages;
use crate::actions;
use latchkey_axum::errors::{RETRY_AFTER, RefusedRequest, detail, wants_page};
use latchkey_axum::flash::Notice;
use latchkey_store::StoreError;

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
        && let Some(form) = actions::page_of_form(&page.0.path)
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

/// Renders the page of a refused request. It says nothing of any visitor.
pub fn refused_request(refused: &RefusedRequest) -> Response {
    page(Page::anonymous(), refused.status, title(refused.status), &refused.sentence)
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
