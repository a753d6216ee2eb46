//! What only PostgreSQL has: changes that run beside each other, news that is committed out of order, and a server that tells.

use std::str::FromStr;
use std::time::{Duration, Instant};

use latchkey_axum::state::AppState;
use latchkey_types::Username;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::time::{sleep, timeout};

use crate::support::{NOW, PASSWORD, TestApp};

const DEADLINE: Duration = Duration::from_secs(10);

/// Somebody else at the same database.
struct Beside(PgConnection);

impl Beside {
    async fn of(app: &TestApp) -> Self {
        let options = PgConnectOptions::from_str(&app.database.url().expect("a URL")).expect("good");
        Self(PgConnection::connect_with(&options).await.expect("connected"))
    }

    async fn does(&mut self, statement: impl Into<String>) {
        self.0.execute(AssertSqlSafe(statement.into())).await.expect("done");
    }

    /// Waits until a statement of the program waits for a lock. Not within a transaction: it would see what it saw first.
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
            assert!(began.elapsed() < DEADLINE, "nobody waits");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn session_of(state: &AppState, access: &str) -> String {
    state.sessions.tokens.verify(access, NOW).expect("a good token").sid.to_string()
}

/// The news that a session ended, as the program writes it.
fn ended(session: &str) -> String {
    format!("INSERT INTO revocations (session_id, at, expires_at) VALUES ('{session}', {NOW}, {NOW} + 900)")
}

#[tokio::test]
async fn news_that_is_committed_out_of_order_is_not_missed() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let (first, second) = (app.token("ada").await, app.token("ada").await);
    let (mut slow, mut quick) = (Beside::of(&app).await, Beside::of(&app).await);
    slow.does("BEGIN").await;
    slow.does(ended(&session_of(&app.state, &first))).await;
    quick.does(ended(&session_of(&app.state, &second))).await;
    for _ in 0..3 {
        app.state.sessions.sync.catch_up().await.expect("the news");
        assert!(app.opens(&first).await, "it has not happened yet");
        assert!(!app.opens(&second).await, "its number is higher, and it has happened");
    }
    slow.does("COMMIT").await;
    app.state.sessions.sync.catch_up().await.expect("the news");
    assert!(!app.opens(&first).await);
}

#[tokio::test]
async fn a_node_that_reaches_another_server_reads_everything_anew() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let token = app.token("ada").await;
    app.state.sessions.sync.catch_up().await.expect("the news");
    // As in a database that was restored elsewhere: the numbers of its transactions are lower.
    let mut beside = Beside::of(&app).await;
    beside.does(ended(&session_of(&app.state, &token))).await;
    beside.does("UPDATE revocations SET written_by = 1").await;
    app.state.sessions.sync.catch_up().await.expect("the news");
    assert!(app.opens(&token).await, "on the same connection nothing is read twice");
    app.database.goes_away().await;
    app.state.sessions.sync.catch_up().await.expect_err("away");
    app.database.comes_back().await;
    app.state.sessions.sync.catch_up().await.expect("the news");
    assert!(!app.opens(&token).await);
}

#[tokio::test]
async fn the_bell_rings_for_news_and_again_after_its_connection_was_lost() {
    let app = TestApp::new().await;
    let store = app.state.store.clone();
    let listening = tokio::spawn(async move { store.listen().await });
    let mut beside = Beside::of(&app).await;
    for _ in 0..3 {
        let began = Instant::now();
        // It may not listen yet; then the next piece of news rings.
        while timeout(Duration::from_millis(100), app.state.store.wait_for_change())
            .await
            .is_err()
        {
            assert!(began.elapsed() < DEADLINE, "the bell rings");
            beside.does(ended("01890000-0000-7000-8000-000000000000")).await;
        }
        beside
            .does(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
            )
            .await;
        // Rings once more when the loss is noticed.
        timeout(DEADLINE, app.state.store.wait_for_change()).await.expect("rung");
    }
    listening.abort();
}

#[tokio::test]
async fn an_end_is_known_within_a_second_though_nobody_tells() {
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
            assert!(ended.elapsed() < DEADLINE, "known at all");
            sleep(Duration::from_millis(5)).await;
        }
        times.push(ended.elapsed());
    }
    // A machine that is busy with other things may make one late, and hardly three.
    let late = times.iter().filter(|took| **took >= Duration::from_secs(1)).count();
    assert!(late < 3, "known within a second: {times:?}");
    following.abort();
}

#[tokio::test]
async fn nobody_signs_in_beside_a_change_that_disables_the_account() {
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
async fn a_session_that_begins_beside_the_end_of_all_is_ended_too() {
    let (app, name) = (TestApp::new().await, Username::parse("ada").expect("a name"));
    app.signed_up("ada").await;
    let (user, elsewhere) = (app.user_id("ada").await, app.another().await);
    // Somebody who signs in at this moment, as the program does it.
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
        "the one of the sign-up and the one that began meanwhile"
    );
    assert_eq!(app.state.store.count_live_sessions(NOW).await.expect("a count"), 0);
}
