//! `latchkey move` between a SQLite file and a PostgreSQL database: it moves everything or nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use latchkey_core::secret;
use latchkey_store::transfer::{Column, Moved, Progress, TransferError, tables};
use latchkey_store::{DatabaseUrl, Store, transfer};
use latchkey_types::Username;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row};
use tempfile::TempDir;

use crate::databases::Database;
use crate::support::{CHEAP, TestApp, Tokens};

/// Columns and tables that are not moved: columns that each database fills by itself, and tables without data of this program.
const NOT_MOVED: [&str; 4] = ["seq", "written_by", "_latchkey_migrations", "sqlite_sequence"];

/// Every table with its rows, each row as one string.
type Dump = BTreeMap<String, Vec<String>>;

impl Database {
    fn parsed(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.as_text()).expect("a URL")
    }

    /// Returns the URL as it is given to the command.
    fn as_text(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// Returns the rows that a query yields, each as a list of strings.
    async fn rows(&self, statement: &str) -> Vec<Vec<String>> {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(file) => {
                let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file))
                    .await
                    .expect("opened");
                let rows = sqlx::query(statement).fetch_all(&mut connection).await.expect("rows");
                connection.close().await.expect("closed");
                let texts = |row: &SqliteRow| (0..row.len()).map(|column| row.get(column)).collect();
                rows.iter().map(texts).collect()
            }
            Self::Postgres { server, name, .. } => {
                let options = PgConnectOptions::clone(server).database(name);
                let mut connection = PgConnection::connect_with(&options).await.expect("connected");
                let rows = sqlx::query(statement).fetch_all(&mut connection).await.expect("rows");
                connection.close().await.expect("closed");
                let texts = |row: &PgRow| (0..row.len()).map(|column| row.get(column)).collect();
                rows.iter().map(texts).collect()
            }
        }
    }

    async fn count(&self, table: &str) -> usize {
        let rows = self.rows(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
        rows[0][0].parse().expect("a number")
    }

    /// Returns the tables and columns with their types, from the catalog of the database.
    async fn schema(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let statement = match self {
            Self::Sqlite(_) => {
                "SELECT m.name, c.name, LOWER(c.type) FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
            }
            Self::Postgres { .. } => {
                "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'public'"
            }
        };
        let mut tables: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for row in self.rows(statement).await {
            let [table, column, kind] = row.try_into().expect("three columns");
            if !NOT_MOVED.contains(&table.as_str()) && !NOT_MOVED.contains(&column.as_str()) {
                tables.entry(table).or_default().insert(column, kind);
            }
        }
        tables
    }

    /// Returns all rows except the mark of a move. It uses the database's own list of columns, not the program's.
    async fn dump(&self) -> Dump {
        let mut dump = Dump::new();
        for (table, columns) in self.schema().await {
            let columns: Vec<String> = columns
                .keys()
                .map(|column| format!("'{column}=' || COALESCE(CAST({column} AS TEXT), 'NULL')"))
                .collect();
            // Revocations keep their order; the rows of other tables may have any.
            let order = if table == "revocations" { "seq" } else { "1" };
            let statement = format!("SELECT {} FROM {table} ORDER BY {order}", columns.join(" || ' ' || "));
            let mut rows = self.rows(&statement).await.concat();
            if table != "revocations" {
                rows.sort();
            }
            rows.retain(|row| !row.contains("key=moved_from"));
            dump.insert(table, rows);
        }
        dump
    }
}

async fn on_sqlite() -> TestApp {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::sqlite(dir.path());
    TestApp::on(
        dir,
        database,
        |settings| settings.secret = Some(secret::generate().to_string()),
        CHEAP,
    )
    .await
}

async fn moved(from: &Database, to: &Database) -> Result<Moved, TransferError> {
    transfer::run(&from.parsed(), &to.parsed(), |_| {}).await
}

async fn done(from: &Database, to: &Database) {
    let moved = moved(from, to).await.expect("moved");
    assert!(!moved.already);
}

async fn refusal(from: &Database, to: &Database) -> TransferError {
    moved(from, to).await.map(|_| ()).expect_err("refused")
}

/// Restarts the program on the target of a move, with the same secret.
async fn moved_to(app: TestApp, to: &Database) -> TestApp {
    let url = to.as_text();
    app.restarted(|settings| settings.database_url = Some(url)).await
}

/// Fills the database: ada is signed in with a browser and a program, another session of hers has just ended, and there were failed
/// sign-ins; grace is disabled, linus is removed. Returns ada's live tokens, those of the ended session, and her cookies.
async fn lived_in(app: &TestApp) -> (Tokens, Tokens, String) {
    let ada = app.signed_up_with_email("ada", "ada@example.org").await;
    app.signed_up("grace").await;
    app.signed_up("linus").await;
    let (live, ended) = (app.grant("ada").await, app.grant("ada").await);
    let live = app.refreshed(&live.refresh).await;
    assert_eq!(app.post("/revoke", &[("token", &ended.refresh)]).await.status, 200);
    app.post("/token", &[("username", "ada"), ("password", "not her password")]).await;
    app.post("/token", &[("username", "nobody"), ("password", "not a password")]).await;
    let name = |name| Username::parse(name).expect("a name");
    app.state.accounts.disable(&name("grace")).await.expect("disabled");
    app.state.accounts.remove(&name("linus")).await.expect("removed");
    (live, ended, ada.cookie_header())
}

#[tokio::test]
async fn a_move_copies_every_row_keeps_the_source_and_changes_nothing_when_repeated() {
    let app = on_sqlite().await;
    lived_in(&app).await;
    let (from, to) = (&app.database, Database::postgres().await);
    let before = from.dump().await;
    for table in ["users", "sessions", "events", "revocations", "throttles", "meta"] {
        assert!(!before[table].is_empty(), "{table} is empty");
    }
    done(from, &to).await;
    assert_eq!(to.dump().await, before);
    assert_eq!(from.dump().await, before);
    let again = moved(from, &to).await.expect("moved before");
    assert!(again.already);
    for (table, rows) in again.rows {
        assert_eq!(usize::try_from(rows).expect("a number"), before[&table].len(), "{table}");
    }
    assert_eq!(to.dump().await, before);
}

#[tokio::test]
async fn live_tokens_work_and_ended_ones_stay_ended_after_a_move_there_and_back() {
    let app = on_sqlite().await;
    let (live, ended, cookies) = lived_in(&app).await;
    let grace = app.user_id("grace").await;
    let (there, dir) = (Database::postgres().await, TempDir::new().expect("a directory"));
    done(&app.database, &there).await;
    let app = moved_to(app, &there).await;
    // The session began before the move and its access token has not expired. The program knows of its end from the moved rows.
    assert!(!app.opens(&ended.access).await);
    assert_eq!(app.refresh(&ended.refresh).await.json()["error"], "invalid_grant");
    assert!(app.opens(&live.access).await);
    let live = app.refreshed(&live.refresh).await;
    let mut ada = app.browser();
    for pair in cookies.split("; ") {
        let (name, value) = pair.split_once('=').expect("a pair");
        ada.plant(name, value);
    }
    assert_eq!(ada.get("/dashboard").await.status, 200);
    assert!(
        app.state
            .store
            .user(&grace)
            .await
            .expect("an answer")
            .expect("the account")
            .disabled_at
            .is_some()
    );
    // A later account does not become administrator.
    app.signed_up("eve").await;
    assert_eq!(
        app.get_with_token("/me", &app.token("eve").await).await.json()["roles"],
        serde_json::json!(["user"])
    );

    // Moves back, into a file that does not exist yet.
    let again = app.grant("ada").await;
    assert_eq!(app.post("/revoke", &[("token", &again.refresh)]).await.status, 200);
    let back = Database::sqlite(dir.path());
    done(&there, &back).await;
    assert_eq!(back.dump().await, there.dump().await);
    let mode = std::os::unix::fs::PermissionsExt::mode(&dir.path().join("latchkey.db").metadata().expect("a file").permissions());
    assert_eq!(mode & 0o777, 0o600, "only the owner of the file may read the password hashes");
    let app = moved_to(app, &back).await;
    assert!(!app.opens(&ended.access).await && !app.opens(&again.access).await);
    assert!(app.opens(&app.refreshed(&live.refresh).await.access).await);
}

#[tokio::test]
async fn a_target_that_was_used_is_refused_and_stays_unchanged() {
    let app = on_sqlite().await;
    app.signed_up("ada").await;
    let to = Database::postgres().await;
    done(&app.database, &to).await;

    // The target was used since the move: it has one more session.
    let app = moved_to(app, &to).await;
    let from = Database::sqlite(app.dir());
    app.grant("ada").await;
    let used = to.dump().await;
    assert!(matches!(refusal(&from, &to).await, TransferError::Used));
    assert_eq!(to.dump().await, used);

    // A source that was used since the move counts as another source.
    let app = moved_to(app, &from).await;
    let to = Database::postgres().await;
    done(&from, &to).await;
    let tokens = app.grant("ada").await;
    assert!(matches!(refusal(&from, &to).await, TransferError::AnotherMove));

    // A target with accounts of its own, and a target that had some before.
    let other = on_sqlite().await;
    other.signed_up("eve").await;
    let theirs = other.database.dump().await;
    assert!(matches!(refusal(&from, &other.database).await, TransferError::Foreign));
    assert_eq!(other.database.dump().await, theirs);
    other
        .state
        .accounts
        .remove(&Username::parse("eve").expect("a name"))
        .await
        .expect("removed");
    assert!(matches!(refusal(&from, &other.database).await, TransferError::Foreign));
    assert!(app.opens(&tokens.access).await);
}

#[tokio::test]
async fn a_target_of_an_older_version_with_accounts_stays_unchanged() {
    let (app, other) = (on_sqlite().await, on_sqlite().await);
    app.signed_up("ada").await;
    other.signed_up("eve").await;
    other.database.execute("ALTER TABLE sessions DROP COLUMN refreshes_until").await;
    other.database.execute("DELETE FROM _latchkey_migrations WHERE version = 5").await;
    assert!(matches!(refusal(&app.database, &other.database).await, TransferError::Foreign));
    assert_eq!(Store::pending_migrations(&other.database.parsed()).await.expect("read"), Some(1));
}

#[tokio::test]
async fn failed_sign_ins_at_a_target_without_accounts_do_not_count_as_use() {
    let app = on_sqlite().await;
    lived_in(&app).await;
    let to = Database::postgres().await;
    Store::open(&to.parsed(), 1).await.expect("opened").close().await;
    let key = &app.database.rows("SELECT key FROM throttles").await[0][0];
    to.execute(&format!("INSERT INTO throttles VALUES ('{key}', 1), ('another', 1)"))
        .await;
    done(&app.database, &to).await;
    assert_eq!(to.dump().await, app.database.dump().await);
}

#[tokio::test]
async fn rows_that_arrive_changed_or_not_at_all_are_noticed_and_nothing_is_kept() {
    let app = on_sqlite().await;
    lived_in(&app).await;
    for (fault, table) in [
        ("IF NEW.kind = 'signed_in' THEN RETURN NULL; END IF; RETURN NEW;", "events"),
        ("NEW.ended_at = NULL; RETURN NEW;", "sessions"),
        ("NEW.role = 'admin'; RETURN NEW;", "users"),
    ] {
        let to = Database::postgres().await;
        Store::open(&to.parsed(), 1).await.expect("opened").close().await;
        to.execute(&format!(
            "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {fault} END $$"
        ))
        .await;
        to.execute(&format!(
            "CREATE TRIGGER fault BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fault()"
        ))
        .await;
        let refused = refusal(&app.database, &to).await;
        assert!(
            matches!(&refused, TransferError::Differs { table: found, .. } if *found == table),
            "{refused}"
        );
        assert!(to.dump().await.values().all(Vec::is_empty), "nothing is kept");
    }
}

#[tokio::test]
async fn a_move_waits_for_a_statement_that_takes_longer_than_a_request_may() {
    let app = on_sqlite().await;
    app.signed_up("ada").await;
    let to = Database::postgres().await;
    Store::open(&to.parsed(), 1).await.expect("opened").close().await;
    to.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(6); RETURN NULL; END $$")
        .await;
    to.execute("CREATE TRIGGER slow AFTER INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION slow()")
        .await;
    done(&app.database, &to).await;
    assert_eq!(to.dump().await, app.database.dump().await);
}

#[tokio::test]
async fn a_move_between_two_names_of_one_database_is_refused() {
    let app = on_sqlite().await;
    app.signed_up("ada").await;
    assert!(matches!(refusal(&app.database, &app.database).await, TransferError::Same));
    let link = app.dir().join("other.db");
    std::os::unix::fs::symlink(app.dir().join("latchkey.db"), &link).expect("linked");
    assert!(matches!(refusal(&app.database, &Database::Sqlite(link)).await, TransferError::Same));

    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let Database::Postgres { url, .. } = &app.database else {
        panic!("this test runs on PostgreSQL")
    };
    let other_name = if url.contains("127.0.0.1") {
        url.replace("127.0.0.1", "localhost")
    } else {
        format!("{url}?application_name=other")
    };
    assert_ne!(url, &other_name);
    let other_name = DatabaseUrl::parse(&other_name).expect("a URL");
    let refused = transfer::run(&app.database.parsed(), &other_name, |_| {})
        .await
        .map(|_| ())
        .expect_err("refused");
    assert!(matches!(refused, TransferError::Same), "{refused}");
}

#[tokio::test]
async fn a_source_must_exist_be_up_to_date_and_contain_data() {
    let dir = TempDir::new().expect("a directory");
    let (from, to) = (Database::sqlite(dir.path()), Database::postgres().await);
    assert!(matches!(refusal(&from, &to).await, TransferError::NoSource));
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0, "no file is created");
    std::fs::write(dir.path().join("latchkey.db"), "").expect("written");
    assert!(matches!(refusal(&from, &to).await, TransferError::NoSource));
    assert!(matches!(refusal(&Database::postgres().await, &from).await, TransferError::NoSource));

    let app = on_sqlite().await;
    assert!(matches!(refusal(&app.database, &to).await, TransferError::EmptySource));
    app.signed_up("ada").await;
    app.database.execute("DELETE FROM _latchkey_migrations WHERE version = 5").await;
    assert!(matches!(refusal(&app.database, &to).await, TransferError::OldSource));
    assert_eq!(Store::pending_migrations(&app.database.parsed()).await.expect("read"), Some(1));
    assert_eq!(
        Store::pending_migrations(&to.parsed()).await.expect("read"),
        None,
        "the target was not touched"
    );
    let nowhere = Database::Sqlite(dir.path().join("nowhere/latchkey.db"));
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    assert!(matches!(refusal(&app.database, &nowhere).await, TransferError::Target(_)));
}

/// A session that is ended during a move could live on at the target, so the program must not report that it has ended.
#[tokio::test]
async fn a_change_to_the_source_during_a_move_is_refused_and_not_lost() {
    for app in [on_sqlite().await, TestApp::new().await] {
        app.signed_up("ada").await;
        let tokens = app.grant("ada").await;
        // Records the first use before the move, because what is recorded during a move is written to the source afterwards.
        assert!(app.opens(&tokens.access).await);
        let dir = TempDir::new().expect("a directory");
        let to = match &app.database {
            Database::Sqlite(_) => Database::postgres().await,
            Database::Postgres { .. } => Database::sqlite(dir.path()),
        };
        let (in_the_middle, wait_for_it) = channel();
        let (go_on, told) = channel::<()>();
        let (source, target) = (app.database.parsed(), to.parsed());
        // The move runs in a thread of its own because it is a program of its own.
        let moving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(transfer::run(&source, &target, |progress| {
                if let Progress::Moves {
                    table: "sessions",
                    moved: 1..,
                    ..
                } = progress
                {
                    in_the_middle.send(()).expect("sent");
                    told.recv().expect("told to go on");
                }
            }))
        });
        wait_for_it.recv_timeout(Duration::from_mins(1)).expect("in the middle");
        let revoked = app.post("/revoke", &[("token", &tokens.refresh)]).await;
        assert_eq!(revoked.status, 503, "{}", revoked.body);
        assert!(revoked.header("retry-after").is_some());
        assert!(app.opens(&tokens.access).await, "reading goes on");
        go_on.send(()).expect("sent");
        moving.join().expect("ended").expect("moved");
        assert_eq!(to.dump().await, app.database.dump().await);
        // No lock is left on the source.
        assert_eq!(app.post("/revoke", &[("token", &tokens.refresh)]).await.status, 200);
        // On the target the session lives until it is ended there.
        let app = moved_to(app, &to).await;
        assert!(app.opens(&tokens.access).await);
        assert_eq!(app.post("/revoke", &[("token", &tokens.refresh)]).await.status, 200);
        assert!(!app.opens(&tokens.access).await);
    }
}

#[tokio::test]
async fn a_move_knows_every_table_and_column_of_both_engines() {
    let dir = TempDir::new().expect("a directory");
    for database in [Database::sqlite(dir.path()), Database::postgres().await] {
        Store::open(&database.parsed(), 1).await.expect("opened").close().await;
        let tables = tables().await.expect("read");
        let known: BTreeMap<_, BTreeMap<_, _>> = tables
            .iter()
            .map(|table| {
                let columns = table.columns.iter().map(|column| {
                    let kind = match (column, &database) {
                        (Column::Text(_), _) => "text",
                        (Column::Integer(_), _) => "bigint",
                        (Column::Bytes(_), Database::Sqlite(_)) => "blob",
                        (Column::Bytes(_), Database::Postgres { .. }) => "bytea",
                    };
                    (column.name().to_owned(), kind.to_owned())
                });
                (table.name.clone(), columns.collect())
            })
            .collect();
        assert_eq!(database.schema().await, known);
    }
}

/// Returns the command to run in a directory, with no setting except the password of the two URLs in `PGPASSWORD`, because the command
/// takes no password in a flag.
fn run(dir: &Path, from: &str, to: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    let [from, to] = [from, to].map(|text| {
        let Ok(mut url) = url::Url::parse(text) else {
            return text.to_owned();
        };
        if let Some(password) = url.password() {
            command.env("PGPASSWORD", password);
            url.set_password(None).expect("a URL with a host");
        }
        if url.scheme() == "sqlite" { text.to_owned() } else { url.into() }
    });
    command
        .args(["move", "--from", &from, "--to", &to])
        .current_dir(dir)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LATCHKEY_")) {
        command.env_remove(name);
    }
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), output.stderr.as_slice()].concat()).into_owned()
}

/// Inserts this many accounts with one session each; their content does not matter.
async fn fill(database: &Database, accounts: u32) {
    let numbers = format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {accounts})");
    database
        .execute(&format!(
            "{numbers} INSERT INTO users (id, username, password_hash, role, epoch, created_at) SELECT 'u' || i, 'user' || i, 'x', 'user', 0, 0 FROM n"
        ))
        .await;
    database
        .execute(&format!(
            "{numbers} INSERT INTO sessions (id, user_id, client, user_agent, started_at, expires_at) SELECT 's' || i, 'u' || i, 'api', '', 0, 0 FROM n"
        ))
        .await;
}

#[tokio::test]
async fn a_move_that_is_killed_leaves_nothing_and_can_be_repeated() {
    const MANY: u32 = 6_000;
    let (sqlite, postgres) = (on_sqlite().await, TestApp::new().await);
    let dir = TempDir::new().expect("a directory");
    for (app, to) in [(sqlite, Database::postgres().await), (postgres, Database::sqlite(dir.path()))] {
        app.signed_up("ada").await;
        fill(&app.database, MANY).await;
        let (from, url) = (app.database.as_text(), to.as_text());
        let mut killed = run(app.dir(), &from, &url).stderr(Stdio::piped()).spawn().expect("started");
        // The command reports when all accounts are written, and continues with the sessions.
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(killed.stderr.take().expect("a pipe")));
        let accounts = lines
            .find(|line| line.as_ref().expect("read").starts_with("users: "))
            .expect("a line")
            .expect("read");
        assert!(accounts.starts_with(&format!("users: {} rows", MANY + 1)), "{accounts}");
        killed.kill().expect("killed");
        assert!(
            !killed.wait().expect("an exit status").success(),
            "the move was killed before it was done"
        );
        alone(&to).await;
        assert!(to.dump().await.values().all(Vec::is_empty), "no row of the killed move is left");

        let output = run(app.dir(), &from, &url).output().expect("ran");
        assert!(
            output.status.success() && said(&output).contains("Moved. Both databases have the same rows"),
            "{}",
            said(&output)
        );
        assert_eq!(to.count("sessions").await, usize::try_from(MANY + 1).expect("a number"));
        assert_eq!(to.dump().await, app.database.dump().await);
    }
}

/// Waits until the server has noticed that the killed program is gone.
async fn alone(database: &Database) {
    if let Database::Postgres { name, .. } = database {
        let others = format!("SELECT pid::text FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()");
        let began = Instant::now();
        while !database.rows(&others).await.is_empty() {
            assert!(began.elapsed() < Duration::from_secs(20), "the killed program is still connected");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn the_move_command_needs_no_settings_and_prints_the_next_steps_but_no_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = Database::sqlite(dir.path());
    // A server that generates its own secret.
    let app = TestApp::on(dir, file, |_| {}, CHEAP).await;
    app.signed_up("ada").await;
    let to = Database::postgres().await;
    let secret = app.dir().join("secret");
    assert!(secret.is_file());
    let password = url::Url::parse(&to.as_text())
        .expect("a URL")
        .password()
        .expect("a password")
        .to_owned();
    let elsewhere = TempDir::new().expect("a directory");
    for begins in ["Moved. Both databases have the same rows", "This move was already made."] {
        let output = run(elsewhere.path(), &app.database.as_text(), &to.as_text()).output().expect("ran");
        let said = said(&output);
        assert!(output.status.success(), "{said}");
        for words in [
            begins,
            "1  accounts",
            "Stop the servers",
            "set LATCHKEY_DATABASE_URL to postgres://",
            &format!("LATCHKEY_SECRET_FILE to {}", secret.display()),
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains(&password), "{said}");
    }
    assert_eq!(
        std::fs::read_dir(elsewhere.path()).expect("listed").count(),
        0,
        "no file is created in the working directory"
    );

    let back = PathBuf::from("copy.db");
    let output = run(elsewhere.path(), &to.as_text(), "sqlite:copy.db").output().expect("ran");
    let words = said(&output);
    assert!(
        output.status.success() && words.contains("LATCHKEY_SECRET or LATCHKEY_SECRET_FILE to the same value as before"),
        "{words}"
    );
    assert!(elsewhere.path().join(back).is_file());
    let unreadable = run(elsewhere.path(), "mysql://db/canary", "sqlite:other.db").output().expect("ran");
    let words = said(&unreadable);
    assert!(
        !unreadable.status.success() && words.contains("--from: it begins neither") && !words.contains("canary"),
        "{words}"
    );
}
