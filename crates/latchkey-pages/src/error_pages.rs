//! Error pages. Programs get JSON instead.

use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use leptos::prelude::*;

use super::page::Page;
use super::pages;
use crate::actions;
use latchkey_axum::errors::{HttpRefusal, RefusedRequest, detail, wants_page};
use latchkey_axum::paths;
use latchkey_axum::state::AppState;
use latchkey_core::accounts::Refusal;

/// Answers a request for an unknown address. A page address with a trailing slash redirects to the page.
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

/// Answers a method that an address does not support. The address of a form, opened in a browser, redirects to the form's page.
pub async fn method_not_allowed(page: Page, method: Method, headers: HeaderMap) -> Response {
    const STATUS: StatusCode = StatusCode::METHOD_NOT_ALLOWED;
    if is_read(&method)
        && wants_page(&headers)
        && let Some(form) = actions::page_of_form(&page.visit.path)
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

/// Renders the page of a refused request. It shows nothing about the visitor.
pub fn refused_request(refused: &RefusedRequest) -> Response {
    page(Page::anonymous(), refused.status, title(refused.status), &refused.sentence)
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Answers when a page cannot be shown. This is the one boundary between rules and pages.
pub fn refused(state: &AppState, page: Page, refusal: &Refusal) -> Response {
    refusal.log();
    if let Refusal::NotSignedIn = refusal {
        return account_gone(state);
    }
    let status = refusal.status();
    let mut response = self::page(page, status, title(status), &refusal.sentence());
    if let Some(when) = refusal.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, when);
    }
    response
}

/// Valid token, deleted account: clears the cookies and redirects to the sign-in page.
fn account_gone(state: &AppState) -> Response {
    let cookies = state.cookies.sign_out().map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookies), Redirect::to(paths::LOG_IN)).into_response()
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "Request blocked",
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
