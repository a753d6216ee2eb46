//! The steps that bring the tables up to date: most are one text for both engines, the others have one for each.

use sqlx::migrate::{MigrateError, Migration, Migrator};

use crate::server::store::StoreError;

static BOTH: Migrator = sqlx::migrate!("./migrations");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// Of a SQLite file.
pub fn sqlite() -> Migrator {
    with(&SQLITE)
}

/// Of a PostgreSQL database.
pub fn postgres() -> Migrator {
    with(&POSTGRES)
}

/// How many steps a database still needs, told those that it has had.
///
/// # Errors
/// When it has had one of a newer program.
pub fn pending(steps: &Migrator, applied: &[(i64,)]) -> Result<usize, StoreError> {
    match applied.iter().find(|(version,)| !steps.version_exists(*version)) {
        Some((version,)) => Err(error(MigrateError::VersionMissing(*version))),
        None => Ok(steps.iter().count() - applied.len()),
    }
}

/// As a sentence for the operator.
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
    Migrator::with_migrations(steps)
}
