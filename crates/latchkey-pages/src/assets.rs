//! Serves the files that pages load. A release build embeds them in the binary under names with a content hash, which clients
//! cache forever. A debug build reads them from the disk for each request.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{Embed, EmbeddedFile};

use latchkey_axum::errors::refuse;

/// The output of `cargo leptos build` from `public/`, `style/` and the islands, with a compressed copy of each file.
#[derive(Embed)]
#[folder = "../../target/site"]
#[allow_missing = true]
struct Files;

/// The plain and the hashed names of the files.
struct Names {
    /// The path of each file, by its plain name.
    urls: HashMap<String, String>,
    /// The plain name of each file, by its hashed name.
    plain: HashMap<String, String>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names {
        urls: HashMap::new(),
        plain: HashMap::new(),
    };
    if cfg!(debug_assertions) {
        return names;
    }
    for plain in Files::iter().filter(|name| compression(name).is_none() && !is_for_developing(name)) {
        if let (Some(file), Some((stem, extension))) = (Files::get(&plain), plain.rsplit_once('.')) {
            let hash: String = file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            let hashed = format!("{stem}.{hash}.{extension}");
            names.urls.insert(plain.to_string(), format!("/assets/{hashed}"));
            names.plain.insert(hashed, plain.to_string());
        }
    }
    names
});

/// Returns the path at which a file such as `pkg/latchkey.css` is served.
pub fn url(name: &str) -> Cow<'static, str> {
    let known = NAMES.urls.get(name).map(|url| Cow::Borrowed(url.as_str()));
    known.unwrap_or_else(|| format!("/assets/{name}").into())
}

/// Returns whether the binary contains the islands. One that plain `cargo build` made does not.
pub fn has_islands() -> bool {
    Files::get("pkg/latchkey.wasm").is_some()
}

/// `GET /assets/{path}`: serves a file by its hashed name, to be cached forever. Debug builds serve plain names too.
pub async fn serve(path: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    find(path.ok(), &headers).unwrap_or_else(|| refuse(StatusCode::NOT_FOUND, "There is no file at this address."))
}

fn find(path: Option<Path<String>>, headers: &HeaderMap) -> Option<Response> {
    let Path(path) = path?;
    let name = match NAMES.plain.get(&path) {
        Some(plain) => plain.as_str(),
        None if cfg!(debug_assertions) => &path,
        None => return None,
    };
    let (file, encoding) = best(name, headers)?;
    let caching = if cfg!(debug_assertions) {
        "no-store"
    } else {
        "public, max-age=31536000, immutable"
    };
    let mut response = Body::from(file.data).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type(name));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Some(response)
}

/// Returns the media type by the extension of the name. Text is UTF-8.
fn content_type(name: &str) -> HeaderValue {
    let mime = mime_guess::from_path(name).first_or_octet_stream();
    let is_text = mime.type_() == mime_guess::mime::TEXT || mime.suffix() == Some(mime_guess::mime::XML);
    let value = if is_text {
        format!("{mime}; charset=utf-8")
    } else {
        mime.to_string()
    };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Returns the smallest encoding of a file that the client accepts.
fn best(name: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
    if compression(name).is_some() {
        return None;
    }
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let compressed = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .filter(|(encoding, _)| accepts(accepted, encoding))
        .find_map(|(encoding, extension)| {
            let file = Files::get(&format!("{name}.{extension}"))?;
            Some((file, Some(encoding)))
        });
    compressed.or_else(|| Some((Files::get(name)?, None)))
}

/// Returns whether only `cargo leptos watch` or a compiler needs this file. A release does not serve it.
fn is_for_developing(name: &str) -> bool {
    name == "reload.js" || name.ends_with(".d.ts")
}

fn compression(name: &str) -> Option<&str> {
    name.rsplit_once('.')
        .map(|(_, extension)| extension)
        .filter(|extension| matches!(*extension, "br" | "gz"))
}

/// Returns whether an `Accept-Encoding` header accepts an encoding by name. `q=0` rejects it (RFC 9110 section 12.5.3).
fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let refused = parts.any(|weight| weight.strip_prefix("q=").is_some_and(|q| q.parse::<f32>() == Ok(0.0)));
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_used_when_it_is_accepted() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("br;q=0.5", "br"));
        assert!(!accepts("br;q=0, gzip", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }

    #[test]
    fn text_says_that_it_is_utf_8() {
        for (name, expected) in [
            ("pkg/latchkey.css", "text/css; charset=utf-8"),
            ("boot.js", "text/javascript; charset=utf-8"),
            ("favicon.svg", "image/svg+xml; charset=utf-8"),
            ("pkg/latchkey.wasm", "application/wasm"),
            ("unknown", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), expected, "{name}");
        }
    }

    #[test]
    fn compressed_files_have_no_address_of_their_own() {
        assert!(best("pkg/latchkey.css.br", &HeaderMap::new()).is_none());
        assert!(best("../../Cargo.toml", &HeaderMap::new()).is_none());
    }
}
