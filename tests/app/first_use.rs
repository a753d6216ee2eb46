//! The first request with a new pair of tokens is recorded before it is answered, because theft detection depends on the record.

use std::time::{Duration, Instant};

use latchkey_axum::state::AppState;
use latchkey_core::sessions;
use latchkey_core::sessions::RefreshError;
use latchkey_core::sessions::refresh_rule::{Answer, Event, RefreshState, Terms, step};
use latchkey_store::{Client, ClientKind, EndReason, Rotation, SessionId};

use crate::databases::Engine;
use crate::support::{PASSWORD, TestApp, Tokens};

const GRACE: i64 = 10;

/// Starts a server that relies on the revocations in memory for so long that an outage can be longer than the grace.
async fn patient_app() -> TestApp {
    TestApp::with(|settings| settings.revocation_lag = Some("60s".into())).await
}

fn session_of(app: &TestApp, tokens: &Tokens) -> SessionId {
    let now = app.state.clock.now();
    app.state.sessions.tokens.verify(&tokens.access, now).expect("a valid token").sid
}

async fn refresh_on(node: &AppState, token: &str) -> Result<sessions::Tokens, RefreshError> {
    node.sessions.refresh(token, &Client::new(ClientKind::Api, "test", None)).await
}

/// Asserts that another node recognises `stolen` as a copy.
async fn assert_theft_is_noticed(node: &AppState, stolen: &str) {
    let refused = refresh_on(node, stolen).await.map(|_| "tokens");
    assert!(matches!(refused, Err(RefreshError::Ended(EndReason::Reuse))), "{refused:?}");
}

#[tokio::test]
async fn another_node_notices_a_theft_right_after_the_first_request_of_the_successor() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let elsewhere = app.another().await;
    elsewhere.sessions.sync.catch_up().await.expect("up to date");
    let stolen = app.grant("ada").await;
    let owner = app.refreshed(&stolen.refresh).await;
    assert!(app.opens(&owner.access).await);
    // No background task runs here, so everything that the other node knows was durable before the answer.
    app.pass_seconds(GRACE + 1);
    assert_theft_is_noticed(&elsewhere, &stolen.refresh).await;
    app.state.sessions.sync.catch_up().await.expect("up to date");
    assert!(!app.opens(&owner.access).await, "the session has ended everywhere");
}

#[tokio::test]
async fn after_the_grace_only_the_first_request_of_a_pair_needs_the_database() {
    let app = patient_app().await;
    app.signed_up("ada").await;
    let used = app.refreshed(&app.grant("ada").await.refresh).await;
    let (first, new) = (app.grant("ada").await, app.refreshed(&app.grant("ada").await.refresh).await);
    assert!(app.opens(&used.access).await);
    app.database.goes_away().await;
    assert!(
        app.opens(&new.access).await,
        "within the grace the predecessor gets this pair anyway"
    );
    app.pass_seconds(GRACE);
    assert!(app.opens(&new.access).await, "the last second of the grace");
    app.pass_seconds(1);
    for path in ["/protected", "/me"] {
        let answer = app.get_with_token(path, &new.access).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    assert!(app.opens(&used.access).await, "its first use is known already");
    assert!(app.opens(&first.access).await, "no token comes before the first pair of a session");
    app.database.comes_back().await;
    assert!(app.opens(&new.access).await, "the next request records it");
}

#[tokio::test]
async fn a_first_use_during_an_outage_is_recorded_by_the_next_request() {
    let app = patient_app().await;
    app.signed_up("ada").await;
    let elsewhere = app.another().await;
    let stolen = app.grant("ada").await;
    let owner = app.refreshed(&stolen.refresh).await;
    app.database.goes_away().await;
    assert!(app.opens(&owner.access).await);
    app.database.comes_back().await;
    assert!(app.opens(&owner.access).await);
    app.pass_seconds(GRACE + 1);
    assert_theft_is_noticed(&elsewhere, &stolen.refresh).await;
}

#[tokio::test]
async fn a_hanging_database_delays_the_first_requests_of_a_pair_only_once_by_about_a_second() {
    let app = patient_app().await;
    app.signed_up("ada").await;
    let tokens = app.refreshed(&app.grant("ada").await.refresh).await;
    let session = session_of(&app, &tokens);
    let held = app
        .database
        .hold(&format!("UPDATE sessions SET user_agent = user_agent WHERE id = '{session}'"))
        .await;
    let began = Instant::now();
    for _ in 0..20 {
        assert!(app.opens(&tokens.access).await, "within the grace");
    }
    // A single wait for the database takes five seconds; twenty of them would take much longer.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    held.release().await;
}

#[tokio::test]
async fn a_browser_session_whose_cookie_never_comes_back_ends_after_two_minutes() {
    let app = TestApp::new().await;
    let elsewhere = app.another().await;
    let mut blocks_cookies = app.signed_up("ada").await;
    let mut shows_them = app.browser();
    let fields = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(shows_them.post("/api/log_in", &fields).await.status, 303);
    assert_eq!(shows_them.get("/dashboard").await.status, 200);
    let program = app.grant("ada").await;
    app.pass_seconds(120);
    let now = app.state.clock.now();
    app.state.housekeeping.tidy().await.expect("tidied");
    assert_eq!(app.state.store.count_live_sessions(now).await.expect("a count"), 3, "not yet");
    app.pass_seconds(1);
    app.state.housekeeping.tidy().await.expect("tidied");
    assert_eq!(app.state.store.count_live_sessions(now).await.expect("a count"), 2);
    elsewhere.sessions.sync.catch_up().await.expect("up to date");
    let access = blocks_cookies.cookie("latchkey").expect("a token").to_owned();
    for node in [&app.state, &elsewhere] {
        node.sessions.verify(&access).await.map(|_| ()).expect_err("ended everywhere");
    }
    assert_eq!(blocks_cookies.get("/dashboard").await.status, 303);
    assert!(
        !blocks_cookies.get("/login").await.body.contains("role=\"alert\""),
        "no reason is shown"
    );
    assert_eq!(shows_them.get("/dashboard").await.status, 200);
    assert!(app.opens(&program.access).await, "a program may use its token whenever it likes");
}

/// Inserts sessions of one account, with ids that both engines can make: they end with twelve digits. Returns the ids.
async fn many_sessions(app: &TestApp, count: usize) -> Vec<SessionId> {
    app.signed_up("ada").await;
    let (user, now) = (app.user_id("ada").await, app.state.clock.now());
    let insert = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) INSERT INTO sessions (id, user_id, client, user_agent, started_at, expires_at, ends_at) SELECT '01890000-0000-7000-8000-' || CAST(100000000000 + i AS TEXT), '{user}', 'api', '', {now}, {now} + 1000, {now} + 1000 FROM n"
    );
    app.database.execute(&insert).await;
    let id = |number| format!("01890000-0000-7000-8000-{}", 100_000_000_000 + number);
    (1..=count).map(|number| SessionId::parse(&id(number)).expect("an id")).collect()
}

/// Returns how many of these sessions were last used at this time.
async fn used_at(app: &TestApp, at: i64) -> usize {
    let question = format!("SELECT COUNT(*) FROM sessions WHERE last_used_at = {at} AND id LIKE '01890000-%'");
    usize::try_from(app.database.number(&question).await).expect("a count")
}

#[tokio::test]
async fn the_last_uses_of_thousands_of_sessions_are_written_in_chunks_that_skip_locked_rows() {
    const SESSIONS: usize = 6000;
    let app = TestApp::new().await;
    let sessions = many_sessions(&app, SESSIONS).await;
    let at = app.state.clock.now() + 5;
    app.pass_seconds(5);
    for session in &sessions {
        app.state.sessions.write_behind.used(*session, at);
    }
    // SQLite locks the whole database, and the write waits for the lock.
    if matches!(Engine::of_this_run(), Engine::Postgres) {
        let locked = [0, 1500, 3000, 4500, 5999]
            .map(|index: usize| format!("'{}'", sessions[index]))
            .join(", ");
        let lock = format!("UPDATE sessions SET user_agent = user_agent WHERE id IN ({locked})");
        let held = app.database.hold(&lock).await;
        app.state.writer.write().await.expect("written");
        assert_eq!(used_at(&app, at).await, SESSIONS - 5, "all but the locked ones");
        held.release().await;
    }
    app.state.writer.write().await.expect("written");
    assert_eq!(used_at(&app, at).await, SESSIONS);
}

#[tokio::test]
async fn an_unrelated_locked_row_does_not_hide_a_theft() {
    if !matches!(Engine::of_this_run(), Engine::Postgres) {
        return; // SQLite has no locks on rows.
    }
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let (elsewhere, unrelated) = (app.another().await, app.grant("ada").await);
    assert!(app.opens(&unrelated.access).await);
    let stolen = app.grant("ada").await;
    let owner = app.refreshed(&stolen.refresh).await;
    let session = session_of(&app, &unrelated);
    let held = app
        .database
        .hold(&format!("UPDATE sessions SET user_agent = user_agent WHERE id = '{session}'"))
        .await;
    assert!(app.opens(&owner.access).await);
    app.pass_seconds(GRACE + 1);
    assert_theft_is_noticed(&elsewhere, &stolen.refresh).await;
    held.release().await;
}

/// Returns the session's row as the refresh rule sees it.
async fn row_of(app: &TestApp, session: SessionId) -> RefreshState {
    let (row, _) = app.state.store.session(session).await.expect("an answer").expect("a session");
    RefreshState {
        counter: row.counter,
        used_counter: row.used_counter,
        rotated_at: row.rotated_at,
        expires_at: row.expires_at,
        ended: row.ended,
    }
}

#[tokio::test]
async fn the_sql_statements_change_a_row_exactly_as_the_refresh_rule_does() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let session = session_of(&app, &app.grant("ada").await);
    let now = app.state.clock.now();
    let terms = Terms {
        now,
        grace: GRACE,
        renewed_until: now + 500,
    };
    for (counter, used) in [(0, -1), (2, 1), (2, 2)] {
        for end in ["ended_at = NULL, end_reason = NULL", "ended_at = 1, end_reason = 'signed_out'"] {
            for other in 0..=3 {
                let set = format!(
                    "UPDATE sessions SET counter = {counter}, used_counter = {used}, rotated_at = {now} - 60, expires_at = {now} + 100, {end} WHERE id = '{session}'"
                );
                app.database.execute(&set).await;
                let before = row_of(&app, session).await;
                app.state.store.mark_used(session, other).await.expect("an answer");
                let (after, _) = step(before, Event::FirstUse(other), terms);
                assert_eq!(row_of(&app, session).await, after, "first use of {other} after {before:?}");

                app.database.execute(&set).await;
                let rotation = Rotation {
                    id: session,
                    from: other,
                    now,
                    expires_at: terms.renewed_until,
                    refreshes_until: now,
                    token_exp: now,
                };
                let rotated = app.state.store.rotate_session(&rotation).await.expect("an answer");
                let (after, answer) = step(before, Event::Present(other), terms);
                assert_eq!(rotated, answer == Answer::Rotate, "presented {other} to {before:?}");
                let after = if rotated { after } else { before };
                assert_eq!(row_of(&app, session).await, after, "presented {other} to {before:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_latest_expiry_of_a_sessions_access_tokens_is_stored_before_they_are_issued() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let session = session_of(&app, &first);
    let token_exp = async || {
        let found = app.state.store.session(session).await.expect("an answer");
        found.expect("a session").0.token_exp
    };
    let expiry = |tokens: &Tokens| {
        let now = app.state.clock.now();
        app.state.sessions.tokens.verify(&tokens.access, now).expect("a valid token").exp
    };
    let rotated = app.refreshed(&first.refresh).await;
    assert_eq!(token_exp().await, expiry(&rotated));
    app.pass_seconds(60);
    let again = app.refreshed(&first.refresh).await;
    assert_eq!(again.refresh, rotated.refresh, "the same pair");
    assert!(expiry(&again) > expiry(&rotated));
    assert_eq!(token_exp().await, expiry(&again));
    app.pass_seconds(-30);
    app.refreshed(&first.refresh).await;
    assert_eq!(token_exp().await, expiry(&again), "an earlier expiry changes nothing");
}

#[tokio::test]
async fn a_chunk_that_cannot_be_written_is_retried_and_other_chunks_stay_written() {
    const SESSIONS: usize = 1200;
    let app = TestApp::new().await;
    let sessions = many_sessions(&app, SESSIONS).await;
    let at = app.state.clock.now() + 5;
    for session in &sessions {
        app.state.sessions.write_behind.used(*session, at);
    }
    let bad = sessions[SESSIONS / 2];
    let (fails, works) = match Engine::of_this_run() {
        Engine::Sqlite => (
            format!("CREATE TRIGGER fails BEFORE UPDATE ON sessions WHEN NEW.id = '{bad}' BEGIN SELECT RAISE(ABORT, 'no'); END"),
            "DROP TRIGGER fails",
        ),
        Engine::Postgres => (
            format!("ALTER TABLE sessions ADD CONSTRAINT fails CHECK (id <> '{bad}') NOT VALID"),
            "ALTER TABLE sessions DROP CONSTRAINT fails",
        ),
    };
    app.database.execute(&fails).await;
    app.state.writer.write().await.expect_err("one chunk fails");
    let written = used_at(&app, at).await;
    assert!(written == 0 || written % 500 == 0, "whole chunks: {written}");
    app.database.execute(works).await;
    app.state.writer.write().await.expect("written");
    assert_eq!(used_at(&app, at).await, SESSIONS);
}
