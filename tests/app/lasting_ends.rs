//! Ended sessions stay ended when settings or clocks change and when processes restart, also in accounts with many sessions.

use axum::body::Body;
use http::{Method, header};
use latchkey_core::sessions::MAX_LIVE;
use latchkey_types::Username;

use crate::support::{NOW, PASSWORD, TestApp, form, request};

const HOUR: i64 = 3600;

fn ada() -> Username {
    Username::parse("ada").expect("a name")
}

async fn tidy(app: &TestApp) {
    app.state.housekeeping.tidy().await.expect("tidied");
}

/// Returns the number of rows of a table that meet a condition.
async fn rows(app: &TestApp, table_and_condition: &str) -> i64 {
    app.database.number(&format!("SELECT COUNT(*) FROM {table_and_condition}")).await
}

/// Returns what introspection tells a service about a token.
async fn introspected(app: &TestApp, own: &str, token: &str) -> serde_json::Value {
    let request = request(Method::POST, "/introspect")
        .header(header::AUTHORIZATION, format!("Bearer {own}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    app.send(request.body(Body::from(form(&[("token", token)]))).expect("a request"))
        .await
        .json()
}

/// Inserts this many live sessions of ada, each used a second later than the one before.
async fn insert_sessions(app: &TestApp, many: i64) {
    let user = app.user_id("ada").await;
    app.database
        .execute(&format!(
            "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {many}) INSERT INTO sessions (id, user_id, client, user_agent, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at) SELECT '01200000-0000-7000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2), '{user}', 'api', '', '', {NOW} - 10000 + i, {NOW}, {NOW} - 10000 + i, {NOW}, {NOW} + 86400, {NOW} + 86400 FROM n"
        ))
        .await;
}

#[tokio::test]
async fn an_ended_session_stays_ended_after_the_ttl_changes() {
    let app = TestApp::with(|settings| settings.access_ttl = Some("1h".into())).await;
    app.signed_up("ada").await;
    let (one, all) = (app.grant("ada").await, app.grant("ada").await);
    app.post("/revoke", &[("token", &one.refresh)]).await;
    app.state.accounts.end_sessions(&ada()).await.expect("ended");
    let app = app.restarted(|settings| settings.access_ttl = Some("1m".into())).await;
    app.pass_seconds(HOUR / 2);
    tidy(&app).await;
    let app = app.restarted(|settings| settings.access_ttl = Some("1h".into())).await;
    assert!(
        app.state.sessions.tokens.verify(&one.access, app.state.clock.now()).is_ok(),
        "the token alone is still valid"
    );
    assert!(!app.opens(&one.access).await && !app.opens(&all.access).await);
    tidy(&app).await;
    assert!(!app.opens(&one.access).await && !app.opens(&all.access).await);
}

/// Ends sessions while the clock is right. Returns the application, the access tokens of these sessions and the time.
async fn ended_at_the_right_time() -> (TestApp, [String; 2], i64) {
    let app = TestApp::new().await;
    let now = app.state.store.clock().await.expect("an answer").unwrap_or(NOW);
    let app = app.restarted_at(now).await;
    app.signed_up("ada").await;
    let (one, all) = (app.grant("ada").await, app.grant("ada").await);
    app.post("/revoke", &[("token", &one.refresh)]).await;
    app.state.accounts.end_sessions(&ada()).await.expect("ended");
    (app, [one.access, all.access], now)
}

#[tokio::test]
async fn a_start_with_the_clock_ahead_revives_no_session() {
    let (app, ended, now) = ended_at_the_right_time().await;
    let app = app.restarted_at(now + 2 * HOUR).await;
    tidy(&app).await;
    let app = app.restarted_at(now + 1).await;
    for token in &ended {
        assert!(
            app.state.sessions.tokens.verify(token, app.state.clock.now()).is_ok(),
            "the token alone is still valid"
        );
        assert!(!app.opens(token).await);
    }
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_for_a_moment_revives_no_session() {
    let (app, ended, _) = ended_at_the_right_time().await;
    app.pass_seconds(60);
    tidy(&app).await;
    app.steps_clock(2 * HOUR);
    app.state.sessions.sync.catch_up().await.expect("caught up");
    tidy(&app).await;
    app.steps_clock(-2 * HOUR);
    app.state.sessions.sync.catch_up().await.expect("caught up");
    for token in &ended {
        assert!(!app.opens(token).await);
    }
}

#[tokio::test]
async fn a_session_that_ends_while_the_clock_is_ahead_stays_ended() {
    let (app, _, now) = ended_at_the_right_time().await;
    let tokens = app.grant("ada").await;
    let app = app.restarted_at(now + 2 * HOUR).await;
    app.post("/revoke", &[("token", &tokens.refresh)]).await;
    tidy(&app).await;
    let app = app.restarted_at(now + 1).await;
    assert!(
        app.state.sessions.tokens.verify(&tokens.access, app.state.clock.now()).is_ok(),
        "the token alone is still valid"
    );
    assert!(!app.opens(&tokens.access).await);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
}

#[tokio::test]
async fn sessions_of_an_account_that_one_row_ends_are_ended_everywhere() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    let mut browser = app.browser();
    browser.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    let (tokens, other) = (app.grant("ada").await, app.grant("grace").await);
    insert_sessions(&app, 900).await;
    app.state.accounts.disable(&ada()).await.expect("disabled");
    assert_eq!(rows(&app, "revocations").await, 1, "one row for any number of sessions");
    assert!(!app.opens(&tokens.access).await);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
    assert_eq!(
        introspected(&app, &other.access, &tokens.access).await,
        serde_json::json!({"active": false})
    );
    let user = app.user_id("ada").await;
    let now = app.state.clock.now();
    assert_eq!(app.state.store.count_sessions_of(&user, now).await.expect("a count"), 0);
    assert_eq!(
        app.state.store.count_live_sessions(now).await.expect("a count"),
        2,
        "only the sessions of grace"
    );

    app.state.accounts.enable(&ada()).await.expect("enabled");
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400, "no session comes back");
    assert_eq!(browser.get("/dashboard").await.status, 303);
    browser.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(browser.get("/sessions").await.body.matches("This device").count(), 1);
    assert_eq!(app.state.store.count_sessions_of(&user, now).await.expect("a count"), 1);

    assert_eq!(
        rows(&app, "sessions WHERE ended_at IS NULL").await,
        906,
        "the rows of the sessions are marked later"
    );
    tidy(&app).await;
    assert_eq!(rows(&app, "sessions WHERE ended_at IS NULL").await, 3);
    assert_eq!(rows(&app, "sessions WHERE end_reason = 'disabled'").await, 903);
}

#[tokio::test]
async fn ending_the_other_sessions_keeps_the_session_that_asks() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let other = app.grant("ada").await;
    insert_sessions(&app, 900).await;
    let answer = ada.post("/api/end_other_sessions", &[]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(rows(&app, "revocations").await, 1);
    assert!(!app.opens(&other.access).await);
    assert_eq!(app.refresh(&other.refresh).await.status, 400);
    let page = ada.get("/sessions").await;
    assert_eq!((page.status.as_u16(), page.body.matches("<time").count() > 0), (200, true));
    tidy(&app).await;
    assert_eq!(rows(&app, "sessions WHERE ended_at IS NULL").await, 1);
    assert_eq!(ada.get("/dashboard").await.status, 200);
    app.pass_seconds(900);
    assert_eq!(ada.get("/dashboard").await.status, 200, "it is refreshed like any other");
}

#[tokio::test]
async fn a_sign_in_beyond_the_session_limit_ends_the_least_recently_used_session() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    insert_sessions(&app, MAX_LIVE - 1).await;
    assert_eq!(rows(&app, "sessions WHERE ended_at IS NULL").await, MAX_LIVE);
    let (first, second) = (app.grant("ada").await, app.grant("ada").await);
    let ended = "sessions WHERE end_reason = 'session_limit'";
    assert_eq!(rows(&app, ended).await, 2);
    assert_eq!(
        rows(&app, &format!("{ended} AND id <= '01200000-0000-7000-8000-000000000002'")).await,
        2
    );
    assert_eq!(rows(&app, "sessions WHERE ended_at IS NULL").await, MAX_LIVE);
    assert!(app.opens(&first.access).await && app.opens(&second.access).await);
}

#[tokio::test]
async fn an_account_with_more_sessions_than_the_limit_loses_the_oldest_step_by_step() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    insert_sessions(&app, MAX_LIVE + 150).await;
    for left in [MAX_LIVE + 51, MAX_LIVE, MAX_LIVE] {
        app.grant("ada").await;
        assert_eq!(rows(&app, "sessions WHERE ended_at IS NULL").await, left);
    }
}

#[tokio::test]
async fn a_removed_account_is_gone_at_once_and_its_rows_are_deleted_in_batches() {
    let app = TestApp::new().await;
    let mut ada_browser = app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    insert_sessions(&app, 3000).await;
    app.state.accounts.remove(&ada()).await.expect("removed");
    assert!(!app.opens(&tokens.access).await);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
    assert_eq!(ada_browser.get("/dashboard").await.status, 303);
    assert_eq!(app.state.store.users_after("", 10).await.expect("accounts").len(), 0);
    assert!(rows(&app, "users").await == 1, "some of its rows are still to be deleted");
    app.signed_up("ada").await;
    tidy(&app).await;
    assert_eq!((rows(&app, "users").await, rows(&app, "sessions").await), (1, 1), "the new account");
    assert_eq!(ada_browser.get("/dashboard").await.status, 303);
}

#[tokio::test]
async fn a_small_account_leaves_nothing_behind_when_it_is_removed() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.grant("ada").await;
    app.state.accounts.remove(&ada()).await.expect("removed");
    for table in ["users", "sessions", "events"] {
        assert_eq!(rows(&app, table).await, 0, "{table}");
    }
}
