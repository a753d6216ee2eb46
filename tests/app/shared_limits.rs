//! Limits that the people at one address share: ordinary use must not exhaust them.

use std::net::IpAddr;

use axum::body::Body;
use http::{Method, header};
use latchkey_core::secret;
use latchkey_core::throttle::ADDRESS;
use latchkey_store::{Salt, SessionId};

use crate::support::{PASSWORD, TestApp, request};
use crate::throttle::{behind_a_proxy, try_from};

/// Returns a well-formed refresh token of a session that does not exist.
pub fn unknown_refresh_token(app: &TestApp) -> String {
    app.state.sessions.refresh_tokens.make(SessionId::new(), 0, &Salt::generate())
}

#[tokio::test]
async fn correct_sign_ins_from_new_addresses_succeed_while_the_address_table_is_full() {
    let app = behind_a_proxy().await;
    app.signed_up("ada").await;
    let now = app.state.clock.now();
    for n in 0..100_000_u32 {
        let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        app.state
            .sessions
            .addresses
            .charge(ADDRESS, Some(address), now)
            .expect("the first charge of an address");
    }
    for n in 0..320 {
        let address = format!("198.51.{}.{}", n / 200, n % 200);
        let answer = try_from(&app, &address, "ada", PASSWORD).await;
        assert_eq!(answer.status, 200, "{n}: {}", answer.body);
    }
    // Correct sign-ins from a single address: each charge is refunded.
    for n in 0..100 {
        let answer = try_from(&app, "203.0.113.1", "ada", PASSWORD).await;
        assert_eq!(answer.status, 200, "{n}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_address_that_keeps_guessing_stays_limited_while_others_fill_the_table() {
    let app = behind_a_proxy().await;
    app.signed_up("ada").await;
    let now = app.state.clock.now();
    for n in 0..300 {
        try_from(&app, "198.51.100.7", &format!("name-{n}"), "wrong password").await;
    }
    for n in 0..150_000_u32 {
        let address = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        app.state
            .sessions
            .addresses
            .charge(ADDRESS, Some(address), now)
            .expect("the first charge of an address");
        if n % 50_000 == 0 {
            assert_eq!(try_from(&app, "198.51.100.7", "ada", PASSWORD).await.status, 429);
        }
    }
    assert_eq!(try_from(&app, "198.51.100.7", "ada", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn refresh_cookies_of_a_former_secret_use_up_no_limit() {
    let app = TestApp::new().await;
    let cookies = app.signed_up("ada").await.cookie_header();
    let app = app
        .restarted(|settings| settings.secret = Some(secret::generate().to_string()))
        .await;
    for n in 0..1000 {
        let page = request(Method::GET, "/dashboard").header(header::COOKIE, &cookies);
        let answer = app.send(page.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.location(), Some("/login?next=%2Fdashboard"), "{n}: {}", answer.status);
    }
    let tokens = app.grant("ada").await;
    app.refreshed(&tokens.refresh).await;
}

#[tokio::test]
async fn refresh_tokens_of_unknown_sessions_are_limited_per_address_and_block_no_sign_in() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    for n in 0..300 {
        let answer = app.refresh(&unknown_refresh_token(&app)).await;
        assert_eq!(answer.status, 400, "{n}");
    }
    let answer = app.refresh(&tokens.refresh).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("1")));
    app.grant("ada").await;
    app.pass_seconds(1);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200);
}

#[tokio::test]
async fn refresh_tokens_that_cannot_be_parsed_use_up_no_limit() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    for n in 0..400 {
        assert_eq!(app.refresh(&"A".repeat(71)).await.status, 400, "{n}");
    }
    app.refreshed(&tokens.refresh).await;
}
