//! `latchkey user list`

use std::io::{self, BufWriter, Write};

use super::{date, output};
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;
use latchkey_store::Account;

/// Accounts read at a time, so that memory use does not grow with the number of accounts.
const PAGE: u32 = 1000;

/// Lists the accounts whose names come after `after`, at most `limit` of them.
pub async fn run(state: &AppState, after: &str, limit: Option<u32>) -> Result<(), Failure> {
    let mut after = after.trim().to_lowercase();
    let mut left = limit;
    loop {
        let asked = left.map_or(PAGE, |left| left.min(PAGE));
        let page = state.store.users_after(&after, asked.into()).await?;
        let printed = print(&page);
        if printed.is_err() {
            return output::result(printed);
        }
        // The last page is the one that is not full.
        let Some(last) = page.get(asked.saturating_sub(1) as usize) else {
            return Ok(());
        };
        after.clone_from(&last.username);
        left = left.map(|left| left - asked);
        if left == Some(0) {
            break;
        }
    }
    if !state.store.users_after(&after, 1).await?.is_empty() {
        // With `=`, because the name may begin with a dash.
        output::note(format_args!("More follow: latchkey user list --after={after}"));
    }
    Ok(())
}

fn print(page: &[Account]) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    for account in page {
        let disabled = if account.disabled_at.is_some() { "disabled" } else { "" };
        let created = date(account.created_at);
        writeln!(out, "{:<32}  {:<5}  {created}  {disabled}", account.username, account.role)?;
    }
    out.flush()
}
