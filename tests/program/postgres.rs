//! A PostgreSQL server of a test's own, to be stopped and crashed.

use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::{Builder, Runtime};

pub struct Postgres {
    dir: String,
    pub url: String,
}

impl Postgres {
    /// One that runs, with an empty database.
    pub fn new() -> Self {
        Self::made(&["new"])
    }

    /// One that follows this one, and has to have what this one acknowledges.
    pub fn standby(&self) -> Self {
        let standby = Self::made(&["standby", &self.dir]);
        for setting in ["synchronous_commit = 'on'", "synchronous_standby_names = '*'"] {
            self.run(&format!("ALTER SYSTEM SET {setting}"));
        }
        self.run("SELECT pg_reload_conf()");
        standby
    }

    /// Lets one that follows take changes itself.
    pub fn promote(&self) {
        run(&["promote", &self.dir]);
    }

    fn made(arguments: &[&str]) -> Self {
        let output = script(arguments).stderr(Stdio::inherit()).output().expect("ran");
        assert!(output.status.success(), "scripts/postgres {arguments:?}");
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
        let (runtime, connection) = self.run(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        Locked {
            runtime,
            connection: Some(connection),
        }
    }

    /// Runs something on a connection of its own.
    fn run(&self, statements: &str) -> (Runtime, PgConnection) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("connected");
            let statements = AssertSqlSafe(statements.to_owned());
            sqlx::raw_sql(statements).execute(&mut connection).await.expect("done");
            connection
        });
        (runtime, connection)
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
    runtime: Runtime,
    connection: Option<PgConnection>,
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
