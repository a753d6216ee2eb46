//! The steps that bring the tables up to date: most are one text for both engines, the others have one for each.

use sqlx::migrate::{MigrateError, Migration, Migrator};

use crate::StoreError;

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

/// What a database says of the steps that it has had.
pub const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success";

/// How many steps a database still needs, told those that it has had and their checksums.
///
/// # Errors
/// When it has had one of a newer program, or of another one.
pub fn pending(steps: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<usize, StoreError> {
    for (version, checksum) in applied {
        match steps.iter().find(|step| step.version == *version) {
            None => return Err(error(MigrateError::VersionMissing(*version))),
            Some(step) if *step.checksum != **checksum => return Err(error(MigrateError::VersionMismatch(*version))),
            Some(_) => {}
        }
    }
    Ok(steps.iter().count() - applied.len())
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
