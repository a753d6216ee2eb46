//! Refuses requests with oversized headers or targets before anything reads them, and requests for which their connection has no
//! room left.

use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::errors::{RETRY_AFTER, detail, refuse, wants_page};

/// Maximum length of path and query, in bytes.
const MAX_TARGET: usize = 8 * 1024;

/// Maximum number of header fields, without cookies.
const MAX_FIELDS: usize = 100;

/// Maximum size of the header, in bytes of names and values, including cookies.
const MAX_HEADER: usize = 16 * 1024;

/// The status for a header above [`MAX_FIELDS`] or [`MAX_HEADER`].
const TOO_LARGE: StatusCode = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;

/// Marks a request, in its extensions, for which its connection has no room left.
#[derive(Clone, Copy)]
pub struct ConnectionIsFull;

/// Refuses a request with 503 if its connection has no room for it, with 414 (RFC 9110 section 15.5.15) if its target is too long,
/// and with 431 (RFC 6585 section 5) if its header is too large. The limits of the connection itself are higher; a request above
/// those is disconnected without a page.
pub fn check(request: &Request) -> Option<Response> {
    let headers = request.headers();
    if request.extensions().get::<ConnectionIsFull>().is_some() {
        return Some(connection_is_full(headers));
    }
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET {
        return Some(refuse(StatusCode::URI_TOO_LONG, "This address is too long. Use a shorter one."));
    }
    // HTTP/2 has a field for each cookie, so only the size of cookies is limited, not their number.
    let (mut others, mut weight, mut cookies_weight) = (0, 0, 0);
    for (name, value) in headers {
        let field = name.as_str().len() + value.len();
        if name == header::COOKIE {
            cookies_weight += field;
        } else {
            others += 1;
            weight += field;
        }
    }
    if others > MAX_FIELDS || weight > MAX_HEADER {
        return Some(refuse(TOO_LARGE, "The headers of this request are too large."));
    }
    if weight + cookies_weight <= MAX_HEADER {
        return None;
    }
    // Another site of the same domain may have set these cookies. Without removing them, the user could no longer sign in.
    let mut response = refuse(
        TOO_LARGE,
        "Your browser sent too many cookies. We removed them. Reload the page, then sign in again.",
    );
    response
        .headers_mut()
        .insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cookies\""));
    Some(response)
}

/// Returns a page of a few bytes, because the server holds the response in memory until the client reads it.
fn connection_is_full(headers: &HeaderMap) -> Response {
    const STATUS: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
    const SENTENCE: &str = "There were too many requests at once on this connection. Try again in a few seconds.";
    if !wants_page(headers) {
        return detail(STATUS, SENTENCE);
    }
    let page =
        format!("<!DOCTYPE html><html lang=\"en\"><title>Too many requests</title><h1>Too many requests</h1><p>{SENTENCE}</p></html>");
    (STATUS, [(header::RETRY_AFTER, RETRY_AFTER)], Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_full_connection_answers_a_browser_with_a_page_and_a_program_with_json() {
        for (accept, content_type) in [("text/html", "text/html"), ("application/json", "application/json")] {
            let request = Request::builder().header(header::ACCEPT, accept).extension(ConnectionIsFull);
            let answer = check(&request.body(Body::empty()).expect("a request")).expect("refused");
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], RETRY_AFTER);
            let sent = answer.headers()[header::CONTENT_TYPE].to_str().expect("text");
            assert!(sent.starts_with(content_type), "{sent}");
        }
    }
}
