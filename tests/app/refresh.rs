//! Refreshing: a session continues without a new sign-in, and a copied refresh token ends its session.

use axum::body::Body;
use http::{Method, header};
use serde_json::json;

use crate::support::{Answer, MARKER, NOW, TestApp, request};

const ACCESS: i64 = 900;
const GRACE: i64 = 10;
const DAY: i64 = 24 * 3600;

fn refused(answer: &Answer) {
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.json()["error"].as_str(),
            answer.json()["error_description"].as_str()
        ),
        (
            400,
            Some("invalid_grant"),
            Some("The refresh token is invalid, or its session has ended.")
        )
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_browser_gets_new_tokens_before_a_page_is_rendered() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let before = ada.cookie_header();
    app.pass_seconds(ACCESS);
    let answer = ada.get("/dashboard").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(MARKER) && answer.body.contains("15:00"));
    assert_eq!(answer.set_cookies().len(), 2);
    assert_ne!(ada.cookie_header(), before);
    let again = ada.get("/dashboard").await;
    assert_eq!(
        (again.status.as_u16(), again.set_cookies().len()),
        (200, 0),
        "the tokens are renewed once"
    );
}

#[tokio::test]
async fn the_cookies_live_as_long_as_their_tokens() {
    let app = TestApp::with(|settings| settings.session_max = Some("31d".into())).await;
    let mut ada = app.browser();
    let answer = ada
        .post("/api/sign_up", &[("username", "ada"), ("password", crate::support::PASSWORD)])
        .await;
    let cookies = answer.set_cookies();
    assert!(
        cookies
            .iter()
            .any(|cookie| cookie.starts_with("latchkey=") && cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=900"))
    );
    assert!(
        cookies
            .iter()
            .any(|cookie| cookie.starts_with("latchkey-refresh=") && cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"))
    );
    app.pass_seconds(29 * DAY);
    let last = ada.get("/dashboard").await;
    assert!(
        last.set_cookies()
            .iter()
            .any(|cookie| cookie.starts_with("latchkey-refresh=") && cookie.ends_with("; Max-Age=172800")),
        "the cookie ends with the session at the latest"
    );
}

#[tokio::test]
async fn server_functions_and_the_event_stream_renew_tokens_too() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    app.pass_seconds(ACCESS);
    let answer = ada.post("/api/end_other_sessions", &[]).await;
    assert_eq!(answer.location(), Some("/sessions"));
    assert!(answer.set_cookies().iter().any(|cookie| cookie.starts_with("latchkey=ey")));
    app.pass_seconds(ACCESS);
    // The stream stays open as long as its token is valid, unless the server stops.
    app.state.stop.cancel();
    let stream = ada.get("/session/events").await;
    assert_eq!((stream.status.as_u16(), stream.set_cookies().len()), (200, 2));
    assert!(
        stream.body.contains("event: session") && stream.body.contains(" 900\n"),
        "{}",
        stream.body
    );
}

#[tokio::test]
async fn a_token_about_to_expire_is_renewed_early_unless_its_session_ends_with_it() {
    let app = TestApp::with(|settings| {
        settings.refresh_ttl = Some("25m".into());
        settings.session_max = Some("25m".into());
    })
    .await;
    let mut ada = app.signed_up("ada").await;
    app.pass_seconds(ACCESS - 31);
    assert!(ada.get("/").await.set_cookies().is_empty());
    app.pass_seconds(1);
    assert_eq!(ada.get("/").await.set_cookies().len(), 2);
    app.pass_seconds(25 * 60 - (ACCESS - 30) - 5);
    assert!(
        ada.get("/").await.set_cookies().is_empty(),
        "five seconds before the end of the session"
    );
    app.pass_seconds(5);
    assert_eq!(ada.get("/dashboard").await.status, 303);
}

#[tokio::test]
async fn a_program_gets_two_new_tokens_for_a_refresh_token() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    app.pass_seconds(ACCESS);
    assert!(!app.opens(&first.access).await);
    let answer = app.refresh(&first.refresh).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("bearer"), &json!(900)));
    let second = crate::support::Tokens::of(&answer).expect("tokens");
    assert_ne!(first, second);
    assert!(app.opens(&second.access).await);
    let third = app.refreshed(&second.refresh).await;
    let [before, after] = [&second, &third].map(|tokens| app.get_with_token("/me", &tokens.access));
    assert_eq!(
        before.await.json()["sid"],
        after.await.json()["sid"],
        "both pairs belong to one session"
    );
}

#[tokio::test]
async fn within_the_grace_an_old_token_gets_the_same_successor_although_that_was_used() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let second = app.refreshed(&first.refresh).await;
    assert!(app.opens(&second.access).await, "in use");
    app.pass_seconds(GRACE);
    let again = app.refreshed(&first.refresh).await;
    assert_eq!(again.refresh, second.refresh, "the same successor");
    assert!(app.opens(&again.access).await);
    let third = app.refreshed(&second.refresh).await;
    assert!(app.opens(&third.access).await);
}

#[tokio::test]
async fn a_session_continues_when_an_answer_was_lost_and_the_old_token_is_retried_later() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let lost = app.refreshed(&first.refresh).await;
    for _ in 0..3 {
        app.pass_seconds(60);
        assert_eq!(app.refreshed(&first.refresh).await.refresh, lost.refresh);
    }
    // Also after a restart.
    let app = app.restarted(|_| {}).await;
    app.pass_seconds(3600);
    let found = app.refreshed(&first.refresh).await;
    assert!(app.opens(&found.access).await);
    assert!(app.opens(&app.refreshed(&found.refresh).await.access).await);
}

#[tokio::test]
async fn two_tabs_that_retry_long_after_a_lost_answer_both_continue() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let lost = app.refreshed(&first.refresh).await;
    app.pass_seconds(3600);
    let one = app.refreshed(&first.refresh).await;
    assert!(app.opens(&one.access).await, "in use before the other tab is answered");
    app.pass_seconds(GRACE);
    let other = app.refreshed(&first.refresh).await;
    assert_eq!((one.refresh, other.refresh), (lost.refresh.clone(), lost.refresh), "the same pair");
    app.pass_seconds(1);
    refused(&app.refresh(&first.refresh).await);
}

#[tokio::test]
async fn a_replay_after_the_successor_was_used_ends_that_session_only() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let (stolen, other) = (app.grant("ada").await, app.grant("ada").await);
    let owner = app.refreshed(&stolen.refresh).await;
    assert!(app.opens(&owner.access).await, "the successor is used");
    app.pass_seconds(GRACE + 1);
    refused(&app.refresh(&stolen.refresh).await);
    assert!(!app.opens(&owner.access).await, "revoked at once");
    refused(&app.refresh(&owner.refresh).await);
    assert!(app.opens(&other.access).await, "other sessions continue");
    assert!(app.opens(&app.refreshed(&other.refresh).await.access).await);
    let again = app.restarted(|_| {}).await;
    assert!(!again.opens(&owner.access).await, "the end was committed");
    refused(&again.refresh(&owner.refresh).await);
}

#[tokio::test]
async fn a_token_two_steps_behind_is_a_replay_even_within_the_grace() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let third = app.refreshed(&app.refreshed(&first.refresh).await.refresh).await;
    refused(&app.refresh(&first.refresh).await);
    assert!(!app.opens(&third.access).await);
}

#[tokio::test]
async fn a_restart_between_rotation_and_replay_changes_nothing() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let first = app.grant("ada").await;
    let second = app.refreshed(&first.refresh).await;
    assert!(app.opens(&second.access).await);
    let app = app.restarted(|_| {}).await;
    app.pass_seconds(GRACE + 1);
    refused(&app.refresh(&first.refresh).await);
    assert!(!app.opens(&second.access).await);
}

#[tokio::test]
async fn after_a_replay_ended_a_session_the_sign_in_page_says_why() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let stolen = ada.cookie("latchkey-refresh").expect("a token").to_owned();
    app.pass_seconds(ACCESS);
    ada.get("/dashboard").await;
    ada.get("/dashboard").await;
    app.pass_seconds(GRACE + 1);
    refused(&app.refresh(&stolen).await);
    assert_eq!(ada.get("/dashboard").await.location(), Some("/login?next=%2Fdashboard"));
    let page = ada.get("/login?next=%2Fdashboard").await;
    assert!(page.body.contains("an old copy of its token was used"), "{}", page.body);
    assert_eq!((ada.cookie("latchkey"), ada.cookie("latchkey-refresh")), (None, None));
    assert!(
        !ada.get("/login").await.body.contains("an old copy of its token"),
        "the reason is shown once"
    );
}

#[tokio::test]
async fn a_session_ends_when_it_was_idle_for_too_long_and_at_its_maximum_age() {
    let app = TestApp::with(|settings| {
        settings.refresh_ttl = Some("30d".into());
        settings.session_max = Some("90d".into());
    })
    .await;
    let mut ada = app.signed_up("ada").await;
    let idle = app.grant("ada").await;
    let mut used = app.grant("ada").await;
    for _ in 0..3 {
        app.pass_seconds(30 * DAY - 1);
        used = app.refreshed(&used.refresh).await;
        assert_eq!(ada.get("/dashboard").await.status, 200);
    }
    refused(&app.refresh(&idle.refresh).await);
    app.pass_seconds(2);
    assert!(app.opens(&used.access).await);
    app.pass_seconds(1);
    assert!(!app.opens(&used.access).await, "refreshing does not extend the maximum age");
    refused(&app.refresh(&used.refresh).await);
    assert_eq!(ada.get("/dashboard").await.status, 303);
    assert!(ada.get("/login").await.body.contains("Your session has expired."));
}

#[tokio::test]
async fn a_new_secret_ends_no_session_while_the_previous_one_is_configured() {
    const OLD: &str = "Qm9-uL2wTzX8rVbN4kYc7JfHs1GdPa6EoKiWt3MxRyU";
    const NEW: &str = "Zx7cVb1nMq3WeRt5YuIo9PaSdF2gHjK4lLkJ8hGfDsA";
    for algorithm in ["HS256", "EdDSA"] {
        let app = TestApp::with(|settings| {
            settings.secret = Some(OLD.into());
            settings.jwt_alg = Some(algorithm.into());
        })
        .await;
        app.signed_up("ada").await;
        let old = app.grant("ada").await;
        let app = app
            .restarted(|settings| {
                settings.secret = Some(NEW.into());
                settings.secret_previous = Some(OLD.into());
            })
            .await;
        assert!(app.opens(&old.access).await);
        let new = app.refreshed(&old.refresh).await;
        assert!(app.opens(&new.access).await);
        let app = app.restarted(|settings| settings.secret_previous = None).await;
        assert!(!app.opens(&old.access).await, "the previous secret is no longer accepted");
        assert!(app.opens(&new.access).await);
        let newer = app.refreshed(&new.refresh).await;
        assert!(app.opens(&newer.access).await);
    }
}

#[tokio::test]
async fn foreign_malformed_and_confused_tokens_all_get_the_same_answer() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let elsewhere = TestApp::new().await;
    elsewhere.signed_up("ada").await;
    let good = app.grant("ada").await;
    let foreign = elsewhere.grant("ada").await;
    let mut flipped = good.refresh.clone();
    flipped.replace_range(60..61, if &flipped[60..61] == "A" { "B" } else { "A" });
    let long = "A".repeat(10_000);
    for token in [
        foreign.refresh.as_str(),
        good.access.as_str(),
        &flipped,
        &format!("{}=", good.refresh),
        &good.refresh[1..],
        &format!(" {}", good.refresh),
        "x",
        "\0",
        "..",
        "é",
        &long,
    ] {
        refused(&app.refresh(token).await);
    }
    for path in ["/protected", "/me"] {
        let answer = app.get_with_token(path, &good.refresh).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (401, json!({"detail": "Could not validate credentials"}))
        );
    }
    let swapped = request(Method::GET, "/dashboard").header(
        header::COOKIE,
        format!("latchkey={}; latchkey-refresh={}", good.refresh, good.access),
    );
    assert_eq!(app.send(swapped.body(Body::empty()).expect("a request")).await.status, 303);
    assert_eq!(app.refresh("").await.json()["error"], "invalid_request");
    assert!(
        app.opens(&app.refreshed(&good.refresh).await.access).await,
        "refused tokens do not affect the valid one"
    );
}

#[tokio::test]
async fn no_cookie_or_token_is_accepted_as_another_kind() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let refused_form = [("username", "ada"), ("password", "wrong password")];
    let flash = app.browser().post("/api/log_in", &refused_form).await;
    let flash = flash.set_cookies()[0].split(['=', ';']).nth(1).expect("a value").to_owned();
    let value = |name: &str| ada.cookie(name).expect("a cookie").to_owned();
    let values = [
        ("latchkey", value("latchkey")),
        ("latchkey-refresh", value("latchkey-refresh")),
        ("latchkey-device", value("latchkey-device")),
        ("latchkey-flash", flash),
    ];
    let caller = app.token("ada").await;
    let get = |path: &str, cookie: &str| {
        let request = request(Method::GET, path).header(header::COOKIE, cookie.to_owned());
        app.send(request.body(Body::empty()).expect("a request"))
    };
    for (name, value) in &values {
        let other_than = |wanted: &'static str| *name != wanted;
        for slot in ["latchkey", "latchkey-refresh"].into_iter().filter(|slot| slot != name) {
            let answer = get("/dashboard", &format!("{slot}={value}")).await;
            assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (303, 0), "{name} as {slot}");
        }
        if other_than("latchkey") {
            assert_eq!(
                app.get_with_token("/protected", value).await.status,
                401,
                "{name} as a bearer token"
            );
            let asks = request(Method::POST, "/introspect")
                .header(header::AUTHORIZATION, format!("Bearer {caller}"))
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            let body = crate::support::form(&[("token", value)]);
            let answer = app.send(asks.body(Body::from(body)).expect("a request")).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body.as_str()),
                (200, r#"{"active":false}"#),
                "{name}"
            );
        }
        if other_than("latchkey-refresh") {
            refused(&app.refresh(value).await);
        }
        if other_than("latchkey") && other_than("latchkey-refresh") {
            assert_eq!(app.post("/revoke", &[("token", value)]).await.status, 200, "{name} ends nothing");
        }
        if other_than("latchkey-flash") {
            let page = get("/login", &format!("latchkey-flash={value}")).await;
            assert_eq!(page.body, app.get("/login").await.body, "{name} shows no message");
        }
    }
    assert_eq!(ada.get("/dashboard").await.status, 200, "ada is still signed in afterwards");

    // Only a device cookie is exempt from the limit that the attempts of others have used up.
    for _ in 0..20 {
        app.post("/token", &refused_form).await;
    }
    for (name, value) in &values {
        let request = request(Method::POST, "/api/log_in")
            .header(header::COOKIE, format!("latchkey-device={value}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = crate::support::form(&[("username", "ada"), ("password", crate::support::PASSWORD)]);
        let answer = app.send(request.body(Body::from(body)).expect("a request")).await;
        assert_eq!(
            answer.status,
            if *name == "latchkey-device" { 200 } else { 429 },
            "{name} as a device"
        );
    }
}

#[tokio::test]
async fn a_refresh_cookie_sent_twice_or_under_another_name_is_ignored() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let refresh = ada.cookie("latchkey-refresh").expect("a token");
    let many: String = (0..180).map(|n| format!("c{n}=x; ")).collect();
    for (cookie, status) in [
        (format!("latchkey-refresh={refresh}; latchkey-refresh={refresh}"), 303),
        (format!("latchkey%2Drefresh={refresh}"), 303),
        (format!("Latchkey-Refresh={refresh}"), 303),
        (format!("latchkey-refresh=\"{refresh}\""), 303),
        (format!("=latchkey-refresh={refresh}"), 303),
        (format!("{many}latchkey-refresh={refresh}"), 200),
    ] {
        let request = request(Method::GET, "/dashboard").header(header::COOKIE, &cookie);
        assert_eq!(
            app.send(request.body(Body::empty()).expect("a request")).await.status,
            status,
            "{cookie:.60}"
        );
    }
}

#[tokio::test]
async fn a_refresh_by_get_or_from_another_site_does_not_rotate_tokens() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    let query = format!("/token?grant_type=refresh_token&refresh_token={}", tokens.refresh);
    assert_eq!(app.get(&query).await.status, 405);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let body = crate::support::form(&[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]);
        let request = request(Method::POST, "/token")
            .header(name, value)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(app.send(request.body(Body::from(body)).expect("a request")).await.status, 403);
    }
    let mut ada = app.signed_up("grace").await;
    app.pass_seconds(ACCESS);
    let cookies = ada.cookie_header();
    let cross = request(Method::POST, "/api/log_out")
        .header(header::COOKIE, &cookies)
        .header(header::ORIGIN, "https://evil.example");
    let answer = app.send(cross.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookies().len()), (403, 0));
    assert_eq!(ada.get("/dashboard").await.status, 200);
    assert_eq!(app.refreshed(&tokens.refresh).await.refresh.len(), 71);
}

#[tokio::test]
async fn refreshing_works_many_times_a_second_and_after_the_clock_steps_back() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut tokens = app.grant("ada").await;
    for _ in 0..20 {
        tokens = app.refreshed(&tokens.refresh).await;
    }
    app.pass_seconds(-60);
    let next = app.refreshed(&tokens.refresh).await;
    assert!(app.opens(&next.access).await);
    assert_eq!(app.refreshed(&tokens.refresh).await.refresh, next.refresh);
    assert_eq!(app.state.clock.now(), NOW - 60);
}

#[tokio::test]
async fn a_clock_that_steps_back_an_hour_locks_no_user_out_and_revives_no_session() {
    const HOUR: i64 = 3600;
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let program = app.grant("ada").await;
    let (ended, stolen) = (app.grant("ada").await, app.grant("ada").await);
    app.post("/revoke", &[("token", &ended.refresh)]).await;
    let owner = app.refreshed(&app.refreshed(&stolen.refresh).await.refresh).await;
    let mut gone = app.signed_up("grace").await;
    let grace = latchkey_types::Username::parse("grace").expect("a name");
    app.state.accounts.disable(&grace).await.expect("done");
    for _ in 0..20 {
        app.post("/token", &[("username", "linus"), ("password", "wrong password")]).await;
    }

    app.pass_seconds(-HOUR);
    let answer = ada.get("/dashboard").await;
    assert_eq!(
        (answer.status.as_u16(), answer.set_cookies().len()),
        (200, 2),
        "the browser continues with new tokens"
    );
    assert!(answer.body.contains("15:00"), "the new token lives as long as any other");
    assert_eq!(ada.get("/account").await.set_cookies().len(), 0, "the tokens are renewed once");
    assert!(!app.opens(&program.access).await, "a token from the future is refused");
    let program = app.refreshed(&program.refresh).await;
    assert!(app.opens(&program.access).await, "its program gets a current one");
    assert!(app.opens(&app.token("ada").await).await, "signing in works");
    app.signed_up("margaret").await;
    assert_eq!(app.get("/health/ready").await.status, 200);

    assert!(!app.opens(&ended.access).await);
    refused(&app.refresh(&ended.refresh).await);
    assert_eq!(gone.get("/dashboard").await.status, 303, "the disabled account stays disabled");
    refused(&app.refresh(&stolen.refresh).await);
    assert!(!app.opens(&owner.access).await, "a copied token is still detected");
    refused(&app.refresh(&owner.refresh).await);

    // A program that starts now on the same data decides the same.
    let app = app.restarted(|_| {}).await;
    assert!(!app.opens(&ended.access).await);
    refused(&app.refresh(&ended.refresh).await);
    assert!(app.opens(&program.access).await);
    let wrong = [("username", "linus"), ("password", "wrong password")];
    let answers: Vec<u16> = {
        let mut answers = Vec::new();
        for _ in 0..21 {
            answers.push(app.post("/token", &wrong).await.status.as_u16());
        }
        answers
    };
    assert_eq!(answers, [vec![400; 20], vec![429]].concat(), "attempts are counted from now on");

    // When the clock is right again, live sessions are still live.
    app.pass_seconds(HOUR);
    assert!(app.opens(&app.refreshed(&program.refresh).await.access).await);
    assert!(!app.opens(&ended.access).await);
    refused(&app.refresh(&owner.refresh).await);
}

#[tokio::test]
async fn an_account_that_lost_its_role_gets_tokens_without_that_role() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let tokens = app.grant("ada").await;
    let name = latchkey_types::Username::parse("ada").expect("a name");
    assert!(ada.get("/dashboard").await.body.contains("admin"));
    app.state.accounts.set_role(&name, latchkey_types::Role::User).await.expect("done");
    assert!(!app.opens(&tokens.access).await, "stale");
    let fresh = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.get_with_token("/me", &fresh.access).await.json()["roles"], json!(["user"]));
    let page = ada.get("/dashboard").await;
    assert_eq!((page.status.as_u16(), page.set_cookies().len()), (200, 2), "still signed in");
    assert!(page.body.contains("<code>[\"user\"]"));
}
