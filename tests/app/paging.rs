//! The pages of `/sessions`.

use std::collections::BTreeSet;

use http::{Method, header};
use latchkey_types::UserId;

use crate::support::{Browser, NOW, TestApp, form, request};

const ON_A_PAGE: usize = 25;

/// A parsed page.
struct Page {
    /// The session ids in its forms, from top to bottom.
    sessions: Vec<String>,
    /// The address behind the link "Older sessions".
    older: Option<String>,
    body: String,
}

impl Page {
    fn of(body: String) -> Self {
        let ids = body.split("name=\"session\" value=\"").skip(1);
        Self {
            sessions: ids.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect(),
            older: body
                .split("href=\"/sessions?after=")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .map(|after| format!("/sessions?after={after}")),
            body,
        }
    }

    fn leads_back(&self) -> bool {
        self.body.contains("Back to the newest")
    }
}

async fn look(browser: &mut Browser<'_>, address: &str) -> Page {
    let answer = browser.get(address).await;
    assert_eq!(answer.status, 200, "{address}: {}", answer.body);
    Page::of(answer.body)
}

/// Inserts this many sessions of an account.
async fn make_sessions(app: &TestApp, user: &UserId, many: usize) {
    let made = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) \
         INSERT INTO sessions (id, user_id, client, user_agent, address, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at) \
         SELECT '01800000-0000-7000-8000-' || substr(CAST(1000000000000 + i AS TEXT), 2), '{user}', 'api', 'curl/8.5.0', '192.0.2.1', '', {NOW}, {NOW}, {NOW}, {NOW}, {NOW} + 86400, {NOW} + 86400 FROM n"
    );
    app.database.execute(&made).await;
}

#[tokio::test]
async fn the_pages_of_sessions_follow_one_another_and_show_each_session_once() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let first = look(&mut ada, "/sessions").await;
    assert_eq!((first.sessions.len(), &first.older, first.leads_back()), (1, &None, false));
    let here = first.sessions[0].clone();
    for _ in 0..60 {
        app.grant("ada").await;
    }
    let mut seen = Vec::new();
    let mut address = Some("/sessions".to_owned());
    for (range, length) in [("1 to 25 of 61", ON_A_PAGE), ("26 to 50 of 61", ON_A_PAGE), ("51 to 61 of 61", 11)] {
        let page = look(&mut ada, &address.expect("another page")).await;
        assert!(page.body.contains(range), "{range}: {}", page.body);
        assert_eq!(page.sessions.len(), length, "{range}");
        assert_eq!(page.leads_back(), !seen.is_empty(), "{range}");
        assert!(page.body.contains("End all 60 other sessions"), "{range}");
        seen.extend(page.sessions);
        address = page.older;
    }
    assert_eq!(address, None, "the last page");
    assert_eq!(seen[0], here, "this browser's session comes first although it is the oldest");
    assert!(seen[1..].is_sorted_by(|newer, older| newer > older), "then the newest first");
    assert_eq!(BTreeSet::from_iter(&seen).len(), 61, "each session once");
}

#[tokio::test]
async fn a_page_that_is_exactly_full_has_no_second_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    make_sessions(&app, &app.user_id("ada").await, ON_A_PAGE - 1).await;
    let page = look(&mut ada, "/sessions").await;
    assert_eq!((page.sessions.len(), page.older), (ON_A_PAGE, None));
    assert!(!page.body.contains(" of 25"), "no range is shown");
    app.grant("ada").await;
    let page = look(&mut ada, "/sessions").await;
    let last = look(&mut ada, &page.older.expect("one more")).await;
    assert_eq!(last.sessions.len(), 1);
    assert!(last.body.contains("26 to 26 of 26") && last.leads_back());
}

#[tokio::test]
async fn ending_a_session_of_a_later_page_leads_back_to_that_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    make_sessions(&app, &app.user_id("ada").await, 30).await;
    let address = look(&mut ada, "/sessions").await.older.expect("a second page");
    let second = look(&mut ada, &address).await;
    let after = address.split('=').nth(1).expect("a session");
    let end = [("session", second.sessions[2].as_str()), ("after", after)];
    assert_eq!(ada.post("/api/end_session", &end).await.location(), Some(address.as_str()));
    let shown = look(&mut ada, &address).await;
    assert!(
        shown.body.contains("The session was ended.") && shown.body.contains("26 to 30 of 30"),
        "{}",
        shown.body
    );
    assert_eq!(shown.sessions.len(), 5);
    assert!(
        !look(&mut ada, &address).await.body.contains("The session was ended."),
        "the notice is shown once"
    );
    // Ends the session a second time, from a page that is still open.
    assert_eq!(ada.post("/api/end_session", &end).await.location(), Some(address.as_str()));
    assert!(look(&mut ada, &address).await.body.contains("That session had already ended."));
    for after in ["", "x", "//evil.example", "0190a6b8\r\nx: y"] {
        let end = [("session", shown.sessions[1].as_str()), ("after", after)];
        assert_eq!(ada.post("/api/end_session", &end).await.location(), Some("/sessions"), "{after:?}");
    }
    let end = [("session", shown.sessions[2].as_str()), ("after", after)];
    assert_eq!(ada.call("/api/end_session", &end).await.json()["next"], address.as_str());
}

#[tokio::test]
async fn an_anonymous_visitor_is_sent_to_sign_in_and_back_to_the_requested_sessions_page() {
    let app = TestApp::new().await;
    let address = "/sessions?after=0190a6b8-5f3e-7cc1-9a3b-1f0e8d7c6b5a";
    let next = Some("/login?next=%2Fsessions%3Fafter%3D0190a6b8%2D5f3e%2D7cc1%2D9a3b%2D1f0e8d7c6b5a");
    assert_eq!(app.browser().get(address).await.location(), next);
    let fields = [("session", "x"), ("after", "0190a6b8-5f3e-7cc1-9a3b-1f0e8d7c6b5a")];
    assert_eq!(app.browser().post("/api/end_session", &fields).await.location(), next);
}

#[tokio::test]
async fn the_page_after_a_foreign_or_unknown_session_is_the_first_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let mut grace = app.signed_up("grace").await;
    make_sessions(&app, &app.user_id("ada").await, 30).await;
    let hers = look(&mut grace, "/sessions").await.sessions[0].clone();
    let first = look(&mut ada, "/sessions").await.body;
    let nobodys = "01800000-0000-7000-8000-999999999999";
    for after in [
        "",
        "x",
        "%00",
        "%ff",
        "'",
        "-1",
        "1e9",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
        nobodys,
        &hers,
        &"a".repeat(4000),
    ] {
        for address in [
            format!("/sessions?after={after}"),
            format!("/sessions?x=y&after={after}&after={nobodys}"),
        ] {
            assert!(look(&mut ada, &address).await.body == first, "{after}");
        }
    }
    for address in ["/sessions?", "/sessions?after", "/sessions?before=x", "/sessions?AFTER=x"] {
        assert!(look(&mut ada, address).await.body == first, "{address}");
    }
}

#[tokio::test]
async fn a_session_that_ends_meanwhile_does_not_break_paging() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    make_sessions(&app, &app.user_id("ada").await, 30).await;
    let first = look(&mut ada, "/sessions").await;
    let address = first.older.clone().expect("a second page");
    let second = look(&mut ada, &address).await;
    // The session after which the second page begins.
    let last = first.sessions.last().expect("one");
    ada.post("/api/end_session", &[("session", last)]).await;
    look(&mut ada, "/sessions").await;
    let shown = look(&mut ada, &address).await;
    assert_eq!(shown.sessions, second.sessions);
    assert!(shown.body.contains("25 to 30 of 30"), "{}", shown.body);
    for session in &second.sessions {
        ada.post("/api/end_session", &[("session", session)]).await;
    }
    ada.get("/sessions").await;
    let shown = look(&mut ada, &address).await;
    assert!(!shown.leads_back(), "nothing is left of the second page, so the first one is shown");
    assert_eq!((shown.sessions.len(), &shown.sessions[..24]), (24, &first.sessions[..24]));
}

#[tokio::test]
async fn a_page_does_not_count_more_than_a_thousand_sessions() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    make_sessions(&app, &app.user_id("ada").await, 999).await;
    assert!(look(&mut ada, "/sessions").await.body.contains("1 to 25 of 1000"));
    assert!(ada.get("/dashboard").await.body.contains("See 996 more, and end them"));
    // As in an account from before the session limit existed.
    let columns = "user_id, client, user_agent, address, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at";
    let another = format!(
        "INSERT INTO sessions (id, {columns}) SELECT '01800000-0000-7000-8000-000000001000', {columns} FROM sessions WHERE id = '01800000-0000-7000-8000-000000000999'"
    );
    app.database.execute(&another).await;
    let first = look(&mut ada, "/sessions").await;
    assert!(
        first.body.contains("1 to 25 of more than 1000") && first.body.contains(">End all other sessions<"),
        "{}",
        first.body
    );
    let second = look(&mut ada, &first.older.expect("a second page")).await;
    assert!(second.body.contains("25 of more than 1000"), "{}", second.body);
    assert!(ada.get("/dashboard").await.body.contains("See more than 1000, and end them"));
    assert_eq!(ada.post("/api/end_other_sessions", &[]).await.location(), Some("/sessions"));
    assert_eq!(look(&mut ada, "/sessions").await.sessions.len(), 1);
}

#[tokio::test]
async fn the_sessions_page_shows_only_sessions_of_the_signed_in_account() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    app.signed_up("grace").await;
    make_sessions(&app, &app.user_id("grace").await, 60).await;
    let mut address = Some("/sessions".to_owned());
    let mut pages = 0;
    while let Some(asked) = address {
        let page = look(&mut ada, &asked).await;
        assert!(!page.body.contains("192.0.2.1"), "{asked}");
        address = page.older;
        pages += 1;
    }
    assert_eq!(pages, 1);
    let request = request(Method::POST, "/api/end_session").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let body = form(&[("session", "01800000-0000-7000-8000-000000000001"), ("after", "x")]);
    assert_eq!(app.send(request.body(body.into()).expect("a request")).await.status, 401);
}
