//! Logs to standard error. Callers never wait for the reader (`queue.rs`), and no client can fill the log (`limit.rs`).

mod limit;
mod queue;

use std::io::{IsTerminal, Write, stderr};
use std::panic;
use std::sync::OnceLock;
use std::time::Instant;

use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use self::limit::{Limit, Suppressed, WINDOW};
use self::queue::Queue;
use super::config::settings::{self, LogFormat};
use super::config::{ConfigError, Settings};

/// The log of this process. It is global because the tracing subscriber that writes to it is global too.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    queue: Queue,
    limit: Limit,
}

/// Starts logging to standard error: by default as text on a terminal and as JSON elsewhere. Fails if a setting is invalid.
pub fn start(settings: &Settings) -> Result<(), ConfigError> {
    let filter = settings::LOG.required(settings)?;
    let pretty = match settings::LOG_FORMAT.optional(settings)? {
        None => stderr().is_terminal(),
        Some(format) => format == LogFormat::Pretty,
    };
    let log = LOG.get_or_init(|| Log {
        queue: Queue::new(stderr()),
        limit: Limit::new(Instant::now()),
    });
    let layer = fmt::layer().with_writer(log.queue.writer()).log_internal_errors(false);
    let layer = if pretty {
        layer.with_ansi(stderr().is_terminal()).boxed()
    } else {
        layer.json().with_current_span(true).with_span_list(false).boxed()
    };
    tracing_subscriber::registry().with(filter).with(layer).with(&log.limit).init();
    log_panics();
    Ok(())
}

/// Logs panics through the queue. The default hook writes to standard error directly and waits for its reader.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let cause = panic.payload_as_str().unwrap_or("unknown");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(cause, location, "panicked");
    }));
}

/// Writes a plain text line to standard error. After [`start`], the line goes through the queue and this does not block.
pub fn say(line: &str) {
    let line = format!("{line}\n");
    // If standard error fails, there is no other place to report that.
    let _ = match LOG.get() {
        Some(log) => log.queue.writer().write_all(line.as_bytes()),
        None => stderr().write_all(line.as_bytes()),
    };
}

/// Logs once a minute which lines were suppressed. Never returns.
pub async fn keep_reporting() {
    let Some(log) = LOG.get() else { return };
    let mut minutes = tokio::time::interval(WINDOW);
    loop {
        minutes.tick().await;
        report(&log.limit.report(Instant::now()));
    }
}

fn report(suppressed: &[Suppressed]) {
    for Suppressed { message, client, lines } in suppressed {
        let client = client.map_or_else(|| "others".to_owned(), |client| client.to_string());
        tracing::warn!(suppressed = message, client, lines, "repeated log lines were suppressed");
    }
}

/// Writes the lines that are left in the queue, within two seconds. Later lines are dropped.
pub fn finish() {
    if let Some(log) = LOG.get() {
        report(&log.limit.last_report(Instant::now()));
        log.queue.finish();
    }
}

/// Returns the number of lines that were lost because standard error was too slow or full.
pub fn dropped_lines() -> u64 {
    LOG.get().map_or(0, |log| log.queue.dropped())
}

/// Returns the number of lines that were not written because the limit for their kind was reached.
pub fn suppressed_lines() -> u64 {
    LOG.get().map_or(0, |log| log.limit.suppressed())
}
