//! Revocations in memory: requests run no statement, an outage signs no user out, and nothing is removed too early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use http::{Method, header};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{PASSWORD, TestApp, request};

const LAG: i64 = 10;
const DAY: i64 = 24 * 3600;

/// Counts the statements that the database driver reports.
#[derive(Clone, Default)]
struct Statements(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut about = About::default();
            event.record(&mut about);
            if !about.sets_up {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Records whether a statement only sets up a connection. The pool opens connections now and then, independently of requests.
#[derive(Default)]
struct About {
    sets_up: bool,
}

impl Visit for About {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.sets_up |= field.name() == "summary" && value.starts_with("PRAGMA");
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[tokio::test]
async fn a_request_with_a_valid_cookie_or_bearer_token_runs_no_statement() {
    let statements = Statements::default();
    let count = || statements.0.load(Ordering::Relaxed);
    tracing_subscriber::registry().with(statements.clone()).init();
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let token = app.token("ada").await;
    // The first request of each pair of tokens marks it as used.
    let marked = count();
    assert!(app.opens(&token).await && ada.get("/").await.status == 200);
    assert!(count() > marked);
    let before = count();
    assert!(before > 10, "the counter does not count: {before}");
    for _ in 0..100 {
        assert!(app.opens(&token).await);
        assert_eq!(app.get_with_token("/me", &token).await.status, 200);
        let home = ada.get("/").await;
        assert!(home.status == 200 && home.body.contains("Signed in as"));
        assert_eq!(ada.get("/docs").await.status, 200);
    }
    app.state.stop.cancel();
    assert_eq!(ada.get("/session/events").await.status, 200);
    assert_eq!(count() - before, 0, "statements during 401 requests");
    // A refused token costs none either, unless it comes with a refresh token.
    assert_eq!(app.get_with_token("/me", &token[1..]).await.status, 401);
    assert_eq!(count() - before, 0);
    ada.get("/dashboard").await;
    assert_eq!(
        count() - before,
        3,
        "the dashboard reads what it shows: the account, its sessions, its events"
    );
}

#[tokio::test]
async fn session_routes_are_unavailable_when_revocations_are_too_old_and_recover_by_themselves() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let token = app.token("ada").await;
    let cookies = ada.cookie_header();
    // The database is unavailable, not closed: its file is moved away for a while.
    app.database.goes_away().await;
    app.pass_seconds(LAG);
    assert!(app.opens(&token).await, "within the lag");
    app.pass_seconds(1);
    for path in ["/protected", "/me"] {
        let answer = app.get_with_token(path, &token).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some());
    }
    for path in ["/dashboard", "/sessions", "/account"] {
        let answer = ada.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (503, 0), "{path}");
        assert!(answer.header("retry-after").is_some() && !answer.body.contains(crate::support::MARKER));
    }
    assert_eq!(ada.get("/").await.status, 200, "what needs no session is served");
    let out = ada.post("/api/log_out", &[]).await;
    assert!(
        !out.set_cookies().iter().any(|cookie| cookie.starts_with("latchkey=;")),
        "the session cookie is not cleared"
    );
    let events = request(Method::GET, "/session/events").header(header::COOKIE, &cookies);
    assert_eq!(app.send(events.body(Body::empty()).expect("a request")).await.status, 503);

    app.database.comes_back().await;
    assert!(app.opens(&token).await, "the session is still live");
    assert_eq!(ada.get("/dashboard").await.status, 200);
}

#[tokio::test]
async fn without_the_database_every_change_is_refused_with_503_and_retry_after() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    app.database.goes_away().await;
    let fields = [
        ("session", "01890000-0000-7000-8000-000000000000"),
        ("username", "ada"),
        ("password", PASSWORD),
        ("current_password", PASSWORD),
        ("new_password", "another quiet harbour"),
        ("email", ""),
    ];
    for path in [
        "/api/log_in",
        "/api/log_out",
        "/api/end_session",
        "/api/end_other_sessions",
        "/api/change_password",
        "/api/change_email",
        "/api/remove_account",
    ] {
        let request = request(Method::POST, path)
            .header(header::COOKIE, ada.cookie_header())
            .header(header::ORIGIN, crate::support::ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = app
            .send(request.body(Body::from(crate::support::form(&fields))).expect("a request"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.set_cookies().len()),
            (503, 0),
            "{path}: {}",
            answer.body
        );
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    for (path, fields) in [("/token", &refresh[..]), ("/revoke", &[("token", tokens.refresh.as_str())][..])] {
        let answer = app.post(path, fields).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}");
    }
    app.database.comes_back().await;
    assert!(
        app.opens(&app.refreshed(&tokens.refresh).await.access).await,
        "the same token still works"
    );
}

#[tokio::test]
async fn a_session_that_ended_during_an_outage_is_refused_after_it() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let token = app.token("ada").await;
    let elsewhere = app.another().await;
    app.pass_seconds(LAG + 1);
    let name = latchkey_types::Username::parse("ada").expect("a name");
    elsewhere.accounts.end_sessions(&name).await.expect("done");
    // No background task reads revocations here: the request itself does, once the last read is too old.
    assert!(!app.opens(&token).await);
}

#[tokio::test]
async fn with_an_expired_token_during_an_outage_a_page_is_unavailable_and_the_cookies_stay() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    app.database.goes_away().await;
    app.pass_seconds(900);
    let answer = ada.get("/dashboard").await;
    assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (503, 0));
    let login = ada.get("/login").await;
    assert_eq!((login.status.as_u16(), login.set_cookies().len()), (200, 0), "the cookies stay");
    app.database.comes_back().await;
    assert_eq!(ada.get("/dashboard").await.status, 200);
}

#[tokio::test]
async fn a_program_that_starts_knows_which_sessions_ended_before() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    app.post("/revoke", &[("token", &tokens.refresh)]).await;
    let app = app.restarted(|_| {}).await;
    assert!(!app.opens(&tokens.access).await);
}

#[tokio::test]
async fn revocations_events_and_sessions_are_removed_once_they_expired_and_no_earlier() {
    let app = TestApp::new().await;
    let mut browser = app.signed_up("ada").await;
    assert_eq!(browser.get("/dashboard").await.status, 200, "its cookie comes back");
    let ada = app.user_id("ada").await;
    let tokens = app.grant("ada").await;
    app.post("/revoke", &[("token", &tokens.refresh)]).await;
    for _ in 0..110 {
        let tokens = app.grant("ada").await;
        app.post("/revoke", &[("token", &tokens.refresh)]).await;
    }
    let rows = async || {
        let mut news = 0;
        app.state.store.revocations_after(0, |_| news += 1).await.expect("the revocations");
        let events = app.state.store.events(&ada, 10_000).await.expect("events").len();
        (news, events)
    };
    app.state.housekeeping.tidy().await.expect("tidied");
    assert_eq!(rows().await, (111, 223), "everything is still needed");
    app.pass_seconds(900);
    app.state.housekeeping.tidy().await.expect("tidied");
    assert_eq!(rows().await, (0, 223), "no token that the revocations apply to is valid any more");
    assert!(!app.opens(&tokens.access).await);
    assert_eq!(app.refresh(&tokens.refresh).await.json()["error"], "invalid_grant");
    app.pass_seconds(91 * DAY);
    app.state.housekeeping.tidy().await.expect("tidied");
    assert_eq!(rows().await, (0, 0));
    assert_eq!(
        app.state.store.count_live_sessions(0).await.expect("a count"),
        0,
        "no row of a session is left"
    );
    assert_eq!(app.post("/token", &[("username", "ada"), ("password", PASSWORD)]).await.status, 200);
}

#[tokio::test]
async fn failed_sign_ins_from_one_address_share_a_row_of_the_audit_trail() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let ada = app.user_id("ada").await;
    for _ in 0..5 {
        app.post("/token", &[("username", "ada"), ("password", "wrong password")]).await;
        app.pass_seconds(60);
    }
    app.state.writer.write().await.expect("written");
    let events = app.state.store.events(&ada, 10).await.expect("events");
    assert_eq!((events.len(), events[0].count, events[0].kind.as_str()), (2, 5, "sign_in_failed"));
    app.pass_seconds(3600);
    app.post("/token", &[("username", "ada"), ("password", "wrong password")]).await;
    app.state.writer.write().await.expect("written");
    assert_eq!(
        app.state.store.events(&ada, 10).await.expect("events").len(),
        3,
        "an hour later a new row begins"
    );
    app.state.sessions.sync.catch_up().await.expect("caught up");
}
