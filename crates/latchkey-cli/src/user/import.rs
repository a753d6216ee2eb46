//! `latchkey user import`

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use csv::StringRecord;

use super::output;
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;
use latchkey_core::accounts::Refusal;
use latchkey_core::accounts::admin::Imported;

/// Lines between two updates of the progress.
const STEP: usize = 1000;

/// Printed after each import, because a hash does not show how long its password is.
const LONG_PASSWORDS: &str =
    "Imported passwords of more than 128 characters do not work here: set new ones with `latchkey user set-password`.";

/// Imports every valid line and prints why each other line was skipped. It can be repeated, because existing names are skipped.
pub async fn run(state: &AppState, file: &Path) -> Result<(), Failure> {
    let cannot = |error: csv::Error| format!("{}: {error}", file.display());
    // Flexible, because the reader's own error for a line with more or fewer columns does not say what to do.
    let mut reader = csv::ReaderBuilder::new();
    let mut rows = reader.trim(csv::Trim::All).flexible(true).from_path(file).map_err(cannot)?;
    let columns = rows.headers().map_err(cannot)?.clone();
    check_columns(&columns).map_err(|reason| format!("{}: {reason}", file.display()))?;
    let is_first = state.store.never_had_an_account().await?;
    let (mut added, mut refused) = (0, 0);
    let mut failed = None;
    for row in rows.records() {
        match take(state, &columns, row).await {
            Ok(()) => added += 1,
            Err(LeftOut::Line(sentence)) => {
                refused += 1;
                output::note(format_args!("{sentence}"));
            }
            Err(LeftOut::Stop(error)) => {
                failed = Some(error);
                break;
            }
        }
        if io::stderr().is_terminal() && (added + refused) % STEP == 0 {
            // This is only progress output: ignore errors.
            let _ = write!(io::stderr(), "\r{} lines", added + refused);
        }
    }
    let printed = output::done(format_args!("Added {added} {}.", if added == 1 { "account" } else { "accounts" }));
    if added > 0 {
        output::note(format_args!("{LONG_PASSWORDS}"));
    }
    if is_first && added > 0 {
        output::note(format_args!(
            "None of them is an administrator: make one with `latchkey user set-role NAME admin`."
        ));
    }
    match (failed, refused) {
        (Some(error), _) => Err(format!("the import stopped: {error}; fix the problem, then run the import again").into()),
        (None, 0) => printed,
        (None, 1) => Err("1 line was skipped, for the reason above".into()),
        (None, refused) => Err(format!("{refused} lines were skipped, for the reasons above").into()),
    }
}

/// Why a line added no account.
enum LeftOut {
    /// The line is invalid. The import continues with the next one.
    Line(String),
    /// The database cannot be used. The import stops.
    Stop(Failure),
}

async fn take(state: &AppState, columns: &StringRecord, row: csv::Result<StringRecord>) -> Result<(), LeftOut> {
    let row = row.map_err(|error| {
        let line = error.position().map(csv::Position::line).unwrap_or_default();
        LeftOut::Line(format!("line {line}: {error}"))
    })?;
    let line = row.position().map(csv::Position::line).unwrap_or_default();
    check_row(columns, &row).map_err(|reason| LeftOut::Line(format!("line {line}: {reason}")))?;
    let account: Imported = row
        .deserialize(Some(columns))
        .map_err(|error| LeftOut::Line(format!("line {line}: {error}")))?;
    match state.accounts.import(&account).await {
        Ok(_) => Ok(()),
        Err(Refusal::Store(error)) => Err(LeftOut::Stop(error.into())),
        // Escape the name, because it may contain control sequences for the terminal.
        Err(refusal) => Err(LeftOut::Line(format!(
            "line {line}: {}: {}",
            account.username.escape_debug(),
            super::sentence(refusal)
        ))),
    }
}

fn check_columns(columns: &StringRecord) -> Result<(), &'static str> {
    check_separator(columns)?;
    if ["username", "password_hash"]
        .into_iter()
        .all(|column| columns.iter().any(|name| name == column))
    {
        return Ok(());
    }
    Err("the first line must name the columns username,email,password_hash")
}

/// Checks the number of columns. The error never repeats the line, because it contains a hash.
fn check_row(columns: &StringRecord, row: &StringRecord) -> Result<(), String> {
    check_separator(row)?;
    if row.len() == columns.len() {
        return Ok(());
    }
    // Argon2 hashes contain commas.
    if row.len() > columns.len() && row.iter().any(|field| field.starts_with("$argon2")) {
        return Err("the hash contains commas: put it in double quotes".to_owned());
    }
    Err(format!(
        "the first line names {} columns, but this line has {}",
        columns.len(),
        row.len()
    ))
}

/// Rejects other separators than commas. The first column is a name, which cannot contain them.
fn check_separator(row: &StringRecord) -> Result<(), &'static str> {
    match row.get(0) {
        Some(first) if first.contains(';') => Err("the columns are separated by semicolons: use commas"),
        Some(first) if first.contains('\t') => Err("the columns are separated by tabs: use commas"),
        _ => Ok(()),
    }
}
