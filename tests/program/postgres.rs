//! A PostgreSQL server for a single test, which the test can stop and crash.

use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::{Builder, Runtime};

pub struct Postgres {
    dir: String,
    pub url: String,
}

impl Postgres {
    /// Starts a server with an empty database.
    pub fn new() -> Self {
        Self::made(&["new"])
    }

    /// Starts a synchronous standby of this server: this server acknowledges a commit only after the standby has it.
    pub fn standby(&self) -> Self {
        let standby = Self::made(&["standby", &self.dir]);
        for setting in ["synchronous_commit = 'on'", "synchronous_standby_names = '*'"] {
            self.run(&format!("ALTER SYSTEM SET {setting}"));
        }
        self.run("SELECT pg_reload_conf()");
        standby
    }

    /// Promotes this standby to primary.
    pub fn promote(&self) {
        run(&["promote", &self.dir]);
    }

    fn made(arguments: &[&str]) -> Self {
        let output = script(arguments).stderr(Stdio::inherit()).output().expect("the command ran");
        assert!(output.status.success(), "scripts/postgres {arguments:?}");
        let printed = String::from_utf8(output.stdout).expect("UTF-8 text");
        let (dir, url) = printed.trim().split_once('\n').expect("two lines");
        Self {
            dir: dir.to_owned(),
            url: url.to_owned(),
        }
    }

    /// Stops the server. The mode is `fast`, or `immediate`, which is like a crash.
    pub fn stop(&self, mode: &str) {
        run(&["stop", &self.dir, mode]);
    }

    pub fn start(&self) {
        run(&["start", &self.dir]);
    }

    /// Locks a table exclusively until the returned guard is dropped.
    pub fn lock(&self, table: &str) -> Locked {
        let (runtime, connection) = self.run(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
        Locked {
            runtime,
            connection: Some(connection),
        }
    }

    /// Runs SQL statements on a new connection. Returns the connection and its runtime.
    fn run(&self, statements: &str) -> (Runtime, PgConnection) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("connected");
            let statements = AssertSqlSafe(statements.to_owned());
            sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statement ran");
            connection
        });
        (runtime, connection)
    }

    /// Returns the port on which the server listens.
    pub fn port(&self) -> u16 {
        url::Url::parse(&self.url).expect("a URL").port().expect("a port")
    }

    /// Returns the URL of the same database through another port.
    pub fn url_through(&self, port: u16) -> String {
        let mut url = url::Url::parse(&self.url).expect("a URL");
        url.set_port(Some(port)).expect("a port");
        url.into()
    }
}

/// A guard that keeps a table locked.
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
    assert!(
        script(arguments).status().expect("the command ran").success(),
        "scripts/postgres {arguments:?}"
    );
}
