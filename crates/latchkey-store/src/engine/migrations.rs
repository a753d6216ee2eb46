//! The migrations of the tables. Most are one SQL file for both engines; the others have one file per engine. The applied
//! migrations are recorded in a table of our own, so that an app can run its own migrations on the same database.

use sqlx::migrate::{MigrateError, Migration, Migrator};

use crate::StoreError;

static BOTH: Migrator = sqlx::migrate!("./migrations");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// The table that records the applied migrations.
pub const TABLE: &str = "_latchkey_migrations";

/// The former name of the same table: sqlx's default name, used by the first versions.
pub const FORMER_TABLE: &str = "_sqlx_migrations";

/// Renames the former table to its current name.
pub const RENAME: &str = "ALTER TABLE _sqlx_migrations RENAME TO _latchkey_migrations";

/// Reads the applied migrations from the current table.
pub const APPLIED: &str = "SELECT version, checksum FROM _latchkey_migrations WHERE success";

/// Reads the applied migrations from a table with the former name, whichever program created it.
pub const FORMERLY_APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// An applied migration: its version and checksum.
pub type Applied = (i64, Vec<u8>);

/// Returns the migrations for SQLite.
pub fn sqlite() -> Migrator {
    with(&SQLITE)
}

/// Returns the migrations for PostgreSQL.
pub fn postgres() -> Migrator {
    with(&POSTGRES)
}

/// Returns whether a table with the former name is ours and not an app's: ours records our first migration.
pub fn are_ours(steps: &Migrator, applied: &[Applied]) -> bool {
    let first = steps.iter().min_by_key(|step| step.version);
    first.is_some_and(|first| {
        applied
            .iter()
            .any(|(version, checksum)| *version == first.version && *checksum == *first.checksum)
    })
}

/// Returns how many migrations a database still needs, given the applied ones. Fails when one of those belongs to a newer version
/// or to another program.
pub fn pending(steps: &Migrator, applied: &[Applied]) -> Result<usize, StoreError> {
    for (version, checksum) in applied {
        match steps.iter().find(|step| step.version == *version) {
            None => return Err(error(MigrateError::VersionMissing(*version))),
            Some(step) if *step.checksum != **checksum => return Err(error(MigrateError::VersionMismatch(*version))),
            Some(_) => {}
        }
    }
    Ok(steps.iter().count() - applied.len())
}

/// Converts an error of sqlx into a sentence for the operator.
pub fn error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => StoreError::Migration(format!(
            "the database was made by a newer version of this program (its migration {version} is unknown here); install that version or a later one"
        )),
        MigrateError::VersionMismatch(version) => StoreError::Migration(format!(
            "the database's migration {version} is not this program's; it belongs to another program or to a build of your own"
        )),
        other => StoreError::Migration(format!("the tables could not be brought up to date: {other}")),
    }
}

fn with(own: &Migrator) -> Migrator {
    let steps: Vec<Migration> = BOTH.iter().chain(own.iter()).cloned().collect();
    let mut migrator = Migrator::with_migrations(steps);
    migrator.dangerous_set_table_name(TABLE);
    migrator
}
