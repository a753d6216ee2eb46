//! A PostgreSQL server of a test's own, to be stopped and crashed.

use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{AssertSqlSafe, Connection};

pub struct Postgres {
    dir: String,
    pub url: String,
}

impl Postgres {
    /// One that runs, with an empty database.
    pub fn new() -> Self {
        let output = script(&["new"]).stderr(Stdio::inherit()).output().expect("ran");
        assert!(output.status.success(), "scripts/postgres new");
        let printed = String::from_utf8(output.stdout).expect("text");
        let (dir, url) = printed.trim().split_once('\n').expect("two lines");
        Self {
            dir: dir.to_owned(),
            url: url.to_owned(),
        }
    }

    /// Stops it: `fast`, or `immediate`, which is a crash.
    pub fn stop(&self, mode: &str) {
        run(&["stop", &self.dir, mode]);
    }

    pub fn start(&self) {
        run(&["start", &self.dir]);
    }

    /// Keeps everybody from a table until what this gives is dropped.
    pub fn lock(&self, table: &str) -> Locked {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let connection = runtime.block_on(async {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.expect("connected");
            let lock = AssertSqlSafe(format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
            sqlx::raw_sql(lock).execute(&mut connection).await.expect("locked");
            connection
        });
        Locked {
            runtime,
            connection: Some(connection),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        url::Url::parse(&self.url).expect("a URL").port().expect("a port")
    }

    /// The same database, reached through another port.
    pub fn url_through(&self, port: u16) -> String {
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_port(Some(port)).expect("a port");
        url.into()
    }
}

/// A table that somebody keeps.
pub struct Locked {
    runtime: tokio::runtime::Runtime,
    connection: Option<sqlx::PgConnection>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = script(&["remove", &self.dir]).status();
    }
}

fn script(arguments: &[&str]) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres"));
    script.args(arguments).stdin(Stdio::null());
    script
}

fn run(arguments: &[&str]) {
    assert!(script(arguments).status().expect("ran").success(), "scripts/postgres {arguments:?}");
}
