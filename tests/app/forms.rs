//! Signing up, signing in and signing out, by browsers without JavaScript and by programs.

use axum::body::Body;
use http::{Method, header};
use leptos::server_fn::axum::server_fn_paths;

use crate::support::{MARKER, ORIGIN, PASSWORD, TestApp, form, request};

#[tokio::test]
async fn signing_up_signs_in_and_leads_to_the_dashboard() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up(" Ada ").await;
    let dashboard = ada.get("/dashboard").await;
    assert!(dashboard.body.contains(MARKER) && dashboard.body.contains("<strong>ada</strong>"));
}

#[tokio::test]
async fn signing_in_leads_back_to_the_requested_page() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut ada = app.browser();
    let led = ada.get("/account?tab=1").await;
    assert_eq!(led.location(), Some("/login?next=%2Faccount%3Ftab%3D1"));
    let form = ada.get("/login?next=%2Faccount%3Ftab%3D1").await.body;
    assert!(form.contains(r#"name="next" value="/account?tab=1""#), "{form}");
    let back = ada
        .post(
            "/api/log_in",
            &[("username", "ada"), ("password", PASSWORD), ("next", "/account?tab=1")],
        )
        .await;
    assert_eq!(back.location(), Some("/account?tab=1"));
    assert_eq!(
        ada.get("/login").await.location(),
        Some("/dashboard"),
        "already signed in: no form is shown"
    );
}

#[tokio::test]
async fn next_never_leads_off_the_site() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "\r\nSet-Cookie: a=b",
        "/\t/evil.example",
    ] {
        let answer = app
            .browser()
            .post("/api/log_in", &[("username", "ada"), ("password", PASSWORD), ("next", next)])
            .await;
        assert_eq!(answer.location(), Some("/dashboard"), "{next:?}");
    }
}

#[tokio::test]
async fn no_form_redirects_to_the_referer_of_a_request_or_to_another_site() {
    const EVIL: &str = "https://evil.example/";
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let paths: Vec<&str> = server_fn_paths().map(|(path, _)| path).collect();
    assert!(paths.len() >= 8, "{paths:?}");
    for path in paths {
        for signed_in in [true, false] {
            let mut browser = app.browser();
            let right = [("username", "ada"), ("password", PASSWORD)];
            if signed_in {
                browser.post("/api/log_in", &right).await;
            }
            let urlencoded = "application/x-www-form-urlencoded";
            // Most cases are refused before the server function runs. Those that run it come last, because it may end the session.
            for (origin, content_type, body, status) in [
                ("https://evil.example", urlencoded, form(&right), 403),
                (ORIGIN, "text/plain", form(&right), 415),
                (ORIGIN, urlencoded, "username=%".to_owned(), 400),
                (ORIGIN, urlencoded, "a".repeat(17 * 1024), 413),
                (ORIGIN, urlencoded, form(&[("username", "ad"), ("password", "wrong")]), 303),
                (ORIGIN, urlencoded, form(&[("next", EVIL)]), 303),
            ] {
                let request = request(Method::POST, path)
                    .header(header::ACCEPT, "text/html")
                    .header(header::REFERER, EVIL)
                    .header(header::COOKIE, browser.cookie_header())
                    .header(header::ORIGIN, origin)
                    .header(header::CONTENT_TYPE, content_type);
                let answer = app.send(request.body(Body::from(body)).expect("a request")).await;
                assert_eq!(answer.status, status, "{path} {content_type}");
                let location = answer.location();
                assert_eq!(location.is_some(), status == 303, "{path} {content_type}");
                let ours = location.is_none_or(|to| to.starts_with('/') && !to.starts_with("//") && !to.contains("evil"));
                assert!(ours && !answer.body.contains("evil.example"), "{path}: {location:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut answers = Vec::new();
    for (username, password) in [("ada", "wrong password"), ("grace", PASSWORD), ("no such name!", PASSWORD)] {
        let answer = app.post("/api/log_in", &[("username", username), ("password", password)]).await;
        assert_eq!(answer.status, 401);
        assert!(answer.set_cookies().is_empty());
        answers.push(answer.json());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn a_refused_form_is_shown_again_with_the_typed_values_but_never_the_password() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut browser = app.browser();
    let answer = browser
        .post(
            "/api/log_in",
            &[("username", "ada"), ("password", "wrong password"), ("next", "/account")],
        )
        .await;
    assert_eq!(answer.location(), Some("/login?next=%2Faccount"));
    let form = browser.get("/login?next=%2Faccount").await.body;
    assert!(form.contains("The sign-in name or the password is wrong."), "{form}");
    assert!(form.contains(r#"value="ada""#) && form.contains(r#"value="/account""#));
    assert!(!form.contains("wrong password"));
    assert!(!browser.get("/login").await.body.contains("is wrong"), "the error is shown once");
}

#[tokio::test]
async fn errors_are_shown_beside_their_fields() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let cases = [
        (("ad", PASSWORD, ""), "Use at least 3 characters."),
        (("admin", PASSWORD, ""), "This name is reserved."),
        (("ADA", PASSWORD, ""), "This name is taken."),
        (("grace", "short", ""), "Use at least 8 characters."),
        (("grace", "password1", ""), "attackers try first"),
        (("grace.hopper", "Grace.Hopper", ""), "must not be the sign-in name"),
        (("grace", PASSWORD, "nonsense"), "does not look like an email address"),
    ];
    for ((username, password, email), sentence) in cases {
        let fields = [("username", username), ("password", password), ("email", email)];
        let json = app.post("/api/sign_up", &fields).await;
        assert_eq!(json.status, 422, "{fields:?}");
        assert!(json.json()["errors"].to_string().contains(sentence), "{}", json.body);

        let mut browser = app.browser();
        assert_eq!(browser.post("/api/sign_up", &fields).await.location(), Some("/signup"));
        let form = browser.get("/signup").await.body;
        assert!(form.contains(sentence) && form.contains(r#"aria-invalid="true""#), "{form}");
        assert!(form.contains(&format!(r#"value="{username}""#)), "{form}");
    }
}

#[tokio::test]
async fn typed_markup_is_shown_as_text() {
    let app = TestApp::new().await;
    let mut browser = app.browser();
    let evil = r#""><script>alert(1)</script>"#;
    browser
        .post("/api/sign_up", &[("username", evil), ("password", PASSWORD), ("email", evil)])
        .await;
    let form = browser.get("/signup").await.body;
    assert!(!form.contains("<script>alert"), "{form}");
    assert!(form.contains("alert(1)"), "the typed value is shown, as text");
}

#[tokio::test]
async fn signing_out_ends_the_session_and_says_so() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let answer = ada.post("/api/log_out", &[]).await;
    assert_eq!(answer.location(), Some("/login"));
    assert_eq!(ada.cookie("latchkey"), None);
    assert!(ada.get("/login").await.body.contains("You are signed out."));
    assert_eq!(ada.get("/dashboard").await.location(), Some("/login?next=%2Fdashboard"));
    assert_eq!(
        ada.post("/api/log_out", &[]).await.location(),
        Some("/login"),
        "signing out twice does no harm"
    );
}

#[tokio::test]
async fn only_the_first_account_becomes_administrator_even_after_it_is_removed() {
    let app = TestApp::new().await;
    assert!(
        app.browser()
            .get("/signup")
            .await
            .body
            .contains("The first account becomes the administrator.")
    );
    app.signed_up("ada").await;
    assert!(!app.browser().get("/signup").await.body.contains("The first account becomes"));
    let ada = latchkey_types::Username::parse("ada").expect("a name");
    assert!(app.state.accounts.remove(&ada).await.expect("removed"));
    app.signed_up("grace").await;
    let me = app.get_with_token("/me", &app.token("grace").await).await;
    assert_eq!(me.json()["roles"], serde_json::json!(["user"]));
}

#[tokio::test]
async fn of_many_concurrent_first_sign_ups_only_one_becomes_administrator() {
    let app = TestApp::new().await;
    let names: Vec<String> = (0..16).map(|n| format!("user-{n}")).collect();
    let fields: Vec<[(&str, &str); 2]> = names
        .iter()
        .map(|name| [("username", name.as_str()), ("password", PASSWORD)])
        .collect();
    let answers = futures::future::join_all(fields.iter().map(|fields| app.post("/api/sign_up", fields))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let users = app.state.store.users_after("", 100).await.expect("listed");
    assert_eq!(users.len(), 16);
    assert_eq!(users.iter().filter(|user| user.role == latchkey_types::Role::Admin).count(), 1);
}

#[tokio::test]
async fn of_two_concurrent_sign_ups_with_one_name_only_one_succeeds() {
    let app = TestApp::new().await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    for round in 0..20 {
        let name = format!("ada-{round}");
        // With the same password, the second would count as a repetition of the first.
        let [first, second] = [fields[1], ("password", "another quiet harbour")].map(|password| [("username", name.as_str()), password]);
        let (first, second) = tokio::join!(app.post("/api/sign_up", &first), app.post("/api/sign_up", &second));
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
        let loser = if first.status == 422 { first } else { second };
        assert!(loser.body.contains("taken"), "{}", loser.body);
    }
}

#[tokio::test]
async fn sign_up_is_refused_when_it_is_closed() {
    let app = TestApp::with(|settings| settings.signup = Some("closed".into())).await;
    let answer = app.post("/api/sign_up", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 403);
    assert!(app.browser().get("/signup").await.body.contains("Sign-up is closed"));
}

#[tokio::test]
async fn form_fields_that_look_like_privileges_grant_none() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let fields = [
        ("username", "mallory"),
        ("password", PASSWORD),
        ("roles", "admin"),
        ("role", "admin"),
        ("is_admin", "true"),
        ("id", "1"),
    ];
    assert_eq!(app.post("/api/sign_up", &fields).await.status, 200);
    let me = app.get_with_token("/me", &app.token("mallory").await).await;
    assert_eq!(me.json()["roles"], serde_json::json!(["user"]));
}

#[tokio::test]
async fn signing_in_ends_a_session_that_was_planted_in_the_browser() {
    let app = TestApp::new().await;
    let mut browser = app.signed_up("mallory").await;
    let planted = browser.cookie("latchkey").expect("a token").to_owned();
    app.signed_up("ada").await;
    browser.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert!(!app.opens(&planted).await, "the planted token is revoked");
    assert_ne!(browser.cookie("latchkey"), Some(planted.as_str()));
    assert!(browser.get("/dashboard").await.body.contains("<strong>ada</strong>"));
}
