//! A PostgreSQL server of a test's own, to be stopped and crashed.

use std::path::Path;
use std::process::{Command, Stdio};

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
