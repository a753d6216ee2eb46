//! The files of a SQLite database: their permissions, which commands create or change them, and what happens when another file
//! replaces the database.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::support::{Installation, PASSWORD, Server, error, free_port, text, within};

const DATABASE: &str = "data/latchkey.db";

impl Installation {
    fn database(&self) -> PathBuf {
        self.path().join(DATABASE)
    }

    /// Returns the names and contents of all files in the directory. The contents of the WAL index (`-shm`) are left out, because
    /// readers change it too.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut directories = vec![self.path().to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path.clone());
                    found.push((path, Vec::new()));
                } else if path.to_string_lossy().ends_with("-shm") {
                    found.push((path, Vec::new()));
                } else {
                    let content = fs::read(&path).expect("read");
                    found.push((path, content));
                }
            }
        }
        found.sort();
        found
    }

    /// Starts the server and asserts that it refuses to start. Returns the error.
    fn refused_start(&self) -> String {
        let mut start = self
            .command(&["serve"])
            .env("LATCHKEY_ADDR", format!("127.0.0.1:{}", free_port()))
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let deadline = Instant::now() + Duration::from_mins(1);
        while start.try_wait().expect("the process can be queried").is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = start.try_wait().expect("the process can be queried").is_some();
        if !ended {
            start.kill().expect("killed");
        }
        let output = start.wait_with_output().expect("the command ran");
        let said = error(&output);
        assert!(ended && !output.status.success(), "the start is not refused: {said}");
        said
    }
}

/// Runs a statement on a database file.
fn execute(file: &Path, statement: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(file).connect().await.expect("opened");
        connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await
            .expect("the statement ran");
        connection.close().await.expect("closed");
    });
}

/// Returns the root pages of the table of accounts and of its indexes.
fn pages_of_users(file: &Path) -> Vec<usize> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut connection = SqliteConnectOptions::new().filename(file).connect().await.expect("opened");
        let pages: Vec<(i64,)> = sqlx::query_as("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'users'")
            .fetch_all(&mut connection)
            .await
            .expect("pages");
        connection.close().await.expect("closed");
        pages.into_iter().map(|(page,)| usize::try_from(page).expect("a page")).collect()
    })
}

/// Makes the database look as if the last migration had not been applied.
fn make_older(database: &Path) {
    execute(
        database,
        "DELETE FROM _latchkey_migrations WHERE version = (SELECT MAX(version) FROM _latchkey_migrations)",
    );
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o777
}

fn sign_in(server: &Server) -> u16 {
    server.post("/token", &[("username", "ada"), ("password", PASSWORD)]).0
}

fn is_ready(server: &Server) -> u16 {
    server.ask("GET", "/health/ready", &[], "").0
}

#[test]
fn only_the_owner_may_open_the_database_files_whatever_the_directory_mode_and_umask() {
    let here = Installation::new();
    let data = here.path().join("data");
    fs::create_dir(&data).expect("the directory is created");
    fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("the permissions are set");
    let server = here.serve_within("umask 0", &[]);
    assert_eq!(sign_in(&server), 400);
    let files = ["", "-wal", "-shm", "-lock"].map(|suffix| here.path().join(format!("{DATABASE}{suffix}")));
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    for file in &files {
        fs::set_permissions(file, Permissions::from_mode(0o644)).expect("the permissions are set");
    }
    server.kill();
    let _server = here.serve_within("umask 0", &[]);
    for file in &files {
        assert_eq!(mode(file), 0o600, "{} that existed before", file.display());
    }
}

#[test]
fn a_lock_that_is_never_released_stops_the_start_with_a_one_line_error() {
    let here = Installation::new();
    here.add("ada");
    let lock = File::options()
        .write(true)
        .open(here.path().join("data/latchkey.db-lock"))
        .expect("a lock file");
    lock.lock().expect("locked");
    let said = here.refused_start();
    assert!(said.contains("latchkey.db-lock: another program keeps it locked"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    lock.unlock().expect("unlocked");
    assert!(here.run(&["user", "list"]).status.success());
}

#[test]
fn commands_that_need_a_database_create_no_files_if_there_is_none() {
    for command in [
        &["user", "list"][..],
        &["user", "show", "ada"],
        &["user", "disable", "ada"],
        &["user", "enable", "ada"],
        &["user", "end-sessions", "ada"],
        &["user", "end-sessions", "--all"],
        &["user", "remove", "ada"],
        &["user", "set-role", "ada", "admin"],
        &["user", "set-password", "ada", "--password-stdin"],
        &["backup", "copy.db"],
        &["restore", "copy.db"],
        &["move", "--from", "sqlite:data/latchkey.db", "--to", "sqlite:other.db"],
        &["check"],
    ] {
        let here = Installation::new();
        let output = here.run(command);
        if command == ["check"] {
            assert!(
                output.status.success() && text(&output).contains("no database yet"),
                "{}",
                text(&output)
            );
        } else if command[0] != "move" && command[0] != "restore" {
            assert!(error(&output).contains("no database yet"), "{command:?}: {}", error(&output));
        }
        assert_eq!(output.status.code(), Some(i32::from(command != ["check"])), "{command:?}");
        assert_eq!(here.everything(), [], "{command:?}");
    }
}

#[test]
fn adding_the_first_account_creates_a_database_with_the_current_schema() {
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let csv = format!("username,email,password_hash\nada,,{bcrypt}\n");
    for (command, input) in [
        (&["user", "add", "ada", "--password-stdin"][..], PASSWORD),
        (&["user", "import", "users.csv"], ""),
    ] {
        let here = Installation::new();
        fs::write(here.path().join("users.csv"), &csv).expect("written");
        let output = here.run_with_input(command, input);
        assert!(output.status.success(), "{}", error(&output));
        let check = here.run(&["check"]);
        assert!(
            check.status.success() && text(&check).contains("database       good"),
            "{}",
            error(&check)
        );
    }
}

#[test]
fn only_the_server_migrates_an_older_database() {
    let here = Installation::new();
    here.add("ada");
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    fs::write(
        here.path().join("users.csv"),
        format!("username,email,password_hash\ngrace,,{bcrypt}\n"),
    )
    .expect("written");
    make_older(&here.database());
    let before = here.everything();
    for command in [
        &["check"][..],
        &["user", "list"],
        &["user", "show", "ada"],
        &["user", "disable", "ada"],
        &["user", "end-sessions", "--all"],
        &["user", "add", "grace", "--password-stdin"],
        &["user", "import", "users.csv"],
        &["backup", "copy.db"],
        &["move", "--from", "sqlite:data/latchkey.db", "--to", "sqlite:other.db"],
    ] {
        let output = here.run_with_input(command, PASSWORD);
        assert!(
            error(&output).contains("Start the server once to update the database."),
            "{command:?}: {} {}",
            text(&output),
            error(&output)
        );
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert_eq!(here.everything(), before, "{command:?}");
    }
}

#[test]
fn check_changes_no_file_while_a_server_runs_and_after_a_crash() {
    let here = Installation::new();
    here.add("ada");
    let before = here.everything();
    let check = || {
        let output = here.run(&["check"]);
        assert!(
            output.status.success() && text(&output).contains("database       good"),
            "{}",
            error(&output)
        );
        text(&output)
    };
    check();
    assert_eq!(here.everything(), before, "after a clean stop");
    let server = here.serve(&[]);
    assert_eq!(sign_in(&server), 200);
    let names = |everything: Vec<(PathBuf, Vec<u8>)>| -> Vec<PathBuf> { everything.into_iter().map(|(path, _)| path).collect() };
    let beside = names(here.everything());
    check();
    assert_eq!(names(here.everything()), beside, "beside a server");
    server.kill();
    let before = here.everything();
    check();
    assert_eq!(here.everything(), before, "after a crash");
    fs::remove_file(here.path().join("data/secret")).expect("removed");
    assert!(check().contains("secret         missing"));
    let listed = here.run(&["user", "list"]);
    assert!(
        !listed.status.success() && error(&listed).contains("the secret of this database is missing"),
        "{}",
        error(&listed)
    );
    assert!(!here.path().join("data/secret").exists());
}

#[test]
fn a_backup_moved_over_the_database_of_a_running_server_is_not_damaged_by_the_wal() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    assert!(here.run(&["backup", "copy.db"]).status.success());
    let copy = fs::read(here.path().join("copy.db")).expect("read");
    for _ in 0..5 {
        assert_eq!(sign_in(&server), 200);
    }
    fs::rename(here.path().join("copy.db"), here.database()).expect("moved");
    within(Duration::from_secs(10), "the server is not ready", || is_ready(&server) == 503);
    assert_eq!(sign_in(&server), 503);
    let disabled = here.run(&["user", "disable", "ada"]);
    assert!(!disabled.status.success(), "a disabled account would keep its sessions");
    server.stop();

    let said = here.refused_start();
    assert!(
        said.contains("belongs to another database file") && said.contains("latchkey restore"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    for command in [&["user", "list"][..], &["check"], &["backup", "another.db"]] {
        let output = here.run(command);
        assert!(
            error(&output).contains("belongs to another database file"),
            "{command:?}: {}",
            error(&output)
        );
    }
    assert_eq!(fs::read(here.database()).expect("read"), copy, "the backup is unchanged");

    fs::rename(here.database(), here.path().join("copy.db")).expect("moved");
    assert!(
        here.refused_start().contains("belongs to another database file"),
        "no new database is created beside the WAL"
    );
    let restored = here.run(&["restore", "copy.db"]);
    assert!(restored.status.success(), "{}", error(&restored));
    let server = here.serve(&[]);
    assert_eq!((sign_in(&server), is_ready(&server)), (200, 200));
}

#[test]
fn a_backup_copied_over_the_database_after_a_crash_is_not_damaged_by_the_wal() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    assert!(here.run(&["backup", "copy.db"]).status.success());
    for _ in 0..5 {
        assert_eq!(sign_in(&server), 200);
    }
    server.kill();
    fs::copy(here.path().join("copy.db"), here.database()).expect("copied");
    let said = here.refused_start();
    assert!(said.contains("belongs to another database file"), "{said}");
    assert_eq!(
        fs::read(here.database()).expect("read"),
        fs::read(here.path().join("copy.db")).expect("read")
    );
    assert!(here.run(&["restore", "copy.db"]).status.success());
    assert_eq!(sign_in(&here.serve(&[])), 200);
}

#[test]
fn the_wal_of_the_database_is_applied_after_a_crash() {
    let here = Installation::new();
    here.add("ada");
    for _ in 0..2 {
        let server = here.serve(&[]);
        let tokens = server.grant("ada");
        server.kill();
        let server = here.serve(&[]);
        assert_eq!(server.protected(&tokens.access), 200);
        server.kill();
    }
    assert!(here.run(&["user", "list"]).status.success());
}

#[test]
fn a_file_copied_over_the_database_of_a_running_server_is_detected_and_not_changed() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[("LATCHKEY_REVOCATION_LAG", "1s")]);
    assert!(here.run(&["backup", "copy.db"]).status.success());
    let tokens = server.grant("ada");
    let copy = fs::read(here.path().join("copy.db")).expect("read");
    fs::copy(here.path().join("copy.db"), here.database()).expect("copied");
    within(Duration::from_secs(10), "the server is not ready", || is_ready(&server) == 503);
    assert_eq!(sign_in(&server), 503);
    within(Duration::from_secs(10), "tokens are answered with 503", || {
        server.protected(&tokens.access) == 503
    });
    let disabled = here.run(&["user", "disable", "ada"]);
    assert!(!disabled.status.success(), "a disabled account would keep its sessions");
    let log = server.stop();
    assert!(log.contains("another file was written over the database"), "{log}");
    assert_eq!(fs::read(here.database()).expect("read"), copy, "nothing was written into the file");
    assert!(here.refused_start().contains("belongs to another database file"));
}

#[test]
fn a_server_whose_accounts_cannot_be_read_is_not_ready() {
    let here = Installation::new();
    here.add("ada");
    let mut bytes = fs::read(here.database()).expect("read");
    for page in pages_of_users(&here.database()) {
        bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
    }
    fs::write(here.database(), bytes).expect("written");
    let server = here.serve(&[]);
    assert_eq!(is_ready(&server), 503);
    assert_eq!(sign_in(&server), 503);
    assert_eq!(is_ready(&server), 503);
}
