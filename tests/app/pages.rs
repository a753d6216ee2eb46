//! The pages: who may see which page, and which headers every answer carries.

use http::Method;

use crate::hostile::FORMS;
use crate::support::{MARKER, PASSWORD, TestApp, form, request};

/// Every page with its heading, and whether it is protected.
const PAGES: [(&str, &str, bool); 7] = [
    ("/", "Latchkey", false),
    ("/login", "Sign in", false),
    ("/signup", "Create account", false),
    ("/docs", "API", false),
    ("/dashboard", "Dashboard", true),
    ("/sessions", "Sessions", true),
    ("/account", "Account", true),
];

#[tokio::test]
async fn every_page_has_one_heading_and_says_what_it_is() {
    let app = TestApp::new().await;
    let mut visitor = app.browser();
    let mut ada = app.signed_up("ada").await;
    for (path, heading, protected) in PAGES {
        let answer = if protected { ada.get(path).await } else { visitor.get(path).await };
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body.matches("<h1").count(), 1, "{path}");
        assert!(answer.body.contains(&format!("<h1>{heading}")), "{path}: {}", answer.body);
        assert!(answer.body.starts_with("<!DOCTYPE html>"), "{path}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
}

#[tokio::test]
async fn protected_pages_name_the_signed_in_user_and_offer_to_sign_out() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for (path, _, _) in PAGES.into_iter().filter(|(_, _, protected)| *protected) {
        let page = ada.get(path).await.body;
        assert!(page.contains(MARKER), "{path}");
        assert!(page.contains("Signed in as "), "{path}");
        assert!(page.contains(r#"action="/api/log_out""#), "{path}");
    }
}

#[tokio::test]
async fn no_page_holds_an_inline_script_or_style() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for (path, _, _) in PAGES {
        let page = ada.get(path).await.body;
        for (at, _) in page.match_indices("<script") {
            assert!(
                page[at..].starts_with("<script type=\"module\" src=\"/assets/"),
                "{path}: {}",
                &page[at..at + 80]
            );
        }
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_on_a_page_comes_from_another_host() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for (path, _, _) in PAGES {
        let page = ada.get(path).await.body;
        for attribute in ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "action=\"http"] {
            assert!(!page.contains(attribute), "{path} has {attribute}");
        }
    }
}

#[tokio::test]
async fn every_answer_including_errors_carries_the_security_headers() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let answers = [
        ada.get("/").await,
        ada.get("/dashboard").await,
        ada.get("/nowhere").await,
        ada.post("/dashboard", &[]).await,
        app.get("/protected").await,
        app.get("/health/live").await,
        app.get("/assets/nothing.js").await,
        app.post_raw("/token", "text/plain", "x").await,
        app.post_raw("/api/log_in", "application/json", "{}").await,
        app.send(
            request(Method::GET, "/")
                .header("host", "evil.example")
                .body(axum::body::Body::empty())
                .expect("a request"),
        )
        .await,
    ];
    for answer in answers {
        let status = answer.status;
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{status}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{status}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{status}");
        assert!(answer.header("permissions-policy").is_some(), "{status}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
        assert_eq!(answer.header("strict-transport-security"), None, "{status}: only on https");
    }
}

#[tokio::test]
async fn an_unknown_address_is_404_as_a_page_or_as_json() {
    let app = TestApp::new().await;
    let page = app.browser().get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.body.contains("<h1>Page not found"));
    let json = app.get("/nowhere").await;
    assert_eq!(
        (json.status.as_u16(), json.json()),
        (404, serde_json::json!({"detail": "Not Found"}))
    );
}

#[tokio::test]
async fn a_wrong_method_is_405() {
    let app = TestApp::new().await;
    for (method, path) in [
        (Method::GET, "/token"),
        (Method::POST, "/protected"),
        (Method::GET, "/api/log_in"),
        (Method::DELETE, "/me"),
        (Method::TRACE, "/"),
    ] {
        let answer = app
            .send(request(method.clone(), path).body(axum::body::Body::empty()).expect("a request"))
            .await;
        assert_eq!(answer.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_get_request_to_an_address_for_posts_changes_nothing() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up_with_email("ada", "ada@example.org").await;
    let other = app.grant("ada").await;
    let sid = app.get_with_token("/me", &other.access).await.json()["sid"].clone();
    let query = form(&[
        ("username", "ada"),
        ("password", PASSWORD),
        ("current_password", PASSWORD),
        ("new_password", "another quiet harbour"),
        ("email", ""),
        ("session", sid.as_str().expect("text")),
        ("token", &other.refresh),
        ("grant_type", "password"),
    ]);
    for path in FORMS.into_iter().chain(["/introspect"]) {
        for method in [Method::GET, Method::HEAD] {
            for address in [path.to_owned(), format!("{path}?{query}")] {
                let answer = ada.send(method.clone(), &address, &query).await;
                // A browser is redirected to the form.
                let status = if path.starts_with("/api/") { 303 } else { 405 };
                assert_eq!(
                    (answer.status.as_u16(), answer.set_cookies().len()),
                    (status, 0),
                    "{method} {address}"
                );
                assert_eq!(answer.header("allow"), Some("POST"), "{method} {address}");
                // The request that an image on another site sends.
                let image = request(method.clone(), &address)
                    .header("cookie", ada.cookie_header())
                    .header("sec-fetch-site", "cross-site")
                    .header("referer", "https://evil.example/");
                let answer = app.send(image.body(axum::body::Body::empty()).expect("a request")).await;
                assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (405, 0), "{method} {address}");
            }
        }
    }
    let page = ada.get("/account").await;
    assert!(
        page.status == 200 && page.body.contains("ada@example.org"),
        "her session and her email address are unchanged"
    );
    assert!(app.opens(&other.access).await, "her other session is live");
    let account = app.user_id("ada").await;
    let sessions = app.state.store.count_sessions_of(&account, app.state.clock.now()).await;
    assert_eq!(sessions.expect("a count"), 2, "no session was added");
    app.token("ada").await;
}

#[tokio::test]
async fn cookies_are_secure_and_bound_to_the_host_on_https() {
    let app = TestApp::with(|settings| settings.public_url = Some("https://example.org".into())).await;
    let request = request(Method::POST, "/api/sign_up")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(&[("username", "ada"), ("password", PASSWORD)]).into())
        .expect("a request");
    let (mut parts, body) = request.into_parts();
    parts.headers.insert("host", "example.org".parse().expect("a host"));
    let answer = app.send(http::Request::from_parts(parts, body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let cookies = answer.set_cookies();
    assert!(
        cookies[0].starts_with("__Host-latchkey=") && cookies[0].ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900"),
        "{cookies:?}"
    );
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}
