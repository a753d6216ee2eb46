//! Opening a database: which modes may create or migrate it, and what happens to tokens when it was restored.

use latchkey_store::{DatabaseUrl, OpenMode, Store, StoreError};

use crate::databases::Database;
use crate::support::{PASSWORD, TestApp};

fn url_of(database: &Database) -> DatabaseUrl {
    match database {
        Database::Sqlite(path) => DatabaseUrl::Sqlite(path.clone()),
        Database::Postgres { url, .. } => DatabaseUrl::parse(url).expect("a URL"),
    }
}

async fn refusal(url: &DatabaseUrl, mode: OpenMode) -> StoreError {
    Store::open_as(url, 1, mode).await.map(|_| ()).expect_err("refused")
}

#[tokio::test]
async fn only_permitted_open_modes_create_or_migrate_a_database() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::new(dir.path()).await;
    let url = url_of(&database);
    assert!(matches!(refusal(&url, OpenMode::Existing).await, StoreError::NoDatabase));
    assert_eq!(
        Store::pending_migrations(&url).await.expect("read"),
        None,
        "reading the pending migrations creates nothing"
    );
    assert_eq!(std::fs::read_dir(dir.path()).expect("listed").count(), 0);

    let store = Store::open_as(&url, 1, OpenMode::CreateIfMissing).await.expect("created");
    store.close().await;
    assert_eq!(Store::pending_migrations(&url).await.expect("read"), Some(0));
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing, OpenMode::Migrate] {
        Store::open_as(&url, 1, mode).await.expect("opened").close().await;
    }

    database
        .execute("DELETE FROM _latchkey_migrations WHERE version = (SELECT MAX(version) FROM _latchkey_migrations)")
        .await;
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing] {
        let refused = refusal(&url, mode).await;
        assert!(matches!(refused, StoreError::OldSchema), "{mode:?}: {refused}");
        assert_eq!(Store::pending_migrations(&url).await.expect("read"), Some(1), "{mode:?}");
    }
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_by_every_command() {
    let app = TestApp::new().await;
    app.database
        .execute(
            "UPDATE _latchkey_migrations SET checksum = (SELECT checksum FROM _latchkey_migrations WHERE version = 3) WHERE version = 1",
        )
        .await;
    let url = url_of(&app.database);
    for mode in [OpenMode::Existing, OpenMode::CreateIfMissing, OpenMode::Migrate] {
        let refused = refusal(&url, mode).await.to_string();
        assert!(refused.contains("another program"), "{mode:?}: {refused}");
    }
}

#[tokio::test]
async fn a_new_key_salt_invalidates_all_earlier_tokens_and_keeps_the_sign_in_limits() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let before = app.grant("ada").await;
    let kid = app.state.sessions.tokens.header().kid.clone();
    app.database
        .execute("INSERT INTO meta (key, value) VALUES ('key_salt', 'one')")
        .await;
    let app = app.restarted(|_| {}).await;
    assert_ne!(app.state.sessions.tokens.header().kid, kid);
    assert!(!app.opens(&before.access).await);
    let refreshed = app
        .post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &before.refresh)])
        .await;
    assert_eq!(refreshed.status, 400, "{}", refreshed.body);
    let after = app.grant("ada").await;
    assert!(app.opens(&after.access).await);

    // All attempts are used up, and a new salt refunds none of them.
    let guess = [("username", "ada"), ("password", "not the password")];
    let mut guesses = 0;
    while app.post("/token", &guess).await.status != 429 {
        guesses += 1;
        assert!(guesses < 1000, "attempts are not limited");
    }
    app.database.execute("UPDATE meta SET value = 'two' WHERE key = 'key_salt'").await;
    let app = app.restarted(|_| {}).await;
    assert!(!app.opens(&after.access).await);
    let right = app.post("/token", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(right.status, 429, "{}", right.body);
}

#[tokio::test]
async fn ending_the_sessions_of_all_accounts_reaches_other_running_programs() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    let (ada, grace) = (app.grant("ada").await, app.grant("grace").await);
    let operator = app.another().await;
    let ended = operator.accounts.end_all_sessions().await;
    assert_eq!(ended.expect("ended"), 2);
    app.state.sessions.sync.catch_up().await.expect("caught up");
    for tokens in [&ada, &grace] {
        assert!(!app.opens(&tokens.access).await);
        let refreshed = app
            .post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)])
            .await;
        assert_eq!(refreshed.status, 400, "{}", refreshed.body);
    }
    let again = app.grant("ada").await;
    assert!(app.opens(&again.access).await);
    operator.store.close().await;
}

/// The table in which sqlx records an app's own migrations, and a table of that app.
const OF_AN_APP: &str = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL);
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (1, 'notes', TRUE, {checksum}, 0);
    CREATE TABLE notes (id BIGINT PRIMARY KEY)";

#[tokio::test]
async fn an_app_keeps_its_own_migrations_on_the_same_database() {
    let dir = tempfile::tempdir().expect("a directory");
    let database = Database::new(dir.path()).await;
    let (bytes, checksum) = match &database {
        Database::Sqlite(_) => ("BLOB", "X'0102'"),
        Database::Postgres { .. } => ("BYTEA", "'\\x0102'"),
    };
    let of_an_app = OF_AN_APP.replace("{bytes}", bytes).replace("{checksum}", checksum);
    database.execute(&of_an_app).await;
    let url = url_of(&database);
    assert_eq!(
        Store::pending_migrations(&url).await.expect("read"),
        None,
        "none of the tables is ours"
    );
    for _ in 0..2 {
        Store::open(&url, 1).await.expect("opened").close().await;
        assert_eq!(database.number("SELECT COUNT(*) FROM _sqlx_migrations").await, 1);
        assert!(database.number("SELECT COUNT(*) FROM _latchkey_migrations").await > 1);
        assert!(database.has_table("notes").await && database.has_table("users").await);
    }
}

#[tokio::test]
async fn a_program_from_before_our_own_migration_table_stops_without_changing_our_tables() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    let stopped = app.database.migrate_as_before_the_rename().await;
    let stopped = stopped.expect_err("stopped").to_string();
    assert!(stopped.contains("users"), "{stopped}");
    let app = app.restarted(|_| {}).await;
    assert!(app.opens(&tokens.access).await);
    app.grant("ada").await;
}
