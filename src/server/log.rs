//! Logging.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

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
        layer.with_ansi(stderr().is_terminal()).boxed()
    } else {
        layer.json().boxed()
    };
    tracing_subscriber::registry().with(filter).with(layer).init();
    Ok(())
}
