//! The only parser of form bodies. It is strict, so that an accepted body means the same to every other parser.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use futures_util::StreamExt;
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode;
use tokio::time::timeout;

/// Maximum size of a form body, in bytes. The longest legitimate body contains a long return path and a password of 128 characters
/// with four bytes each, which take twelve bytes percent-encoded.
pub const MAX_BODY: usize = 16 * 1024;

/// Maximum wait for a body.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// The fields of an `application/x-www-form-urlencoded` body. Each name is present once.
#[derive(Debug, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why a body was refused.
#[derive(Debug, PartialEq, Eq)]
pub struct FormError {
    /// The status of the response: 400, 408, 413 or 415.
    pub status: StatusCode,
    /// What is wrong or what to send instead.
    pub sentence: &'static str,
}

const fn refuse(status: StatusCode, sentence: &'static str) -> FormError {
    FormError { status, sentence }
}

impl Form {
    /// Reads and parses the body of a request.
    pub async fn read(request: Request) -> Result<Self, FormError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body).await?;
        Self::parse(&parts.headers, &bytes)
    }

    /// Parses a body. Field names consist of ASCII letters, digits and `_-.`, each name is present at most once, and values are UTF-8.
    /// An empty body without a content type is an empty form.
    pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, FormError> {
        const MALFORMED: FormError = refuse(
            StatusCode::BAD_REQUEST,
            "The form data is malformed: write name=value pairs joined by &, percent-encoded UTF-8.",
        );
        let nothing_sent = body.is_empty() && !headers.contains_key(header::CONTENT_TYPE);
        if !nothing_sent && !is_form(headers) {
            return Err(refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send the fields as application/x-www-form-urlencoded.",
            ));
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = (decode(&pair[..equals]), decode(pair.get(equals + 1..).unwrap_or_default()));
            let (Some(name), Some(value)) = (name, value) else {
                return Err(MALFORMED);
            };
            // Other parsers give characters such as brackets a meaning.
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
                return Err(MALFORMED);
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(refuse(
                    StatusCode::BAD_REQUEST,
                    "A field was sent more than once. Send each field once.",
                ));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// Returns the value of a field if it is present and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

const TOO_LARGE: FormError = refuse(StatusCode::PAYLOAD_TOO_LARGE, "The form data is too large. Send at most 16 KiB.");
const CUT_SHORT: FormError = refuse(StatusCode::BAD_REQUEST, "The form data is incomplete. Send it again.");
const TOO_SLOW: FormError = refuse(StatusCode::REQUEST_TIMEOUT, "The form data did not arrive in time. Send it again.");

/// Reads a body of at most [`MAX_BODY`] bytes. A body with a larger `Content-Length` is not read at all. Compressed bodies are
/// refused.
pub async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, FormError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send the fields uncompressed."));
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(TOO_LARGE);
    }
    timeout(BODY_DEADLINE, copy(body)).await.unwrap_or(Err(TOO_SLOW))
}

/// Copies the parts of a body as they arrive, because even a part of one byte would keep its whole receive buffer in memory.
async fn copy(body: Body) -> Result<Bytes, FormError> {
    let mut whole = Vec::new();
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| CUT_SHORT)?;
        if whole.len() + part.len() > MAX_BODY {
            return Err(TOO_LARGE);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.into())
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).into_iter();
    let (Some(first), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = first.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_form = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_form
        && parts.all(|parameter| {
            parameter.is_empty() || parameter.eq_ignore_ascii_case("charset=utf-8") || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
        })
}

fn decode(encoded: &[u8]) -> Option<String> {
    let whole = encoded
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| encoded.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)));
    if !whole {
        return None;
    }
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_decode(&spaced).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Form, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a type"));
        Form::parse(&headers, body).map_err(|error| error.status.as_u16())
    }

    #[test]
    fn fields_are_decoded() {
        let form = parse(b"username=ada&password=a+b%2B%C3%A9&empty=").expect("good");
        assert_eq!(form.get("username"), Some("ada"));
        assert_eq!(form.get("password"), Some("a b+é"));
        assert_eq!((form.get("empty"), form.get("absent")), (None, None));
    }

    #[test]
    fn malformed_bodies_are_refused() {
        for body in [
            b"a=%".as_slice(),
            b"a=%4",
            b"a=%zz",
            b"a=%ff",
            b"a=\xff",
            b"a=%c0%af",
            b"a=%ed%a0%80",
            b"=x",
            b"a[]=x",
            b"a[b]=x",
            b"%00=x",
        ] {
            assert_eq!(parse(body), Err(400), "{body:?}");
        }
        assert_eq!(parse(b"a=1&a=1"), Err(400));
    }

    #[test]
    fn a_wrong_content_type_is_refused() {
        for (content_type, status) in [
            ("application/json", Some(415)),
            ("text/plain", Some(415)),
            ("multipart/form-data; boundary=x", Some(415)),
            ("application/x-www-form-urlencoded; charset=utf-7", Some(415)),
            ("application/x-www-form-urlencoded; charset=UTF-8", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().expect("a type"));
            assert_eq!(
                Form::parse(&headers, b"a=1").err().map(|error| error.status.as_u16()),
                status,
                "{content_type}"
            );
        }
        assert_eq!(
            Form::parse(&HeaderMap::new(), b"a=1").err().map(|error| error.status.as_u16()),
            Some(415)
        );
        assert!(Form::parse(&HeaderMap::new(), b"").is_ok());
    }
}
