//! What only PostgreSQL has: concurrent changes, revocations that are committed out of order, and `NOTIFY`.

use std::str::FromStr;
use std::time::{Duration, Instant};

use latchkey_axum::state::AppState;
use latchkey_types::Username;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::{sleep, timeout};

use crate::support::{NOW, PASSWORD, TestApp};

const DEADLINE: Duration = Duration::from_secs(10);

/// A connection of its own to the same database.
struct Beside(PgConnection);

impl Beside {
    async fn of(app: &TestApp) -> Self {
        let options = PgConnectOptions::from_str(&app.database.url().expect("a URL")).expect("a valid URL");
        Self(PgConnection::connect_with(&options).await.expect("connected"))
    }

    async fn does(&mut self, statement: impl Into<String>) {
        self.0.execute(AssertSqlSafe(statement.into())).await.expect("done");
    }

    /// Waits until a statement of the program waits for a lock. Must not be called within a transaction, which would keep seeing
    /// its first snapshot.
    async fn sees_somebody_wait(&mut self) {
        let began = Instant::now();
        loop {
            let (waiting,): (i64,) =
                sqlx::query_as("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
                    .fetch_one(&mut self.0)
                    .await
                    .expect("an answer");
            if waiting > 0 {
                return;
            }
            assert!(began.elapsed() < DEADLINE, "no statement waits for a lock");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn session_of(state: &AppState, access: &str) -> String {
    state.sessions.tokens.verify(access, NOW).expect("a valid token").sid.to_string()
}

/// Returns the statement that revokes a session, as the program writes it.
fn ended(session: &str) -> String {
    format!("INSERT INTO revocations (session_id, at, expires_at) VALUES ('{session}', {NOW}, {NOW} + 900)")
}

#[tokio::test]
async fn revocations_that_are_committed_out_of_order_are_not_missed() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let (first, second) = (app.token("ada").await, app.token("ada").await);
    let (mut slow, mut quick) = (Beside::of(&app).await, Beside::of(&app).await);
    slow.does("BEGIN").await;
    slow.does(ended(&session_of(&app.state, &first))).await;
    quick.does(ended(&session_of(&app.state, &second))).await;
    for _ in 0..3 {
        app.state.sessions.sync.catch_up().await.expect("caught up");
        assert!(app.opens(&first).await, "its revocation is not committed yet");
        assert!(!app.opens(&second).await, "its revocation has the higher number and is committed");
    }
    slow.does("COMMIT").await;
    app.state.sessions.sync.catch_up().await.expect("caught up");
    assert!(!app.opens(&first).await);
}

#[tokio::test]
async fn a_node_that_connects_to_another_server_reads_all_revocations_again() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let token = app.token("ada").await;
    app.state.sessions.sync.catch_up().await.expect("caught up");
    // As in a database that was restored on another server, where the numbers of transactions are lower.
    let mut beside = Beside::of(&app).await;
    beside.does(ended(&session_of(&app.state, &token))).await;
    beside.does("UPDATE revocations SET written_by = 1").await;
    app.state.sessions.sync.catch_up().await.expect("caught up");
    assert!(app.opens(&token).await, "on the same connection nothing is read twice");
    app.database.goes_away().await;
    app.state.sessions.sync.catch_up().await.expect_err("unavailable");
    app.database.comes_back().await;
    app.state.sessions.sync.catch_up().await.expect("caught up");
    assert!(!app.opens(&token).await);
}

#[tokio::test]
async fn a_revocation_wakes_a_waiting_node_also_after_its_connection_was_lost() {
    let app = TestApp::new().await;
    let store = app.state.store.clone();
    let listening = tokio::spawn(async move { store.listen().await });
    let mut beside = Beside::of(&app).await;
    for _ in 0..3 {
        let began = Instant::now();
        // The program may not listen yet; then the next revocation wakes it.
        while timeout(Duration::from_millis(100), app.state.store.wait_for_change())
            .await
            .is_err()
        {
            assert!(began.elapsed() < DEADLINE, "no revocation wakes the node");
            beside.does(ended("01890000-0000-7000-8000-000000000000")).await;
        }
        beside
            .does(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
            )
            .await;
        // The node is also woken when it notices the loss of its connection.
        timeout(DEADLINE, app.state.store.wait_for_change()).await.expect("woken");
    }
    listening.abort();
}

#[tokio::test]
async fn an_end_is_known_within_a_second_even_without_notify() {
    let (app, name) = (TestApp::new().await, Username::parse("ada").expect("a name"));
    app.signed_up("ada").await;
    Beside::of(&app).await.does("DROP TRIGGER tell_news ON revocations").await;
    let elsewhere = app.another().await;
    let following = tokio::spawn(app.state.sessions.sync.clone().follow());
    let mut times = Vec::new();
    for _ in 0..5 {
        let token = app.token("ada").await;
        elsewhere.accounts.end_sessions(&name).await.expect("done");
        let ended = Instant::now();
        while app.opens(&token).await {
            assert!(ended.elapsed() < DEADLINE, "the end does not become known");
            sleep(Duration::from_millis(5)).await;
        }
        times.push(ended.elapsed());
    }
    // A busy machine may delay one of them, but hardly three.
    let late = times.iter().filter(|took| **took >= Duration::from_secs(1)).count();
    assert!(late < 3, "not known within a second: {times:?}");
    following.abort();
}

#[tokio::test]
async fn a_sign_in_during_a_change_that_disables_the_account_is_refused() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut operator = Beside::of(&app).await;
    operator.does("BEGIN").await;
    operator
        .does("UPDATE users SET epoch = epoch + 1, disabled_at = 1 WHERE username = 'ada'")
        .await;
    operator.does(format!("UPDATE sessions SET ended_at = {NOW}")).await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let signing_in = app.post("/token", &fields);
    let disabling = async {
        Beside::of(&app).await.sees_somebody_wait().await;
        operator.does("COMMIT").await;
    };
    let (answer, ()) = tokio::join!(signing_in, disabling);
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[tokio::test]
async fn a_session_that_begins_while_all_sessions_are_ended_is_ended_too() {
    let (app, name) = (TestApp::new().await, Username::parse("ada").expect("a name"));
    app.signed_up("ada").await;
    let (user, elsewhere) = (app.user_id("ada").await, app.another().await);
    // A sign-in at this moment, with the statements that the program uses.
    let mut other = Beside::of(&app).await;
    other.does("BEGIN").await;
    other.does("UPDATE users SET epoch = epoch WHERE username = 'ada'").await;
    other
        .does(format!(
            "INSERT INTO sessions (id, user_id, client, user_agent, started_at, expires_at, ends_at) VALUES ('01890000-0000-7000-8000-000000000000', '{user}', 'api', '', {NOW}, {NOW} + 1000, {NOW} + 1000)"
        ))
        .await;
    let ending = elsewhere.accounts.end_sessions(&name);
    let beginning = async {
        Beside::of(&app).await.sees_somebody_wait().await;
        other.does("COMMIT").await;
    };
    let (ended, ()) = tokio::join!(ending, beginning);
    assert_eq!(
        ended.expect("done"),
        Some(2),
        "the session of the sign-up and the session that began meanwhile"
    );
    assert_eq!(app.state.store.count_live_sessions(NOW).await.expect("a count"), 0);
}
