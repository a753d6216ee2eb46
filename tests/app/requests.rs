//! Origins of requests, browsers without cookies, addresses that are almost those of a page, and refusals that people see.

use axum::body::Body;
use http::{Method, header};
use leptos::server_fn::axum::server_fn_paths;

use crate::every_route::panicking;
use crate::support::{Answer, ORIGIN, PASSWORD, TestApp, form, request};

const FORM: &str = "application/x-www-form-urlencoded";
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const NO_COOKIES: &str = "Your browser did not keep our cookie. Allow cookies for this site, then sign in again.";

/// Values of `Sec-Fetch-Site` and of `Origin` in a post, and whether the post then counts as coming from this site.
const SOURCES: &[(&[&str], &[&str], bool)] = &[
    (&["same-origin"], &[ORIGIN], true),
    (&["same-origin"], &[], true),
    // A page of this site under `Referrer-Policy: no-referrer`.
    (&["same-origin"], &["null"], true),
    (&["none"], &[ORIGIN], true),
    (&["none"], &[], true),
    (&[], &[ORIGIN], true),
    (&["none"], &["null"], false),
    (&[], &["null"], false),
    (&["same-origin"], &["https://evil.example"], false),
    (&["same-origin"], &["http://localhost:3001"], false),
    (&["same-origin"], &[""], false),
    (&["same-origin"], &[ORIGIN, ORIGIN], false),
    (&["same-origin"], &["null", "null"], false),
    (&["same-origin", "same-origin"], &[ORIGIN], false),
    (&["same-origin", "cross-site"], &[ORIGIN], false),
    (&["same-origin, same-origin"], &[ORIGIN], false),
    (&["Same-Origin"], &[ORIGIN], false),
    (&[""], &[ORIGIN], false),
    (&["same-site"], &[ORIGIN], false),
    (&["same-site"], &["null"], false),
    (&["cross-site"], &[ORIGIN], false),
    (&["cross-site"], &[], false),
    (&["cross-site"], &["null"], false),
    (&["none"], &["https://evil.example"], false),
    (&[], &["https://evil.example"], false),
    (&[], &["http://localhost"], false),
    (&[], &[""], false),
    (&[], &[ORIGIN, "https://evil.example"], false),
];

/// Routes of the API table, which read no cookie.
const API: [&str; 8] = [
    "/token",
    "/revoke",
    "/introspect",
    "/protected",
    "/me",
    "/openapi.json",
    "/.well-known/jwks.json",
    "/health/live",
];

/// Other paths, on which cookies are read.
const WITH_COOKIES: [&str; 12] = [
    "/api/log_in",
    "/api/log_out",
    "/api/nothing",
    "/",
    "/login",
    "/dashboard",
    "/docs",
    "/nowhere",
    "/session/events",
    "/assets/nothing.js",
    "/token/",
    "/%74oken",
];

#[tokio::test]
async fn a_post_is_refused_unless_its_headers_name_this_site() {
    let app = TestApp::new().await;
    let cookies = app.signed_up("ada").await.cookie_header();
    for path in API.into_iter().chain(WITH_COOKIES) {
        for (sites, origins, ours) in SOURCES {
            for cookies in ["", &cookies] {
                let mut post = request(Method::POST, path).header(header::COOKIE, cookies);
                for site in *sites {
                    post = post.header("sec-fetch-site", *site);
                }
                for origin in *origins {
                    post = post.header(header::ORIGIN, *origin);
                }
                // Without a content type, so that the post does nothing where it is let through.
                let answer = app.send(post.body(Body::from("a=b")).expect("a request")).await;
                assert_eq!(answer.status != 403, *ours, "{path} {sites:?} {origins:?}: {}", answer.status);
            }
        }
    }
}

#[tokio::test]
async fn a_post_with_our_cookie_but_no_origin_is_refused_on_every_path_outside_the_api() {
    let app = TestApp::new().await;
    let cookies = app.signed_up("ada").await.cookie_header();
    for (path, refused) in API
        .map(|path| (path, false))
        .into_iter()
        .chain(WITH_COOKIES.map(|path| (path, true)))
    {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let ask = |cookies: &str| {
                let post = request(method.clone(), path).header(header::COOKIE, cookies);
                app.send(post.body(Body::from("a=b")).expect("a request"))
            };
            assert_eq!(ask(&cookies).await.status == 403, refused, "{method} {path}");
            assert_ne!(ask("theirs=x").await.status, 403, "{method} {path}");
        }
    }
}

/// Posts a form as a real browser does, with these cookies.
async fn navigate(app: &TestApp, path: &str, fields: &[(&str, &str)], cookies: &str) -> Answer {
    let post = request(Method::POST, path)
        .header(header::ACCEPT, BROWSER)
        .header(header::ORIGIN, ORIGIN)
        .header("sec-fetch-site", "same-origin")
        .header("sec-fetch-mode", "navigate")
        .header(header::COOKIE, cookies)
        .header(header::CONTENT_TYPE, FORM);
    app.send(post.body(form(fields).into()).expect("a request")).await
}

/// Follows redirects as a browser that keeps no cookies does.
async fn follow(app: &TestApp, mut answer: Answer) -> (String, Answer) {
    let mut address = String::new();
    for _ in 0..5 {
        let Some(to) = answer.location() else { break };
        address = to.to_owned();
        answer = app.browser().get(&address).await;
    }
    assert_eq!(answer.status, 200, "{address}");
    (address, answer)
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_so_after_a_correct_and_a_wrong_password() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for (path, fields, next) in [
        (
            "/api/log_in",
            [("username", "ada"), ("password", PASSWORD), ("next", "/account?tab=1")],
            true,
        ),
        ("/api/log_in", [("username", "ada"), ("password", PASSWORD), ("next", "/")], true),
        (
            "/api/log_in",
            [("username", "ada"), ("password", PASSWORD), ("next", "/docs")],
            true,
        ),
        (
            "/api/log_in",
            [("username", "ada"), ("password", "wrong"), ("next", "/account?tab=1")],
            true,
        ),
        (
            "/api/sign_up",
            [("username", "grace"), ("password", PASSWORD), ("next", "/account?tab=1")],
            true,
        ),
        (
            "/api/sign_up",
            [("username", "g"), ("password", PASSWORD), ("next", "/account?tab=1")],
            true,
        ),
        ("/api/log_in", [("username", "ada"), ("password", PASSWORD), ("next", "")], false),
    ] {
        let (address, page) = follow(&app, navigate(&app, path, &fields, "").await).await;
        assert!(page.body.contains(NO_COOKIES), "{path} {fields:?}: {address}: {}", page.body);
        let next = if next { fields[2].1 } else { "/dashboard" };
        assert!(
            page.body.contains(&format!(r#"name="next" value="{next}""#)),
            "{address}: {}",
            page.body
        );
    }
}

#[tokio::test]
async fn a_browser_that_keeps_cookies_sees_neither_a_marker_nor_a_cookie_warning() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for page in ["/login", "/signup"] {
        let mut browser = app.browser();
        browser.get(page).await;
        let probe = browser
            .cookie("latchkey-flash")
            .expect("a cookie that shows whether cookies come back");
        assert!(probe.len() < 20, "{probe}");
        let wrong = [("username", "ada"), ("password", "wrong")];
        let answer = navigate(&app, "/api/log_in", &wrong, &browser.cookie_header()).await;
        assert_eq!(answer.location(), Some("/login"));

        // A message that is shown once leaves a cookie behind, by which the next post knows that cookies come back.
        browser.post("/api/log_in", &wrong).await;
        assert!(browser.get("/login").await.body.contains("is wrong"));
        let again = browser.get("/login").await;
        assert!(
            !again.body.contains("is wrong") && !again.body.contains("cookie."),
            "{}",
            again.body
        );
        let right = [("username", "ada"), ("password", PASSWORD)];
        let answer = navigate(&app, "/api/log_in", &right, &browser.cookie_header()).await;
        assert_eq!(answer.location(), Some("/dashboard"));
    }
    // A browser that sent no cookie but keeps those that it got.
    let mut browser = app.browser();
    let answer = navigate(&app, "/api/log_in", &[("username", "ada"), ("password", PASSWORD)], "").await;
    for cookie in answer.set_cookies() {
        let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a pair");
        browser.plant(name, value);
    }
    let to = answer.location().expect("a page").to_owned();
    assert_eq!(browser.get(&to).await.status, 200, "{to}");
    assert!(browser.get("/").await.set_cookies().is_empty());
}

#[tokio::test]
async fn a_page_address_with_a_trailing_slash_redirects_to_the_page() {
    let app = TestApp::new().await;
    for page in ["/login", "/signup", "/dashboard", "/sessions", "/account", "/docs"] {
        for query in ["", "?next=%2Faccount&x=//y"] {
            for method in [Method::GET, Method::HEAD] {
                let ask = request(method.clone(), &format!("{page}/{query}"));
                let answer = app.send(ask.body(Body::empty()).expect("a request")).await;
                let to = format!("{page}{query}");
                assert_eq!(
                    (answer.status.as_u16(), answer.header("location")),
                    (308, Some(to.as_str())),
                    "{method}"
                );
            }
        }
        let post = app.post(&format!("{page}/"), &[]).await;
        assert_eq!(post.status, 404, "{page}");
    }
    for nothing in [
        "/login//",
        "//login/",
        "/nowhere/",
        "/health/live/",
        "/api/log_in/",
        "/LOGIN/",
        "//evil.example/",
        "/login/%2f/",
    ] {
        let answer = app.browser().get(nothing).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (404, None), "{nothing}");
    }
}

#[tokio::test]
async fn well_known_change_password_leads_to_the_form_for_a_new_password() {
    let app = TestApp::new().await;
    let answer = app.browser().get("/.well-known/change-password").await;
    assert_eq!(answer.location(), Some("/account#change-password"));
    let page = app.signed_up("ada").await.get("/account").await;
    assert!(page.body.contains(r#"id="change-password""#), "{}", page.body);
    assert_eq!(app.get("/.well-known/nothing-is-there").await.status, 404);
}

#[tokio::test]
async fn opening_the_address_of_a_form_in_a_browser_redirects_to_its_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for path in server_fn_paths().map(|(path, _)| path) {
        let answer = ada.get(path).await;
        let page = answer.location().expect("a page").to_owned();
        assert!(answer.set_cookies().is_empty(), "{path}");
        let mut visitor = app.browser();
        let form = if ["/login", "/signup"].contains(&page.as_str()) {
            visitor.get(&page).await
        } else {
            // A second session, so that there are others to end.
            app.token("ada").await;
            ada.get(&page).await
        };
        assert!(form.body.contains(&format!(r#"action="{path}""#)), "{path}: {page}");
        assert_eq!(app.get(path).await.status, 405, "{path}, by a program");
    }
}

#[tokio::test]
async fn health_endpoints_accept_options_requests() {
    let app = TestApp::new().await;
    for path in ["/health/live", "/health/ready"] {
        let ask = request(Method::OPTIONS, path).body(Body::empty()).expect("a request");
        let answer = app.send(ask).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (200, Some("GET,HEAD,OPTIONS")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn signing_in_redirects_only_to_pages() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for next in [
        "/api/log_out",
        "/token",
        "/me",
        "/assets/x.js",
        "/health/live",
        "/session/events",
        "/openapi.json",
        "/account/../me",
    ] {
        let fields = [("username", "ada"), ("password", PASSWORD), ("next", next)];
        assert_eq!(
            app.browser().post("/api/log_in", &fields).await.location(),
            Some("/dashboard"),
            "{next}"
        );
    }
}

#[tokio::test]
async fn every_refusal_is_a_page_for_a_browser_and_json_for_a_program() {
    let app = TestApp::new().await;
    let check = |answer: &Answer, accept: &str, status: u16, what: &str| {
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        let content_type = answer.header("content-type").unwrap_or_default();
        if accept == BROWSER {
            assert_eq!(content_type, "text/html; charset=utf-8", "{what}");
            assert_eq!(answer.body.matches("<h1>").count(), 1, "{what}: {}", answer.body);
        } else {
            assert_eq!(content_type, "application/json", "{what}");
            assert!(answer.json()["detail"].is_string(), "{what}");
        }
    };
    for accept in [BROWSER, "application/json"] {
        let ask = |method: Method, path: &str| request(method, path).header(header::ACCEPT, accept);
        let get = |path: &str| ask(Method::GET, path);
        let post = |path: &str| ask(Method::POST, path).header(header::CONTENT_TYPE, FORM);
        let long = format!("/login?next=/{}", "a".repeat(8 * 1024));
        for (status, request, body) in [
            (400, post("/api/log_in"), "username=%".into()),
            (401, get("/session/events"), Body::empty()),
            (403, post("/api/log_in").header(header::ORIGIN, "null"), "".into()),
            (403, post("/token").header(header::ORIGIN, "https://evil.example"), "".into()),
            (404, get("/nowhere"), Body::empty()),
            (404, get("/assets/nothing.js"), Body::empty()),
            (404, get("/assets/%ff"), Body::empty()),
            (404, get("/.well-known/nothing"), Body::empty()),
            (405, ask(Method::DELETE, "/login"), Body::empty()),
            (405, get("/token"), Body::empty()),
            (413, post("/api/log_in"), "a".repeat(17 * 1024).into()),
            (414, get(&long), Body::empty()),
            (415, post("/api/log_in").header(header::CONTENT_ENCODING, "gzip"), "a=b".into()),
            (431, get("/").header("x-large", "y".repeat(16 * 1024)), Body::empty()),
            (500, post("/api/log_in"), panicking("in a form")),
            (500, post("/token"), panicking("in the token call")),
        ] {
            let what = format!("{accept} {status} {:?}", request.uri_ref());
            let answer = app.send(request.body(body).expect("a request")).await;
            check(&answer, accept, status, &what);
        }
        let mut foreign = get("/");
        foreign
            .headers_mut()
            .expect("headers")
            .insert(header::HOST, "evil.example".parse().expect("a host"));
        let answer = app.send(foreign.body(Body::empty()).expect("a request")).await;
        check(&answer, accept, 421, &format!("{accept} 421"));
    }
    let ada = app.signed_up("ada").await;
    app.pass_seconds(900);
    app.database.goes_away().await;
    for accept in [BROWSER, "application/json"] {
        for path in ["/dashboard", "/session/events"] {
            let ask = request(Method::GET, path)
                .header(header::ACCEPT, accept)
                .header(header::COOKIE, ada.cookie_header());
            let answer = app.send(ask.body(Body::empty()).expect("a request")).await;
            check(&answer, accept, 503, &format!("{accept} {path}"));
            assert!(answer.header("retry-after").is_some(), "{path}");
        }
    }
}

#[tokio::test]
async fn a_sign_up_whose_answer_was_lost_can_be_repeated_for_ten_minutes_and_signs_in() {
    let app = TestApp::new().await;
    let mut lost = app.signed_up("ada").await;
    app.pass_seconds(600);
    let mut ada = app.signed_up("ada").await;
    assert!(ada.get("/dashboard").await.body.contains("<strong>ada</strong>"));
    let me = app.get_with_token("/me", ada.cookie("latchkey").expect("a token")).await.json();
    let account = app.user_id("ada").await;
    assert_eq!(me["sub"], account.0.as_str(), "it is the same account");
    assert_eq!(app.state.store.users_after("", 10).await.expect("a list").len(), 1);
    assert_eq!(lost.get("/dashboard").await.status, 200);

    // Any other sign-up with this name is told that the name is taken.
    let taken = async |username: &str, password: &str| {
        let fields = [("username", username), ("password", password)];
        let answer = app.post("/api/sign_up", &fields).await;
        assert_eq!(answer.status, 422, "{username} {password}: {}", answer.body);
        let said = answer.json()["errors"]["username"].to_string();
        assert!(said.contains("This name is taken."), "{said}");
        assert!(answer.set_cookies().is_empty());
    };
    taken("ada", "another quiet harbour").await;
    taken("ADA", PASSWORD).await;
    app.pass_seconds(1);
    taken("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_repeated_sign_up_counts_as_a_sign_in() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let fields = |password| [("username", "ada"), ("password", password)];
    for _ in 0..20 {
        assert_eq!(app.post("/api/sign_up", &fields("another quiet harbour")).await.status, 422);
    }
    for path in ["/api/sign_up", "/api/log_in"] {
        let answer = app.post(path, &fields(PASSWORD)).await;
        assert_eq!(answer.status, 429, "{path}: {}", answer.body);
        assert!(answer.header("retry-after").is_some());
    }
}
