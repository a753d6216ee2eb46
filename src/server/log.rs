//! Logging.

mod asked;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use http::Response;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{self, format};
use tracing_subscriber::prelude::*;

pub use asked::Asked;

use self::asked::{Json, Pretty};
use super::config::{ConfigError, Settings};

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
        let colours = stderr().is_terminal();
        layer.with_ansi(colours).event_format(Pretty(format().with_ansi(colours))).boxed()
    } else {
        layer.json().event_format(Json(format().json().with_current_span(false))).boxed()
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}

/// One line for each answer: for those who want them, and, where somebody was refused, for whoever looks for attacks
/// (ASVS 16.3.2).
pub fn answered<B>(response: &Response<B>, took: Duration) {
    let (status, microseconds) = (response.status().as_u16(), took.as_micros());
    match status {
        401 | 403 | 421 | 429 | 503 => tracing::info!(status, microseconds, "refused"),
        500.. => tracing::error!(status, microseconds, "response failed"),
        _ => tracing::debug!(status, microseconds, "answered"),
    }
}
