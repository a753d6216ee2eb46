//! Ending sessions: in whatever way a session ends, its access token is refused on the next request, in every kind of client.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures::StreamExt;
use http::{Method, header};
use latchkey_store::{Revocation, Revoked};
use latchkey_types::{Role, Username};

use crate::support::{Browser, PASSWORD, TestApp, Tokens, form, request};

fn name(text: &str) -> Username {
    Username::parse(text).expect("a name")
}

/// A browser and a program of the same account, and a program of another one.
struct Scene<'a> {
    browser: Browser<'a>,
    program: Tokens,
    stranger: Tokens,
}

async fn scene(app: &TestApp) -> Scene<'_> {
    app.signed_up("grace").await;
    Scene {
        browser: app.signed_up("ada").await,
        program: app.grant("ada").await,
        stranger: app.grant("grace").await,
    }
}

impl Scene<'_> {
    /// Returns which of the three are still signed in.
    async fn alive(&mut self, app: &TestApp) -> [bool; 3] {
        let page = self.browser.get("/dashboard").await;
        assert!(matches!(page.status.as_u16(), 200 | 303));
        [
            page.status == 200,
            app.opens(&self.program.access).await,
            app.opens(&self.stranger.access).await,
        ]
    }

    async fn sid_of_program(&self, app: &TestApp) -> String {
        let me = app.get_with_token("/me", &self.program.access).await.json();
        me["sid"].as_str().expect("text").to_owned()
    }
}

#[tokio::test]
async fn a_sign_out_ends_this_session_and_no_other() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    let cookies = scene.browser.cookie_header();
    let answer = scene.browser.post("/api/log_out", &[]).await;
    assert_eq!(answer.location(), Some("/login"));
    assert_eq!(answer.set_cookies().iter().filter(|cookie| cookie.contains("Max-Age=0")).count(), 2);
    for (name, value) in cookies.split("; ").filter_map(|pair| pair.split_once('=')) {
        scene.browser.plant(name, value);
    }
    assert_eq!(
        scene.alive(&app).await,
        [false, true, true],
        "cookies kept after signing out are refused"
    );
}

#[tokio::test]
async fn a_session_can_be_ended_from_another_session() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    let sid = scene.sid_of_program(&app).await;
    let answer = scene.browser.post("/api/end_session", &[("session", &sid)]).await;
    assert_eq!(answer.location(), Some("/sessions"));
    assert!(scene.browser.get("/sessions").await.body.contains("The session was ended."));
    assert_eq!(scene.alive(&app).await, [true, false, true]);
    assert_eq!(app.refresh(&scene.program.refresh).await.status, 400);
}

#[tokio::test]
async fn all_other_sessions_can_be_ended_at_once() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    let mut second = app.browser();
    second.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    scene.browser.post("/api/end_other_sessions", &[]).await;
    assert_eq!(scene.alive(&app).await, [true, false, true]);
    assert_eq!(second.get("/dashboard").await.location(), Some("/login?next=%2Fdashboard"));
    assert!(second.get("/login").await.body.contains("ended from another of your devices"));
}

#[tokio::test]
async fn the_session_of_another_account_cannot_be_ended() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    let stranger = app.get_with_token("/me", &scene.stranger.access).await.json()["sid"].clone();
    for id in [
        stranger.as_str().expect("text"),
        "01890000-0000-7000-8000-000000000000",
        "",
        "x",
        "' OR 1=1 --",
    ] {
        let request = request(Method::POST, "/api/end_session")
            .header(header::COOKIE, scene.browser.cookie_header())
            .header(header::ORIGIN, crate::support::ORIGIN)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        let answer = app
            .send(request.body(Body::from(form(&[("session", id)]))).expect("a request"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["detail"].as_str()),
            (404, Some("That session had already ended."))
        );
    }
    assert_eq!(scene.alive(&app).await, [true, true, true]);
}

#[tokio::test]
async fn revoking_any_token_of_a_session_ends_that_session() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for which in ["refresh", "rotated", "access"] {
        let (kept, tokens) = (app.grant("ada").await, app.grant("ada").await);
        let (given, current) = match which {
            "refresh" => (tokens.refresh.clone(), tokens),
            "rotated" => (tokens.refresh.clone(), app.refreshed(&tokens.refresh).await),
            _ => (tokens.access.clone(), tokens),
        };
        let answer = app.post("/revoke", &[("token", &given), ("token_type_hint", "anything")]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""), "{which}");
        assert!(!app.opens(&current.access).await && app.opens(&kept.access).await, "{which}");
        assert_eq!(app.refresh(&current.refresh).await.status, 400, "{which}");
        assert_eq!(
            app.post("/revoke", &[("token", &given)]).await.status,
            200,
            "revoking twice is no error"
        );
    }
    for nothing in ["x", "a.b.c", &"A".repeat(71)] {
        assert_eq!(app.post("/revoke", &[("token", nothing)]).await.status, 200);
    }
    assert_eq!(app.post("/revoke", &[]).await.json()["error"], "invalid_request");
}

#[tokio::test]
async fn a_cached_token_is_refused_once_its_session_ends_its_epoch_changes_or_it_expires() {
    let app = TestApp::new().await;
    app.signed_up("grace").await;
    app.signed_up("ada").await;
    let (revoked, stale, expired) = (app.grant("ada").await, app.grant("ada").await, app.grant("grace").await);
    // Presents each token several times, so that it is cached.
    for token in [&revoked, &stale, &expired].into_iter().cycle().take(30) {
        assert!(app.opens(&token.access).await);
    }
    app.post("/revoke", &[("token", &revoked.refresh)]).await;
    assert!(!app.opens(&revoked.access).await && app.opens(&stale.access).await);
    app.state.accounts.set_role(&name("ada"), Role::Admin).await.expect("changed");
    assert!(!app.opens(&stale.access).await && app.opens(&expired.access).await);
    app.pass_seconds(900);
    app.state.sessions.sync.catch_up().await.expect("caught up");
    assert!(!app.opens(&expired.access).await);
}

#[tokio::test]
async fn what_the_operator_does_to_an_account_takes_effect_on_the_next_request() {
    type Deed = (&'static str, [bool; 3], bool);
    // Which clients are still signed in after it, and whether a refresh works.
    let deeds: [Deed; 5] = [
        ("end_sessions", [false, false, true], false),
        ("disable", [false, false, true], false),
        ("set_password", [false, false, true], false),
        // The browser continues with the new claims; the program must refresh to get them.
        ("set_role", [true, false, true], true),
        ("remove", [false, false, true], false),
    ];
    for (deed, alive, refreshes) in deeds {
        let app = TestApp::new().await;
        let mut scene = scene(&app).await;
        // Done by another program, as with the command line; this one learns of it from the revocations.
        let elsewhere = app.another().await;
        let ada = name("ada");
        match deed {
            "end_sessions" => assert_eq!(elsewhere.accounts.end_sessions(&ada).await.expect("done"), Some(2)),
            "disable" => assert!(elsewhere.accounts.disable(&ada).await.expect("done")),
            "set_password" => assert!(elsewhere.accounts.set_password(&ada, "another quiet harbour").await.expect("done")),
            "set_role" => assert!(elsewhere.accounts.set_role(&ada, Role::Admin).await.expect("done")),
            _ => assert!(elsewhere.accounts.remove(&ada).await.expect("done")),
        }
        app.state.sessions.sync.catch_up().await.expect("caught up");
        assert_eq!(scene.alive(&app).await, alive, "{deed}");
        assert_eq!(app.refresh(&scene.program.refresh).await.status == 200, refreshes, "{deed}");
    }
}

#[tokio::test]
async fn an_account_that_is_enabled_again_keeps_no_old_session() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    app.state.accounts.disable(&name("ada")).await.expect("done");
    assert_eq!(app.post("/token", &fields).await.json()["error"], "invalid_grant");
    app.state.accounts.enable(&name("ada")).await.expect("done");
    assert_eq!(scene.alive(&app).await, [false, false, true], "old tokens stay revoked");
    assert_eq!(app.refresh(&scene.program.refresh).await.status, 400);
    let again = app.grant("ada").await;
    assert!(app.opens(&again.access).await);
}

#[tokio::test]
async fn a_new_account_with_the_name_of_a_removed_one_inherits_no_token() {
    let app = TestApp::new().await;
    let mut scene = scene(&app).await;
    app.state.accounts.remove(&name("ada")).await.expect("done");
    app.signed_up("ada").await;
    assert_eq!(scene.alive(&app).await, [false, false, true]);
}

#[tokio::test]
async fn a_sign_in_replaces_the_earlier_session_of_the_browser() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let planted = ada.cookie("latchkey").expect("a token").to_owned();
    ada.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_ne!(ada.cookie("latchkey"), Some(planted.as_str()));
    assert!(!app.opens(&planted).await, "the earlier session has ended");
    assert_eq!(ada.get("/sessions").await.body.matches("This device").count(), 1);
}

#[tokio::test]
async fn a_sign_up_or_sign_in_as_another_user_ends_the_earlier_session_of_the_browser() {
    let app = TestApp::new().await;
    app.signed_up("linus").await;
    for (path, name) in [("/api/sign_up", "grace"), ("/api/log_in", "linus")] {
        let mut browser = app.browser();
        let answer = browser
            .post("/api/sign_up", &[("username", &format!("first-{name}")), ("password", PASSWORD)])
            .await;
        assert_eq!(answer.location(), Some("/dashboard"));
        let first = browser.cookie("latchkey").expect("a token").to_owned();
        browser.post(path, &[("username", name), ("password", PASSWORD)]).await;
        assert!(!app.opens(&first).await, "{path}");
        assert!(browser.get("/dashboard").await.body.contains(&format!("Hello, <strong>{name}")));
    }
}

/// Opens an event stream and returns a future that collects its events until it ends.
async fn listen(app: &TestApp, browser: &Browser<'_>) -> impl Future<Output = String> + use<> {
    let request = request(Method::GET, "/session/events")
        .header(header::ACCEPT, "text/event-stream")
        .header(header::COOKIE, browser.cookie_header());
    let response = app.respond(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(response.status(), 200);
    assert!(
        response.headers()[header::CONTENT_TYPE]
            .to_str()
            .expect("text")
            .starts_with("text/event-stream")
    );
    let mut frames = response.into_body().into_data_stream();
    let first = frames.next().await.expect("a frame").expect("bytes");
    assert!(String::from_utf8_lossy(&first).contains("event: session"));
    async move {
        let rest: Vec<_> = frames.map(|frame| frame.expect("bytes").to_vec()).collect().await;
        String::from_utf8(rest.concat()).expect("text")
    }
}

#[tokio::test]
async fn an_event_stream_reports_the_end_of_its_own_session_and_of_no_other() {
    let app = TestApp::new().await;
    let scene = scene(&app).await;
    let mut other = app.browser();
    other.post("/api/log_in", &[("username", "ada"), ("password", PASSWORD)]).await;
    let stream = tokio::spawn(listen(&app, &scene.browser).await);
    app.post("/revoke", &[("token", &scene.program.refresh)]).await;
    app.post("/revoke", &[("token", &scene.stranger.refresh)]).await;
    tokio::task::yield_now().await;
    assert!(!stream.is_finished());
    other.post("/api/end_other_sessions", &[]).await;
    assert!(stream.await.expect("ran").contains("event: over"));
}

#[tokio::test]
async fn an_event_stream_reports_that_the_claims_of_its_session_have_changed() {
    let app = TestApp::new().await;
    let scene = scene(&app).await;
    let stream = tokio::spawn(listen(&app, &scene.browser).await);
    let elsewhere = app.another().await;
    elsewhere.accounts.set_role(&name("ada"), Role::Admin).await.expect("done");
    app.state.sessions.sync.catch_up().await.expect("caught up");
    assert!(stream.await.expect("ran").contains("event: over"));
}

#[tokio::test]
async fn an_event_stream_does_not_report_changes_that_are_older_than_its_token() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let fields = [("current_password", PASSWORD), ("new_password", "another quiet harbour")];
    ada.post("/api/change_password", &fields).await;
    let stream = tokio::spawn(listen(&app, &ada).await);
    tokio::task::yield_now().await;
    // The program reads the change again from the database: it always does so with its own changes, and other nodes' may be late.
    app.state.sessions.sync.catch_up().await.expect("caught up");
    tokio::task::yield_now().await;
    app.state.stop.cancel();
    let said = stream.await.expect("ran");
    assert!(!said.contains("over"), "{said}");
}

#[tokio::test]
async fn a_server_that_stops_closes_event_streams_without_reporting_an_end() {
    let app = TestApp::new().await;
    let scene = scene(&app).await;
    let stream = tokio::spawn(listen(&app, &scene.browser).await);
    app.state.stop.cancel();
    assert!(!stream.await.expect("ran").contains("over"));
}

#[tokio::test]
async fn one_user_holds_at_most_64_event_streams() {
    let app = TestApp::new().await;
    let scene = scene(&app).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(listen(&app, &scene.browser).await);
    }
    let ask = || {
        let request = request(Method::GET, "/session/events").header(header::COOKIE, scene.browser.cookie_header());
        app.respond(request.body(Body::empty()).expect("a request"))
    };
    let refused = ask().await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    drop(streams);
    assert_eq!(ask().await.status(), 200, "closed streams make room");
}

#[tokio::test]
async fn one_address_holds_at_most_512_event_streams() {
    let app = TestApp::with(|settings| settings.trusted_proxies = Some("192.0.2.9/32".into())).await;
    let mut cookies = Vec::new();
    for n in 0..9 {
        cookies.push(app.signed_up(&format!("user-{n}")).await.cookie_header());
    }
    let proxy = SocketAddr::from(([192, 0, 2, 9], 4000));
    let ask = async |cookie: &str, peer: SocketAddr, forwarded: &str| {
        let request = request(Method::GET, "/session/events")
            .header(header::COOKIE, cookie)
            .header("x-forwarded-for", forwarded)
            .extension(ConnectInfo(peer));
        app.respond(request.body(Body::empty()).expect("a request")).await
    };
    let mut streams = Vec::new();
    for n in 0..512 {
        let address = ["2001:db8::1", "2001:db8::2"][n % 2];
        let stream = ask(&cookies[n / 64], proxy, address).await;
        assert_eq!(stream.status(), 200, "{n}");
        streams.push(stream);
    }
    let refused = ask(&cookies[8], proxy, "2001:db8::3").await;
    assert_eq!(refused.status(), 503, "an IPv6 /64 is one address, also behind a trusted proxy");
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(ask(&cookies[8], proxy, "2001:db8:0:1::1").await.status(), 200, "another network");
    let elsewhere = SocketAddr::from(([198, 51, 100, 7], 4000));
    assert_eq!(
        ask(&cookies[8], elsewhere, "2001:db8::1").await.status(),
        200,
        "X-Forwarded-For of an untrusted peer is ignored"
    );
    streams.pop();
    assert_eq!(
        ask(&cookies[8], proxy, "2001:db8::1").await.status(),
        200,
        "closed streams make room"
    );
}

#[tokio::test]
async fn an_anonymous_visitor_gets_no_event_stream() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/session/events").await.status, 401);
    let token = {
        app.signed_up("ada").await;
        app.token("ada").await
    };
    assert_eq!(
        app.get_with_token("/session/events", &token).await.status,
        401,
        "a bearer token opens no event stream"
    );
    let asks = request(Method::GET, "/session/events").header(header::ACCEPT, "text/event-stream");
    let answer = app.send(asks.body(Body::empty()).expect("a request")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.trim()),
        (200, "event: over\ndata: ask the server"),
        "a waiting page is told to ask the server again"
    );
}

/// Returns every revocation in the database.
async fn all_revocations(app: &TestApp) -> Vec<Revoked> {
    let mut revoked = Vec::new();
    let apply = |revocation: Revocation| revoked.push(revocation.revoked);
    app.state.store.revocations_after(0, apply).await.expect("the revocations");
    revoked
}

#[tokio::test]
async fn all_sessions_of_an_account_end_with_one_revocation_row() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let kept = app.signed_up("grace").await.cookie("latchkey").expect("a token").to_owned();
    let mut ended = Vec::new();
    for _ in 0..5 {
        ended.push(app.token("ada").await);
    }
    let ada = name("ada");
    let end = || app.state.accounts.end_sessions(&ada);
    assert_eq!(end().await.expect("an answer"), Some(6), "including the session of the browser");
    for token in &ended {
        assert!(!app.opens(token).await);
    }
    let user = app.user_id("ada").await;
    assert_eq!(all_revocations(&app).await, [Revoked::User(user, 1)]);
    assert_eq!(end().await.expect("an answer"), Some(0));
    assert_eq!(all_revocations(&app).await.len(), 1, "nothing was left to end");
    assert!(app.opens(&kept).await, "the session of another account");
}
