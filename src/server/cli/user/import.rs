//! `latchkey user import`

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use crate::server::accounts::Refusal;
use crate::server::accounts::operate::{self, Imported};
use crate::server::serve::Failure;
use crate::server::state::AppState;

/// Accounts between two words about how far it is.
const STEP: usize = 1000;

/// Takes over what can be, says of each line why it cannot, and can be run again: names that are there already are left alone.
pub async fn run(state: &AppState, file: &Path) -> Result<(), Failure> {
    let cannot = |error: csv::Error| format!("{}: {error}", file.display());
    let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(cannot)?;
    let columns = rows.headers().map_err(cannot)?;
    for column in ["username", "password_hash"] {
        if !columns.iter().any(|name| name == column) {
            return Err(format!(
                "{}: the first line must name the columns username,email,password_hash",
                file.display()
            )
            .into());
        }
    }
    let (mut added, mut refused) = (0, 0);
    for row in rows.into_deserialize::<Imported>() {
        let line = row.as_ref().err().and_then(csv::Error::position).map(csv::Position::line);
        let outcome = match row {
            Ok(account) => operate::import(state, &account).await.map_err(|refusal| match refusal {
                Refusal::Store(error) => Err(error),
                // What a file holds may be meant for the terminal.
                refusal => Ok(format!("{}: {}", account.username.escape_debug(), super::sentence(refusal))),
            }),
            Err(error) => Err(Ok(format!("line {}: {error}", line.unwrap_or_default()))),
        };
        match outcome {
            Ok(_) => added += 1,
            Err(Ok(sentence)) => {
                refused += 1;
                eprintln!("{sentence}");
            }
            Err(Err(error)) => return Err(format!("{added} accounts were added, then: {error}").into()),
        }
        if io::stderr().is_terminal() && (added + refused) % STEP == 0 {
            eprint!("\r{} lines", added + refused);
            io::stderr().flush()?;
        }
    }
    println!("Added {added} accounts.");
    if refused == 0 {
        Ok(())
    } else {
        Err(format!("{refused} lines were left out, for the reasons above").into())
    }
}
