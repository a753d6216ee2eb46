//! One file per page: its handler, then its view.

mod account;
mod log_in;
mod sessions;
mod sign_up;

pub use account::account;
pub use log_in::log_in;
pub use sessions::sessions;
pub use sign_up::sign_up;

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};

use crate::actions::LogIn;
use axum::Router;
use axum::routing::get;
use latchkey_axum::cookie_check;
use latchkey_axum::cookies::CookieKind;
use latchkey_axum::flash::Flash;
use latchkey_axum::state::AppState;
use latchkey_types::Next;

/// The addresses of the pages, `/` aside.
const ADDRESSES: [&str; 6] = ["/login", "/signup", "/dashboard", "/sessions", "/account", "/docs"];

/// Returns the address of a page that was asked for with a slash at its end.
pub fn without_slash(uri: &Uri) -> Option<String> {
    let page = uri.path().strip_suffix('/').filter(|page| ADDRESSES.contains(page))?;
    // Clients may send other bytes than ASCII, which no header can carry.
    let query = uri.query().map(|query| format!("?{}", utf8_percent_encode(query, CONTROLS)));
    Some(format!("{page}{}", query.unwrap_or_default()))
}

/// `?next=`: where signing in leads on to. Anything else in the query is ignored.
pub struct NextQuery(Next);

impl FromRequestParts<AppState> for NextQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self(
            query_value(parts, "next").map_or_else(Next::default, |asked| Next::parse(&asked)),
        ))
    }
}

/// A value of the query, by its name.
pub fn query_value<'q>(parts: &'q Parts, name: &str) -> Option<Cow<'q, str>> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Whoever is signed in already goes where signing in would lead.
pub fn already_signed_in(next: &Next) -> Response {
    Redirect::to(next.as_str()).into_response()
}

/// What the last post had to say to this page.
pub fn flash(state: &AppState, headers: &HeaderMap, page: &str) -> Flash {
    let value = state.cookies.read(headers, CookieKind::Flash);
    value
        .and_then(|value| state.flash.open(value, page, state.clock.now()))
        .unwrap_or_default()
}

/// Once shown, it is gone.
pub fn shown(state: &AppState, flash: &Flash, mut page: Response) -> Response {
    if *flash != Flash::default() {
        page.headers_mut()
            .append(header::SET_COOKIE, state.cookies.clear(CookieKind::Flash));
    }
    page
}

/// Like [`shown`], for the sign-in pages: sees to it that a browser that keeps cookies has one to send with the form.
fn shown_with_probe(state: &AppState, headers: &HeaderMap, flash: &Flash, mut page: Response) -> Response {
    if let Some(cookie) = cookie_check::after_sign_in_page(state, headers, *flash != Flash::default()) {
        page.headers_mut().append(header::SET_COOKIE, cookie);
    }
    page
}

/// Somebody whose account was removed this moment.
pub fn gone(state: &AppState) -> impl IntoResponse + use<> {
    let cookies = state.cookies.sign_out().map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookies), Redirect::to(LogIn::PAGE))
}

/// The routes of the pages. A protected one takes a `SignedIn` and cannot be rendered without.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/login", get(log_in))
        .route("/signup", get(sign_up))
        .route("/sessions", get(sessions))
        .route("/account", get(account))
}
