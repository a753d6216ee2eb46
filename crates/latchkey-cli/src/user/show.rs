//! `latchkey user show`

use std::io::{self, Write};

use super::{date, output, unknown};
use latchkey_axum::serve::Failure;
use latchkey_axum::state::AppState;
use latchkey_store::Account;
use latchkey_types::Username;

/// Shows everything about an account except its password.
pub async fn run(state: &AppState, name: &Username) -> Result<(), Failure> {
    let account = state.accounts.find(name).await?.ok_or_else(|| unknown(name))?;
    let sessions = state.store.count_sessions_of(&account.id, state.clock.now()).await?;
    output::result(print(&account, sessions))
}

fn print(account: &Account, sessions: i64) -> io::Result<()> {
    let Account {
        id,
        username,
        role,
        created_at,
        disabled_at,
        ..
    } = account;
    let email = account.shown_email().unwrap_or_else(|| "none".to_owned());
    let created = date(*created_at);
    let disabled = disabled_at.map_or_else(|| "no".to_owned(), |since| format!("since {}", date(since)));
    let shown = format!(
        "name      {username}\nid        {id}\nroles     {role}\nemail     {email}\ncreated   {created}\nsessions  {sessions}\ndisabled  {disabled}\n"
    );
    let mut out = io::stdout().lock();
    out.write_all(shown.as_bytes())?;
    out.flush()
}
