//! The API for other programs has exactly the statuses, headers and bodies of the contract.

use axum::body::Body;
use http::{Method, header};
use serde_json::json;

use crate::support::{PASSWORD, TestApp, request};

#[tokio::test]
async fn a_name_and_a_password_get_a_token_for_the_protected_route() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for grant in [&[][..], &[("grant_type", "password")][..]] {
        let fields = [
            &[("username", "Ada"), ("password", PASSWORD), ("client_id", "any"), ("scope", "all")][..],
            grant,
        ]
        .concat();
        let answer = app.post("/token", &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body = answer.json();
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(900)));
        let greeting = app
            .get_with_token("/protected", body["access_token"].as_str().expect("a token"))
            .await;
        assert_eq!(
            (greeting.status.as_u16(), greeting.json()),
            (200, json!({"message": "Hello, ada! This is a protected route."}))
        );
    }
}

#[tokio::test]
async fn me_returns_the_decoded_user() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let me = app.get_with_token("/me", &app.token("ada").await).await.json();
    assert_eq!(
        (&me["username"], &me["roles"], &me["exp"]),
        (&json!("ada"), &json!(["admin"]), &json!(1_800_000_900))
    );
    assert!(me["sub"].is_string() && me["sid"].is_string());
}

#[tokio::test]
async fn refused_token_requests_carry_an_error_code_of_rfc_6749() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("username", "ada"), ("password", "wrong password")], "invalid_grant"),
        (&[("username", "grace"), ("password", PASSWORD)], "invalid_grant"),
        (&[("username", "ada")], "invalid_request"),
        (&[("password", PASSWORD)], "invalid_request"),
        (&[], "invalid_request"),
        (
            &[("username", "ada"), ("username", "grace"), ("password", PASSWORD)],
            "invalid_request",
        ),
        (&[("grant_type", "client_credentials")], "unsupported_grant_type"),
        (
            &[("grant_type", "PASSWORD"), ("username", "ada"), ("password", PASSWORD)],
            "unsupported_grant_type",
        ),
    ];
    for (fields, error) in cases {
        let answer = app.post("/token", fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (400, Some(error)),
            "{fields:?}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    let basic = request(Method::POST, "/token").header(header::AUTHORIZATION, "Basic YWRhOmFkYQ==");
    assert_eq!(
        app.send(basic.body(Body::empty()).expect("a request")).await.status,
        400,
        "no body at all"
    );
}

#[tokio::test]
async fn the_password_grant_can_be_switched_off() {
    let app = TestApp::with(|settings| settings.password_grant = Some("off".into())).await;
    app.signed_up("ada").await;
    for grant in [&[][..], &[("grant_type", "password")][..]] {
        let fields = [&[("username", "ada"), ("password", PASSWORD)][..], grant].concat();
        let answer = app.post("/token", &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (400, Some("unsupported_grant_type"))
        );
    }
}

#[tokio::test]
async fn a_request_without_an_authorization_header_is_not_authenticated() {
    let app = TestApp::new().await;
    for path in ["/protected", "/me"] {
        let answer = app.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (401, json!({"detail": "Not authenticated"}))
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn every_invalid_token_gets_the_same_answer_and_a_valid_one_works_after_it() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let elsewhere = TestApp::new().await;
    elsewhere.signed_up("ada").await;
    let good = app.token("ada").await;
    let foreign = elsewhere.token("ada").await;
    let values = [
        format!("Bearer {foreign}"),
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.".into(),
        format!("Bearer {}", &good[..good.len() - 2]),
        format!("Bearer {good}."),
        format!("Basic {good}"),
        format!("Bearer{good}"),
        "Bearer %".into(),
        "Bearer ".into(),
        "Bearer".into(),
        format!("Bearer {}", "A".repeat(15_000)),
    ];
    for value in values {
        let request = request(Method::GET, "/protected").header(header::AUTHORIZATION, &value);
        let answer = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (401, json!({"detail": "Could not validate credentials"})),
            "{value:.60}"
        );
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let twice = request(Method::GET, "/protected")
        .header(header::AUTHORIZATION, format!("Bearer {good}"))
        .header(header::AUTHORIZATION, format!("Bearer {good}"));
    assert_eq!(app.send(twice.body(Body::empty()).expect("a request")).await.status, 401);
    let bytes = request(Method::GET, "/protected").header(header::AUTHORIZATION, &b"Bearer \xff\xfe"[..]);
    assert_eq!(app.send(bytes.body(Body::empty()).expect("a request")).await.status, 401);
    assert_eq!(
        app.get(&format!("/protected?access_token={good}")).await.status,
        401,
        "a token in the URL is ignored"
    );

    let lower = request(Method::GET, "/protected").header(header::AUTHORIZATION, format!("bearer {good}"));
    assert_eq!(app.send(lower.body(Body::empty()).expect("a request")).await.status, 200);
    app.pass_seconds(900);
    assert_eq!(app.get_with_token("/protected", &good).await.status, 401, "expired");
}

#[tokio::test]
async fn health_endpoints_tell_whether_the_program_runs_and_whether_it_can_serve() {
    let app = TestApp::new().await;
    for path in ["/health/live", "/health/ready"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ok"})));
    }
    app.state.store.close().await;
    assert_eq!(app.get("/health/live").await.status, 200);
    let answer = app.get("/health/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn without_the_database_sign_ins_are_refused_with_503_and_retry_after() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let token = app.token("ada").await;
    app.state.store.close().await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    for path in ["/token", "/api/log_in", "/api/sign_up"] {
        let answer = app.post(path, &fields).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.header("retry-after").is_some() && answer.set_cookies().is_empty(), "{path}");
    }
    let dashboard = ada.get("/dashboard").await;
    assert_eq!(dashboard.status, 503);
    assert!(dashboard.body.contains("<h1>Something went wrong"));
    assert_eq!(
        app.get_with_token("/protected", &token).await.status,
        200,
        "a verified token needs no database"
    );
}

#[tokio::test]
async fn the_openapi_document_names_every_route_of_the_api() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let mut paths: Vec<&str> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/.well-known/security.txt",
            "/health/live",
            "/health/ready",
            "/introspect",
            "/me",
            "/openapi.json",
            "/protected",
            "/revoke",
            "/token"
        ]
    );
    let docs = app.browser().get("/docs").await.body;
    for id in [
        "post-token",
        "post-revoke",
        "post-introspect",
        "get-protected",
        "get-me",
        "get-openapi-json",
        "get-health-live",
        "get-health-ready",
    ] {
        assert!(docs.contains(&format!(r#"id="{id}""#)), "{id}");
    }
    assert!(!docs.contains('`'), "backticks mark code and are not shown");
}
