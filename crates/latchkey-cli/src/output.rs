//! Writes the output of commands. No function panics when the output cannot be written.

use std::fmt;
use std::io::{self, Write};

use latchkey_axum::log;
use latchkey_axum::serve::Failure;

/// Writes a line of the result to standard output.
pub fn line(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    result(write(text))
}

/// Writes what was done to standard output. If that fails, the error repeats what was done.
pub fn done(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    result(write(text)).map_err(|error| format!("{text} {error}").into())
}

/// Writes a note that is not part of the result to standard error.
pub fn note(text: fmt::Arguments<'_>) {
    log::say(&text.to_string());
}

/// Turns the result of a write to standard output into the result of the command. A closed pipe is not a failure, because readers
/// such as `head` stop early.
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
