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
use axum::response::{IntoResponse, Redirect, Response};
use http::Uri;
use http::request::Parts;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use axum::Router;
use axum::routing::get;
use latchkey_axum::state::AppState;
use latchkey_types::Next;

/// The addresses of the pages, except `/`.
const ADDRESSES: [&str; 6] = ["/login", "/signup", "/dashboard", "/sessions", "/account", "/docs"];

/// Returns the address of a page if it was requested with a trailing slash.
pub fn without_slash(uri: &Uri) -> Option<String> {
    let page = uri.path().strip_suffix('/').filter(|page| ADDRESSES.contains(page))?;
    // Clients may send bytes outside ASCII, which a header cannot carry.
    let query = uri.query().map(|query| format!("?{}", utf8_percent_encode(query, CONTROLS)));
    Some(format!("{page}{}", query.unwrap_or_default()))
}

/// The query parameter `next`: the page to open after signing in. Other parameters are ignored.
pub struct NextQuery(Next);

impl FromRequestParts<AppState> for NextQuery {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self(
            query_value(parts, "next").map_or_else(Next::default, |asked| Next::parse(&asked)),
        ))
    }
}

/// Returns the value of a query parameter.
pub fn query_value<'q>(parts: &'q Parts, name: &str) -> Option<Cow<'q, str>> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Already signed in: redirects to `next`.
pub fn already_signed_in(next: &Next) -> Response {
    Redirect::to(next.as_str()).into_response()
}

/// The routes of the pages. A protected page takes a `SignedIn` and cannot be rendered without it.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/login", get(log_in))
        .route("/signup", get(sign_up))
        .route("/sessions", get(sessions))
        .route("/account", get(account))
}
