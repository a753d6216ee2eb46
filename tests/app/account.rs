//! `/sessions` and `/account`: what people see and change of their own account.

use axum::body::Body;
use http::{Method, header};

use crate::support::{Answer, Browser, ORIGIN, PASSWORD, TestApp, form, request};

const NEW: &str = "another quiet harbour";
const PROOF_LASTS: i64 = 600;

/// Requests the dashboard with these cookies.
async fn with_cookies(app: &TestApp, cookies: &str) -> Answer {
    let request = request(Method::GET, "/dashboard").header(header::COOKIE, cookies);
    app.send(request.body(Body::empty()).expect("a request")).await
}

/// Posts as a script on the page would, and gets JSON instead of pages.
async fn post_for_json(app: &TestApp, browser: &Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = request(Method::POST, path)
        .header(header::COOKIE, browser.cookie_header())
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json");
    app.send(request.body(Body::from(form(fields))).expect("a request")).await
}

async fn signs_in(app: &TestApp, password: &str) -> bool {
    app.post("/token", &[("username", "ada"), ("password", password)]).await.status == 200
}

#[tokio::test]
async fn sessions_are_shown_with_device_kind_of_client_and_times() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let program = request(Method::POST, "/token")
        .header(header::USER_AGENT, "curl/8.5.0")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = Body::from(form(&[("username", "ada"), ("password", PASSWORD)]));
    assert_eq!(app.send(program.body(body).expect("a request")).await.status, 200);
    let page = ada.get("/sessions").await.body;
    for shown in [
        "curl 8.5.0",
        "This device",
        "through the API",
        "in a browser",
        "15 January 2027, 08:00 UTC",
        "End the other session",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert_eq!(page.matches("class=\"panel card\"").count(), 2);
    ada.post("/api/end_other_sessions", &[]).await;
    let page = ada.get("/sessions").await.body;
    assert!(page.contains("All your other sessions were ended.") && !page.contains("curl") && !page.contains("End the other"));
}

#[tokio::test]
async fn with_many_sessions_the_pages_stay_small_and_all_sessions_can_be_ended() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for _ in 0..120 {
        app.grant("ada").await;
        app.pass_seconds(1);
    }
    let page = ada.get("/sessions").await.body;
    assert_eq!(page.matches("class=\"panel card\"").count(), 25);
    assert!(
        page.contains("1 to 25 of 121") && page.contains("End all 120 other sessions"),
        "{page}"
    );
    assert!(
        page.find("This device") < page.find("through the API"),
        "the current session comes first although it is the oldest"
    );
    let dashboard = ada.get("/dashboard").await.body;
    assert!(dashboard.contains("See 117 more, and end them"));
    ada.post("/api/end_other_sessions", &[]).await;
    assert_eq!(ada.get("/sessions").await.body.matches("class=\"panel card\"").count(), 1);
}

#[tokio::test]
async fn the_time_of_last_use_is_shown_to_the_minute() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let token = app.token("ada").await;
    app.pass_seconds(300);
    assert!(app.opens(&token).await);
    app.state.writer.write().await.expect("written");
    let page = ada.get("/sessions").await.body;
    assert!(page.contains("08:05 UTC"), "{page}");
}

#[tokio::test]
async fn a_password_change_keeps_this_session_and_ends_the_others() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let (old_access, old_refresh) = (
        ada.cookie("latchkey").expect("a token").to_owned(),
        ada.cookie("latchkey-refresh").expect("a token").to_owned(),
    );
    let mut other = app.browser();
    other.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    let answer = ada
        .post("/api/change_password", &[("current_password", PASSWORD), ("new_password", NEW)])
        .await;
    assert_eq!(answer.location(), Some("/account#change-password"));
    assert!(ada.get("/account").await.body.contains("Your password was changed."));
    assert_eq!(other.get("/dashboard").await.status, 303);
    assert!(other.get("/login").await.body.contains("The password of this account was changed"));
    assert!(
        !app.opens(&old_access).await && app.refresh(&old_refresh).await.status == 400,
        "a stolen token of this browser is revoked too"
    );
    assert!(!signs_in(&app, PASSWORD).await && signs_in(&app, NEW).await);
}

#[tokio::test]
async fn a_password_change_can_keep_the_other_sessions() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let other = app.grant("ada").await;
    let fields = [("current_password", PASSWORD), ("new_password", NEW), ("keep_others", "yes")];
    ada.post("/api/change_password", &fields).await;
    assert_eq!(ada.get("/dashboard").await.status, 200);
    assert!(app.opens(&app.refreshed(&other.refresh).await.access).await);
}

#[tokio::test]
async fn a_refused_password_change_says_why_beside_its_field_and_changes_nothing() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for (current, new, field, sentence) in [
        ("wrong password", NEW, "current_password", "This is not your password."),
        ("", NEW, "current_password", "This field is required."),
        (PASSWORD, "short", "new_password", "Use at least 8 characters."),
        (PASSWORD, "password1", "new_password", "attackers try first"),
        (PASSWORD, "", "new_password", "This field is required."),
    ] {
        let fields = [("current_password", current), ("new_password", new)];
        let json = post_for_json(&app, &ada, "/api/change_password", &fields).await;
        assert_eq!(json.status, 422);
        assert!(
            json.json()["errors"][field].as_str().is_some_and(|said| said.contains(sentence)),
            "{}",
            json.body
        );
        assert_eq!(
            ada.post("/api/change_password", &fields).await.location(),
            Some("/account#change-password")
        );
        let page = ada.get("/account").await.body;
        assert!(page.contains(sentence) && !page.contains("wrong password"), "{sentence}");
    }
    assert!(signs_in(&app, PASSWORD).await);
}

#[tokio::test]
async fn an_email_change_asks_for_the_password_when_it_was_given_long_ago() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let answer = ada.post("/api/change_email", &[("email", "ada@example.org")]).await;
    assert_eq!(answer.location(), Some("/account#change-email"));
    let page = ada.get("/account").await.body;
    assert!(page.contains("ada@example.org") && page.contains("Your email address was changed."));
    assert!(!page.contains("change-email-password"), "the password was given a moment ago");

    app.pass_seconds(PROOF_LASTS);
    assert!(ada.get("/account").await.body.contains("id=\"change-email-password\""));
    for (password, sentence) in [
        ("", "you last entered it a while ago"),
        ("wrong password", "This is not your password."),
    ] {
        ada.post("/api/change_email", &[("email", "eve@example.org"), ("password", password)])
            .await;
        let page = ada.get("/account").await.body;
        assert!(page.contains(sentence), "{page}");
        assert!(page.contains("value=\"eve@example.org\""), "the typed value is kept");
        assert!(page.contains("<dd>ada@example.org"), "nothing is changed");
    }
    let copied = ada.cookie_header();
    ada.post("/api/change_email", &[("email", ""), ("password", PASSWORD)]).await;
    assert_eq!(
        with_cookies(&app, &copied).await.status,
        303,
        "copies of the earlier tokens are revoked"
    );
    let page = ada.get("/account").await.body;
    assert!(
        !page.contains("ada@example.org") && !page.contains("change-email-password"),
        "the password was given just now"
    );
    ada.post("/api/change_email", &[("email", "ada@")]).await;
    assert!(ada.get("/account").await.body.contains("does not look like an email address"));
}

#[tokio::test]
async fn a_post_without_its_fields_changes_nothing() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up_with_email("ada", "ada@example.org").await;
    for (path, status) in [
        ("/api/end_session", 404),
        ("/api/change_password", 422),
        ("/api/change_email", 422),
        ("/api/remove_account", 422),
    ] {
        assert_eq!(post_for_json(&app, &ada, path, &[]).await.status, status, "{path}");
    }
    assert!(ada.get("/account").await.body.contains("ada@example.org"));
    assert_eq!(
        post_for_json(&app, &ada, "/api/change_email", &[("email", "")]).await.status,
        200,
        "an empty address removes the address"
    );
    assert!(!ada.get("/account").await.body.contains("ada@example.org"));
}

#[tokio::test]
async fn of_two_identical_requests_at_once_only_one_takes_effect() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let other = app.grant("ada").await;
    let sid = app.get_with_token("/me", &other.access).await.json()["sid"].clone();
    let end = [("session", sid.as_str().expect("text"))];
    let (one, two) = tokio::join!(
        post_for_json(&app, &ada, "/api/end_session", &end),
        post_for_json(&app, &ada, "/api/end_session", &end)
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
    let removal = [("username", "ada"), ("password", PASSWORD)];
    let (one, two) = tokio::join!(
        post_for_json(&app, &ada, "/api/remove_account", &removal),
        post_for_json(&app, &ada, "/api/remove_account", &removal)
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn an_account_is_removed_only_after_its_name_and_password_are_typed() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let program = app.grant("ada").await;
    for (name, password, sentence) in [
        ("grace", PASSWORD, "This is not your sign-in name."),
        ("ada", "wrong password", "This is not your password."),
        ("ada", "", "This field is required."),
    ] {
        ada.post("/api/remove_account", &[("username", name), ("password", password)]).await;
        assert!(ada.get("/account").await.body.contains(sentence));
    }
    let answer = ada
        .post("/api/remove_account", &[("username", "Ada"), ("password", PASSWORD)])
        .await;
    assert_eq!(answer.location(), Some("/login"));
    assert!(ada.get("/login").await.body.contains("Your account was removed."));
    assert!(!app.opens(&program.access).await && app.refresh(&program.refresh).await.status == 400);
    assert!(!signs_in(&app, PASSWORD).await);
    let mut next = app.signed_up("ada").await;
    assert!(
        !next.get("/dashboard").await.body.contains("[\"admin\"]"),
        "a later account never becomes administrator"
    );
}

#[tokio::test]
async fn nothing_can_be_changed_without_a_session() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for path in [
        "/api/end_session",
        "/api/end_other_sessions",
        "/api/change_password",
        "/api/change_email",
        "/api/remove_account",
    ] {
        let fields = [
            ("username", "ada"),
            ("password", PASSWORD),
            ("current_password", PASSWORD),
            ("new_password", NEW),
            ("email", ""),
        ];
        let answer = app.post(path, &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["detail"].as_str()),
            (401, Some("Not authenticated")),
            "{path}"
        );
        let page = app.browser().post(path, &fields).await;
        assert!(page.location().is_some_and(|to| to.starts_with("/login?next=%2F")), "{path}");
    }
    assert!(signs_in(&app, PASSWORD).await);
}

#[tokio::test]
async fn the_dashboard_lists_the_latest_events() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for _ in 0..2 {
        app.post("/token", &[("username", "ada"), ("password", "wrong password")]).await;
    }
    app.state.writer.write().await.expect("written");
    let stolen = app.grant("ada").await;
    let second = app.refreshed(&stolen.refresh).await;
    app.opens(&second.access).await;
    app.pass_seconds(11);
    app.refresh(&stolen.refresh).await;
    ada.post("/api/change_email", &[("email", "ada@example.org")]).await;
    ada.post("/api/change_password", &[("current_password", PASSWORD), ("new_password", NEW)])
        .await;
    let page = ada.get("/dashboard").await.body;
    for shown in [
        "Account created",
        "Sign-in failed (2 times)",
        "Signed in",
        "Copied token detected; session ended",
        "Email changed",
        "Password changed",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    for secret in [PASSWORD, NEW, &stolen.refresh, &stolen.access] {
        assert!(!page.contains(secret));
    }
}
