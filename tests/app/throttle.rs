//! Limits on wrong passwords: one limit for all forms that check a password, the same for unknown names. They do not lock out the
//! owner of an account.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, header};
use serde_json::json;

use crate::shared_limits::unknown_refresh_token;
use crate::support::{Answer, PASSWORD, TestApp, form, request};

const BURST: usize = 20;
const INTERVAL: i64 = 60;
const WRONG: &str = "wrong password";

/// Sends `POST /token` from an address, through a trusted proxy.
pub async fn try_from(app: &TestApp, address: &str, username: &str, password: &str) -> Answer {
    let request = request(Method::POST, "/token")
        .header("x-forwarded-for", address)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .extension(ConnectInfo(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 4000)));
    let body = Body::from(form(&[("username", username), ("password", password)]));
    app.send(request.body(body).expect("a request")).await
}

pub async fn behind_a_proxy() -> TestApp {
    TestApp::with(|settings| settings.trusted_proxies = Some("127.0.0.0/8".into())).await
}

async fn use_up(app: &TestApp, username: &str) {
    for _ in 0..BURST {
        let answer = app.post("/token", &[("username", username), ("password", WRONG)]).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
}

fn throttled(answer: &Answer) {
    assert_eq!(answer.status, 429, "{}", answer.body);
    let seconds: i64 = answer
        .header("retry-after")
        .expect("a Retry-After header")
        .parse()
        .expect("seconds");
    assert!((1..=INTERVAL).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn after_too_many_wrong_passwords_even_the_correct_one_must_wait() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    use_up(&app, "ada").await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let answer = app.post("/token", &fields).await;
    throttled(&answer);
    assert_eq!(
        answer.json(),
        json!({"error": "temporarily_unavailable", "error_description": "There were too many tries. Try again in 60 seconds."})
    );
    app.pass_seconds(INTERVAL - 1);
    throttled(&app.post("/token", &fields).await);
    app.pass_seconds(1);
    assert_eq!(app.post("/token", &fields).await.status, 200);
    assert_eq!(app.post("/token", &fields).await.status, 200, "a correct password is refunded");
}

#[tokio::test]
async fn an_unknown_name_is_throttled_with_the_same_answer_as_an_existing_one() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody.here", "not a name!", "ADA "] {
        if name != "ADA " {
            use_up(&app, name).await;
        }
        let answer = app.post("/token", &[("username", name), ("password", WRONG)]).await;
        throttled(&answer);
        let mut headers: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        answers.push((headers, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn all_forms_that_check_a_password_share_one_limit() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    // A known device has a limit of its own; without its device cookie this browser shares the limit of the account.
    ada.plant("latchkey-device", "forgotten");
    // From here on a change of the email address asks for the password.
    app.pass_seconds(600);
    let mut stranger = app.browser();
    for round in 0..BURST {
        let status = match round % 5 {
            0 => app.post("/token", &[("username", "Ada"), ("password", WRONG)]).await.status,
            1 => {
                stranger
                    .post("/api/log_in", &[("username", " ADA"), ("password", WRONG)])
                    .await
                    .status
            }
            2 => {
                ada.post(
                    "/api/change_password",
                    &[("current_password", WRONG), ("new_password", "another quiet harbour")],
                )
                .await
                .status
            }
            3 => ada.post("/api/change_email", &[("email", ""), ("password", WRONG)]).await.status,
            _ => {
                ada.post("/api/remove_account", &[("username", "ada"), ("password", WRONG)])
                    .await
                    .status
            }
        };
        assert!(matches!(status.as_u16(), 303 | 400), "{round}: {status}");
    }
    throttled(&app.post("/token", &[("username", "ada"), ("password", PASSWORD)]).await);
    throttled(&app.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await);
    stranger.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    let page = stranger.get("/login").await.body;
    assert!(
        page.contains("Try again in 60 seconds.") && page.contains("value=\"ada\""),
        "{page}"
    );
    ada.post("/api/remove_account", &[("username", "ada"), ("password", PASSWORD)])
        .await;
    assert!(ada.get("/account").await.body.contains("Try again in 60 seconds."));
    for (path, fields) in [
        ("/api/change_email", &[("email", ""), ("password", PASSWORD)]),
        (
            "/api/change_password",
            &[("current_password", PASSWORD), ("new_password", "another quiet harbour")],
        ),
    ] {
        throttled(&ada.call(path, fields).await);
    }
    assert_eq!(ada.get("/dashboard").await.status, 200, "an existing session is not limited");
}

#[tokio::test]
async fn one_account_has_one_limit_for_attempts_from_many_addresses() {
    let app = behind_a_proxy().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    for n in 1..=BURST {
        let answer = try_from(&app, &format!("198.51.100.{n}"), "ada", WRONG).await;
        assert_eq!(answer.status, 400, "{n}: {}", answer.body);
    }
    throttled(&try_from(&app, "203.0.113.1", "ada", PASSWORD).await);
    throttled(&try_from(&app, "2001:db8::1", "ADA ", PASSWORD).await);
    assert_eq!(
        try_from(&app, "203.0.113.1", "grace", PASSWORD).await.status,
        200,
        "other accounts are not affected"
    );
}

#[tokio::test]
async fn a_correct_password_gives_no_additional_attempts() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let guess = async |password| app.post("/token", &[("username", "ada"), ("password", password)]).await;
    for n in 1..BURST {
        assert_eq!(guess(WRONG).await.status, 400, "{n}");
    }
    for _ in 0..3 {
        assert_eq!(guess(PASSWORD).await.status, 200, "the owner can sign in again and again");
    }
    assert_eq!(guess(WRONG).await.status, 400, "the last attempt");
    throttled(&guess(WRONG).await);
}

#[tokio::test]
async fn requests_that_are_refused_anyway_cost_no_hash() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    app.signed_up("grace").await;
    ada.plant("latchkey-device", "forgotten");
    // One second longer than a sign-up may be repeated.
    app.pass_seconds(601);
    use_up(&app, "ada").await;
    let no_hash_runs = app.block_hashing().await;

    // Requests that need a hash find no place in the queue.
    for name in ["grace", "nobody.here"] {
        let answer = app.post("/token", &[("username", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.status, 503, "{name}");
    }
    let new_account = [("username", "linus"), ("password", PASSWORD)];
    assert_eq!(app.post("/api/sign_up", &new_account).await.status, 503);

    let right = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("current_password", PASSWORD),
        ("new_password", "another quiet harbour"),
        ("email", ""),
    ];
    for path in ["/token", "/api/log_in"] {
        throttled(&app.post(path, &right).await);
    }
    for path in ["/api/change_password", "/api/change_email", "/api/remove_account"] {
        throttled(&ada.call(path, &right).await);
        assert_eq!(app.post(path, &right).await.status, 401, "{path}: an anonymous request");
    }
    for path in ["/token", "/api/log_in", "/api/sign_up"] {
        let grace = form(&[("username", "grace"), ("password", PASSWORD)]);
        let cross_site = request(Method::POST, path)
            .header(header::ORIGIN, "https://evil.example")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(
            app.send(cross_site.body(grace.clone().into()).expect("a request")).await.status,
            403,
            "{path}"
        );
        for (content_type, body, status) in [
            ("text/plain", grace.clone(), 415),
            ("application/x-www-form-urlencoded", format!("{grace}&password=x"), 400),
            ("application/x-www-form-urlencoded", format!("{grace}&x=%"), 400),
            (
                "application/x-www-form-urlencoded",
                format!("{grace}&x={}", "x".repeat(16 * 1024)),
                413,
            ),
        ] {
            assert_eq!(app.post_raw(path, content_type, body).await.status, status, "{path}");
        }
        let half = app.post(path, &[("username", "grace")]).await;
        assert!(matches!(half.status.as_u16(), 400 | 422), "{path}");
    }
    for (name, password) in [("ada", PASSWORD), ("linus", "password1"), ("linus", "short"), ("x", PASSWORD)] {
        let answer = app.post("/api/sign_up", &[("username", name), ("password", password)]).await;
        assert_eq!(answer.status, 422, "{name}");
    }
    let common = ada.call(
        "/api/change_password",
        &[("current_password", PASSWORD), ("new_password", "password1")],
    );
    assert_eq!(common.await.status, 422);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 200, "a refresh needs no hash");
    assert!(app.opens(&tokens.access).await);

    drop(no_hash_runs);
    assert_eq!(app.post("/api/sign_up", &new_account).await.status, 200, "the queue has room again");
}

#[tokio::test]
async fn concurrent_attempts_do_not_exceed_the_limit() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let fields = [("username", "ada"), ("password", WRONG)];
    let answers = futures::future::join_all((0..100).map(|_| app.post("/token", &fields))).await;
    let tried = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(tried, BURST);
    assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 400 | 429)));
}

#[tokio::test]
async fn the_owner_signs_in_on_a_known_device_while_others_are_throttled() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    ada.post("/api/log_out", &[]).await;
    assert!(ada.cookie("latchkey-device").is_some(), "the device cookie outlives the session");
    use_up(&app, "ada").await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(ada.post("/api/log_in", &fields).await.location(), Some("/dashboard"));

    // A known device has a limit too, and it is not known to other accounts.
    ada.post("/api/log_out", &[]).await;
    for _ in 0..BURST {
        ada.post("/api/log_in", &[("username", "ada"), ("password", WRONG)]).await;
    }
    ada.post("/api/log_in", &fields).await;
    assert!(ada.get("/login").await.body.contains("too many tries"));
    app.signed_up("grace").await;
    use_up(&app, "grace").await;
    ada.post("/api/log_in", &[("username", "grace"), ("password", PASSWORD)]).await;
    assert!(ada.get("/login").await.body.contains("too many tries"));
}

#[tokio::test]
async fn a_restart_resets_no_limit() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    use_up(&app, "ada").await;
    let app = app.restarted(|_| {}).await;
    throttled(&app.post("/token", &[("username", "ada"), ("password", PASSWORD)]).await);
}

#[tokio::test]
async fn one_address_or_ipv6_network_has_one_limit_for_many_names() {
    let app = behind_a_proxy().await;
    app.signed_up("ada").await;
    for network in ["198.51.100.7", "2001:db8::"] {
        let of = |n: usize| {
            if network.ends_with(':') {
                format!("{network}{n:x}")
            } else {
                network.to_owned()
            }
        };
        for n in 0..300 {
            let answer = try_from(&app, &of(n), &format!("name-{n}"), WRONG).await;
            assert_eq!(answer.status, 400, "{n}: {}", answer.body);
        }
        let answer = try_from(&app, &of(1), "ada", PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("1")));
    }
    assert_eq!(try_from(&app, "198.51.100.8", "ada", PASSWORD).await.status, 200, "another address");
    let spoofed = try_from(&app, "203.0.113.1, 198.51.100.7", "ada", PASSWORD).await;
    assert_eq!(spoofed.status, 429, "an address that the client wrote itself is ignored");
}

#[tokio::test]
async fn new_accounts_from_one_address_are_limited() {
    let app = TestApp::new().await;
    for n in 0..300 {
        app.post("/api/sign_up", &[("username", &format!("name-{n}")), ("password", "short")])
            .await;
    }
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let answer = app.post("/api/sign_up", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("2")));
    app.pass_seconds(2);
    assert_eq!(app.post("/api/sign_up", &fields).await.status, 200);
}

#[tokio::test]
async fn people_see_the_address_of_the_client_and_not_of_the_proxy() {
    let app = behind_a_proxy().await;
    let mut ada = app.signed_up("ada").await;
    assert_eq!(try_from(&app, "203.0.113.9", "ada", PASSWORD).await.status, 200);
    assert!(ada.get("/sessions").await.body.contains("203.0.113.9, through the API"));
}

#[tokio::test]
async fn a_session_that_is_refreshed_too_often_is_slowed_down_and_continues() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let mut tokens = app.grant("ada").await;
    for _ in 0..300 {
        tokens = app.refreshed(&tokens.refresh).await;
    }
    let answer = app.refresh(&tokens.refresh).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("1")));
    assert!(app.opens(&tokens.access).await, "its current token stays valid");
    assert_eq!(ada.get("/dashboard").await.status, 200, "other sessions are not affected");
    app.pass_seconds(1);
    let next = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.refresh(&next.refresh).await.status, 429, "one a second from here on");
}

#[tokio::test]
async fn bad_refresh_tokens_from_the_same_address_sign_no_other_user_out() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    app.pass_seconds(900);
    for _ in 0..300 {
        app.refresh(&unknown_refresh_token(&app)).await;
    }
    let answer = ada.get("/dashboard").await;
    assert_eq!(answer.status, 503, "her tokens cannot be renewed just now");
    assert!(answer.header("retry-after").is_some() && answer.set_cookies().is_empty());
    app.pass_seconds(1);
    assert_eq!(ada.get("/dashboard").await.status, 200);
}
