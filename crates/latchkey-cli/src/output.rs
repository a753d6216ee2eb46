//! What commands write. Nothing here panics when it cannot be written.

use std::fmt;
use std::io::{self, Write};

use latchkey_axum::log;
use latchkey_axum::serve::Failure;

/// Writes a line of what was asked for to standard output.
pub fn line(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    result(write(text))
}

/// Says what was done. If that cannot be written, the error says it.
pub fn done(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    result(write(text)).map_err(|error| format!("{text} {error}").into())
}

/// Says something beside the result, on standard error.
pub fn note(text: fmt::Arguments<'_>) {
    log::say(&text.to_string());
}

/// The outcome of writing to standard output. A reader that went away has seen enough, as `head` has: that is no failure.
pub fn result(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("Standard output cannot be written: {error}.").into()),
        _ => Ok(()),
    }
}

fn write(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
