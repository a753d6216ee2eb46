//! Protected views are shown only with a session, whatever the path.

use axum::body::Body;
use http::{Method, header};

use crate::support::{Browser, MARKER, TestApp, request};

#[tokio::test]
async fn no_variant_of_a_path_shows_a_protected_view_without_a_session() {
    let app = TestApp::new().await;
    let variants = [
        "/dashboard",
        "/dashboard/",
        "//dashboard",
        "/x/../dashboard",
        "/./dashboard",
        "/%64ashboard",
        "/dashboard%2f",
        "/dashboard;a=b",
        "/DASHBOARD",
        "/dashboard.css",
        "/dashboard?user=ada",
        "/account",
        "/sessions",
        "/sessions/",
        "/Sessions",
        "/account/",
        "/%61ccount",
    ];
    for path in variants {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS] {
            for accept in ["text/html", "*/*"] {
                let request = request(method.clone(), path).header(header::ACCEPT, accept);
                let answer = app.send(request.body(Body::empty()).expect("a request")).await;
                assert!(!answer.body.contains(MARKER), "{method} {path} {accept}");
                assert!(
                    matches!(answer.status.as_u16(), 303 | 308 | 404 | 405),
                    "{method} {path}: {}",
                    answer.status
                );
                assert!(answer.set_cookies().is_empty(), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_protected_view_is_not_served_at_an_address_that_looks_like_a_file() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for page in ["/dashboard", "/sessions", "/account"] {
        assert!(ada.get(page).await.body.contains(MARKER));
        for ending in [
            "/a.css",
            "/x.js",
            "/logo.png",
            "%2fa.css",
            "%2Fa.css",
            ".css",
            ".html",
            ";a.css",
            "%3fa.css",
            "%23a.css",
            "%00a.css",
            "%0aa.css",
            "//a.css",
            "/..%2fa.css",
        ] {
            let answer = ada.get(&format!("{page}{ending}")).await;
            assert_eq!(answer.status, 404, "{page}{ending}");
            assert!(!answer.body.contains(MARKER), "{page}{ending}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{page}{ending}");
        }
        for before in ["/assets", "/assets/..", "/docs", "/login/.."] {
            let answer = ada.get(&format!("{before}{page}")).await;
            assert_eq!(answer.status, 404, "{before}{page}");
            assert!(!answer.body.contains(MARKER), "{before}{page}");
        }
    }
}

#[tokio::test]
async fn no_answer_depends_on_a_header_outside_the_key_of_a_cache() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let cookies = ada.cookie_header();
    for (path, cookie) in [
        ("/", ""),
        ("/login?next=%2Faccount", ""),
        ("/signup", ""),
        ("/docs", ""),
        ("/nowhere", ""),
        ("/dashboard", ""),
        ("/.well-known/oauth-authorization-server", ""),
        ("/openapi.json", ""),
        ("/dashboard", cookies.as_str()),
        ("/sessions", &cookies),
        ("/account", &cookies),
        ("/login", &cookies),
    ] {
        let ask = async |name: &str, value: &str| {
            let request = request(Method::GET, path)
                .header(header::ACCEPT, "text/html")
                .header(header::COOKIE, cookie)
                .header(name, value);
            let answer = app.send(request.body(Body::empty()).expect("a request")).await;
            (answer.status, answer.headers, answer.body)
        };
        let plain = ask("x-nothing", "nothing").await;
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-scheme", "https"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", "/evil"),
            ("x-forwarded-server", "evil.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9;host=evil.example;proto=https"),
            ("x-host", "evil.example"),
            ("x-original-host", "evil.example"),
            ("x-original-url", "/account"),
            ("x-rewrite-url", "/account"),
            ("accept-language", "de-CH, fr;q=0.9"),
            ("user-agent", "evil"),
            ("referer", "https://evil.example/"),
            ("origin", "https://evil.example"),
        ] {
            assert!(ask(name, value).await == plain, "{path} with {name}");
        }
    }
}

fn access_cookie(browser: &Browser<'_>) -> String {
    format!("latchkey={}", browser.cookie("latchkey").expect("a token"))
}

#[tokio::test]
async fn with_a_broken_foreign_or_expired_token_a_visitor_is_anonymous() {
    let app = TestApp::new().await;
    let elsewhere = TestApp::new().await;
    let good = access_cookie(&app.signed_up("ada").await);
    let foreign = access_cookie(&elsewhere.signed_up("ada").await);
    let none = "latchkey=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
    let twice = format!("{good}; {good}");
    let encoded = good.replace("latchkey", "l%61tchkey");
    let cases = [
        foreign.as_str(),
        none,
        "latchkey=",
        "latchkey=x",
        &good[..good.len() - 1],
        twice.as_str(),
        encoded.as_str(),
    ];
    for cookie in cases {
        let request = request(Method::GET, "/dashboard")
            .header(header::COOKIE, cookie)
            .header(header::ACCEPT, "text/html");
        let answer = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.location(), Some("/login?next=%2Fdashboard"), "{cookie}");
    }
    app.pass_seconds(900);
    let request = request(Method::GET, "/dashboard").header(header::COOKIE, &good);
    assert_eq!(
        app.send(request.body(Body::empty()).expect("a request")).await.status,
        303,
        "expired"
    );
}

#[tokio::test]
async fn request_headers_cannot_bypass_the_sign_in() {
    let app = TestApp::new().await;
    for (name, value) in [
        ("x-middleware-subrequest", "middleware"),
        ("x-original-url", "/dashboard"),
        ("x-rewrite-url", "/dashboard"),
        ("x-user", "ada"),
        ("x-forwarded-user", "ada"),
        ("x-forwarded-host", "evil.example"),
        ("x-http-method-override", "POST"),
    ] {
        let request = request(Method::GET, "/dashboard").header(name, value);
        let answer = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.location(), Some("/login?next=%2Fdashboard"), "{name}");
    }
}

#[tokio::test]
async fn a_removed_account_is_signed_out_at_its_next_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let name = latchkey_types::Username::parse("ada").expect("a name");
    assert!(app.state.accounts.remove(&name).await.expect("removed"));
    let answer = ada.get("/dashboard").await;
    assert_eq!(answer.location(), Some("/login?next=%2Fdashboard"));
    ada.get("/login").await;
    assert_eq!((ada.cookie("latchkey"), ada.cookie("latchkey-refresh")), (None, None));
}

#[tokio::test]
async fn the_api_refuses_cookies_and_the_pages_refuse_bearer_tokens() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let with_cookie = request(Method::GET, "/protected").header(header::COOKIE, ada.cookie_header());
    let answer = app.send(with_cookie.body(Body::empty()).expect("a request")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["detail"].as_str()),
        (401, Some("Not authenticated"))
    );
    let token = app.token("ada").await;
    assert_eq!(app.get_with_token("/dashboard", &token).await.status, 303);
}

#[tokio::test]
async fn the_dashboard_shows_the_decoded_token_and_never_the_encoded_one() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up_with_email("ada", "ada@example.org").await;
    let token = ada.cookie("latchkey").expect("a token").to_owned();
    let page = ada.get("/dashboard").await.body;
    let (header, rest) = token.split_once('.').expect("parts");
    let (claims, signature) = rest.split_once('.').expect("parts");
    for part in [header, claims, signature] {
        assert!(!page.contains(part));
    }
    for shown in [
        "at+jwt",
        "HS256",
        "1800000000",
        "1800000900",
        "ada@example.org",
        "15:00",
        "data-countdown",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
}
