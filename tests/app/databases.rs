//! Databases for tests: each test has its own SQLite file, or its own database on a real PostgreSQL server.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

/// The database engine of this test run.
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Reads `TEST_ENGINE`; the default is SQLite.
    pub fn of_this_run() -> Self {
        match std::env::var("TEST_ENGINE").as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite,
            Ok("postgres") => Self::Postgres,
            Ok(other) => panic!("TEST_ENGINE is sqlite or postgres, not {other}"),
        }
    }
}

pub enum Database {
    Sqlite(PathBuf),
    Postgres {
        server: Box<PgConnectOptions>,
        url: String,
        name: String,
    },
}

impl Database {
    pub async fn new(dir: &Path) -> Self {
        match Engine::of_this_run() {
            Engine::Sqlite => Self::sqlite(dir),
            Engine::Postgres => Self::postgres().await,
        }
    }

    /// Returns the SQLite file of a data directory.
    pub fn sqlite(dir: &Path) -> Self {
        Self::Sqlite(dir.join("latchkey.db"))
    }

    /// Creates a database on the server in `TEST_POSTGRES_URL`.
    pub async fn postgres() -> Self {
        let url = std::env::var("TEST_POSTGRES_URL")
            .expect("TEST_POSTGRES_URL is not set: run this by `scripts/postgres with …`, as `make test` does");
        let server = PgConnectOptions::from_str(&url).expect("TEST_POSTGRES_URL is a valid URL");
        let name = format!("latchkey_test_{}", uuid::Uuid::now_v7().simple());
        on_server(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&url).expect("a URL");
        url.set_path(&name);
        Self::Postgres {
            server: Box::new(server),
            url: url.into(),
            name,
        }
    }

    /// Returns the URL that the program is configured with, or `None` for SQLite, which needs none.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { url, .. } => Some(url.clone()),
        }
    }

    /// Makes the database unavailable.
    pub async fn goes_away(&self) {
        match self {
            Self::Sqlite(file) => std::fs::rename(file, file.with_extension("away")).expect("moved"),
            Self::Postgres { server, name, .. } => {
                on_server(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
                let end = format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'");
                on_server(server, &end).await;
            }
        }
    }

    pub async fn comes_back(&self) {
        match self {
            Self::Sqlite(file) => {
                assert!(!file.exists(), "the file was not created again");
                std::fs::rename(file.with_extension("away"), file).expect("moved back");
            }
            Self::Postgres { server, name, .. } => on_server(server, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await,
        }
    }

    /// Returns the number that a query yields, on a connection of its own.
    pub async fn number(&self, question: &str) -> i64 {
        let question = AssertSqlSafe(question.to_owned());
        match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file).read_only(true);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("opened");
                let number = sqlx::query_scalar(question).fetch_one(&mut connection).await.expect("a number");
                connection.close().await.expect("closed");
                number
            }
            Self::Postgres { server, name, .. } => {
                let options = PgConnectOptions::clone(server).database(name);
                let mut connection = PgConnection::connect_with(&options).await.expect("connected");
                let number = sqlx::query_scalar(question).fetch_one(&mut connection).await.expect("a number");
                connection.close().await.expect("closed");
                number
            }
        }
    }

    /// Returns whether a table with this name exists.
    pub async fn has_table(&self, name: &str) -> bool {
        let question = match self {
            Self::Sqlite(_) => format!("SELECT COUNT(*) FROM sqlite_master WHERE name = '{name}'"),
            Self::Postgres { .. } => format!("SELECT COUNT(*) FROM pg_tables WHERE tablename = '{name}'"),
        };
        self.number(&question).await > 0
    }

    /// Runs the migrations of this program as it did when sqlx chose the name of the migration table.
    pub async fn migrate_as_before_the_rename(&self) -> Result<(), MigrateError> {
        let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/latchkey-store/migrations");
        let steps = Migrator::new(steps).await.expect("read");
        match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("opened");
                let done = steps.run(&mut connection).await;
                connection.close().await.expect("closed");
                done
            }
            Self::Postgres { server, name, .. } => {
                let options = PgConnectOptions::clone(server).database(name);
                let mut connection = PgConnection::connect_with(&options).await.expect("connected");
                let done = steps.run(&mut connection).await;
                connection.close().await.expect("closed");
                done
            }
        }
    }

    /// Runs a statement on a connection of its own.
    pub async fn execute(&self, statement: &str) {
        match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("opened");
                connection.execute(AssertSqlSafe(statement.to_owned())).await.expect("done");
                connection.close().await.expect("closed");
            }
            Self::Postgres { server, name, .. } => on_server(&PgConnectOptions::clone(server).database(name), statement).await,
        }
    }
}

impl Database {
    /// Runs a statement on a connection of its own in a transaction that stays open, so that its locks are held.
    pub async fn hold(&self, statement: &str) -> Held {
        match self {
            Self::Sqlite(file) => {
                let options = SqliteConnectOptions::new().filename(file);
                let mut connection = SqliteConnection::connect_with(&options).await.expect("opened");
                connection.execute("BEGIN IMMEDIATE").await.expect("begun");
                connection.execute(AssertSqlSafe(statement.to_owned())).await.expect("done");
                Held::Sqlite(connection)
            }
            Self::Postgres { server, name, .. } => {
                let options = PgConnectOptions::clone(server).database(name);
                let mut connection = PgConnection::connect_with(&options).await.expect("connected");
                connection.execute("BEGIN").await.expect("begun");
                connection.execute(AssertSqlSafe(statement.to_owned())).await.expect("done");
                Held::Postgres(connection)
            }
        }
    }
}

/// A transaction that stays open.
pub enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    /// Rolls the transaction back.
    pub async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.expect("closed"),
            Self::Postgres(mut connection) => {
                connection.execute("ROLLBACK").await.expect("rolled back");
                connection.close().await.expect("closed");
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name, .. } = self else { return };
        let (server, statement) = (server.clone(), format!("DROP DATABASE {name} WITH (FORCE)"));
        // A drop cannot wait on the runtime of the test, so this thread has a runtime of its own.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(on_server(&server, &statement));
        });
        let _ = removed.join();
    }
}

async fn on_server(server: &PgConnectOptions, statement: &str) {
    let mut connection = PgConnection::connect_with(server).await.expect("connected");
    connection.execute(AssertSqlSafe(statement.to_owned())).await.expect("done");
    connection.close().await.expect("closed");
}
