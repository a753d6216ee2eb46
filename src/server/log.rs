//! Logging.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use http::{Request, Response};
use ipnet::IpNet;
use tracing::{Span, field};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;
use uuid::Uuid;

use super::config::{ConfigError, Settings};
use super::peer;

/// Starts logging to standard error, for people on a terminal and as JSON elsewhere.
///
/// # Errors
/// When a setting cannot be used.
pub fn start(settings: &Settings) -> Result<(), ConfigError> {
    let text = settings.log.as_deref().unwrap_or("info");
    let filter = EnvFilter::builder().parse(text).map_err(|_| ConfigError {
        variable: "LATCHKEY_LOG",
        reason: format!("\"{text}\" is not a filter; write error, warn, info, debug or trace"),
    })?;
    let pretty = match settings.log_format.as_deref() {
        None => stderr().is_terminal(),
        Some("pretty") => true,
        Some("json") => false,
        Some(other) => {
            return Err(ConfigError {
                variable: "LATCHKEY_LOG_FORMAT",
                reason: format!("\"{other}\" is neither pretty nor json"),
            });
        }
    };
    let layer = fmt::layer().with_writer(stderr);
    let layer = if pretty {
        layer.with_ansi(stderr().is_terminal()).boxed()
    } else {
        layer.json().boxed()
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}

/// What every line about a request says of it: an id of its own, and the path without its query, which may hold what is
/// nobody's business.
pub fn request_span<B>(trusted_proxies: &[IpNet], request: &Request<B>) -> Span {
    let client = peer::address(trusted_proxies, request.headers(), request.extensions());
    tracing::info_span!(
        "request",
        id = %Uuid::now_v7(),
        client = client.map(field::display),
        method = %request.method(),
        path = request.uri().path()
    )
}

/// One line for each answer: for those who want them, and, where somebody was refused, for whoever looks for attacks
/// (ASVS 16.3.2).
pub fn answered<B>(response: &Response<B>, took: Duration, _: &Span) {
    let (status, microseconds) = (response.status(), took.as_micros());
    match status.as_u16() {
        401 | 403 | 421 | 429 | 503 => tracing::info!(status = status.as_u16(), microseconds, "refused"),
        _ => tracing::debug!(status = status.as_u16(), microseconds, "answered"),
    }
}
