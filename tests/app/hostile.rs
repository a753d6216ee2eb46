//! Hostile requests: oversized, malformed, cross-site or forged.

use axum::body::Body;
use http::{Method, Request, header};

use crate::support::{ORIGIN, PASSWORD, TestApp, form, request};

/// Every path that accepts a form, except `/introspect`.
pub const FORMS: [&str; 10] = [
    "/token",
    "/revoke",
    "/api/log_in",
    "/api/sign_up",
    "/api/log_out",
    "/api/end_session",
    "/api/end_other_sessions",
    "/api/change_password",
    "/api/change_email",
    "/api/remove_account",
];

#[tokio::test]
async fn a_password_of_one_megabyte_is_refused_before_any_hashing() {
    let app = TestApp::new().await;
    let _no_hash_runs = app.block_hashing().await;
    let body = form(&[("username", "ada"), ("password", &"a".repeat(1024 * 1024))]);
    for path in FORMS {
        let answer = app.post_raw(path, "application/x-www-form-urlencoded", body.clone()).await;
        assert_eq!(answer.status, 413, "{path}");
        let stream = futures::stream::iter(
            body.clone()
                .into_bytes()
                .chunks(4096)
                .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
                .collect::<Vec<_>>(),
        );
        let answer = app
            .post_raw(path, "application/x-www-form-urlencoded", Body::from_stream(stream))
            .await;
        assert_eq!(answer.status, 413, "{path}, without a length");
    }
}

#[tokio::test]
async fn malformed_bodies_and_wrong_content_types_are_answered_with_4xx_and_a_sentence() {
    let app = TestApp::new().await;
    let urlencoded = "application/x-www-form-urlencoded";
    let cases: [(&str, &[u8], u16); 12] = [
        ("application/json", br#"{"username":"ada"}"#, 415),
        ("application/json", b"{", 415),
        ("text/plain", b"username=ada", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"username=ada", 415),
        (urlencoded, b"username=%ff", 400),
        (urlencoded, b"username=\xff", 400),
        (urlencoded, b"username=%c0%80", 400),
        (urlencoded, b"username=%", 400),
        (urlencoded, b"username=ada&username=grace", 400),
        (urlencoded, b"username[]=ada", 400),
        (urlencoded, b"username[admin]=ada", 400),
    ];
    for path in FORMS {
        for (content_type, body, status) in cases {
            let answer = app.post_raw(path, content_type, body.to_vec()).await;
            assert_eq!(answer.status, status, "{path} {content_type} {body:?}: {}", answer.body);
            let json = answer.json();
            assert!(
                json["detail"].is_string() || json["error_description"].is_string(),
                "{path}: {json}"
            );
        }
    }
}

#[tokio::test]
async fn missing_fields_are_named() {
    let app = TestApp::new().await;
    for path in ["/api/log_in", "/api/sign_up"] {
        let answer = app.post(path, &[]).await;
        assert_eq!(answer.status, 422, "{path}");
        let errors = &answer.json()["errors"];
        assert_eq!(
            (&errors["username"], &errors["password"]),
            (&"This field is required.".into(), &"This field is required.".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn odd_characters_in_any_field_are_accepted_as_text_or_refused_but_never_cause_5xx() {
    let app = TestApp::new().await;
    for odd in [
        "\0",
        "ada\0",
        "\u{202e}ada",
        "ada\r\nx: y",
        "\u{feff}ada",
        "'; DROP TABLE users; --",
        "${7*7}",
        "%s%n",
        "\u{1f511}",
        "../../etc/passwd",
    ] {
        for field in ["username", "password", "email", "next", "grant_type"] {
            let mut fields = vec![("username", "ada"), ("password", "short")];
            fields.retain(|(name, _)| *name != field);
            fields.push((field, odd));
            for path in ["/token", "/api/log_in", "/api/sign_up"] {
                let answer = app.post(path, &fields).await;
                assert!(!answer.status.is_server_error(), "{path} {field} {odd:?}: {}", answer.status);
                if odd.contains('\0') && ["username", "password", "email"].contains(&field) {
                    assert!(answer.status.is_client_error(), "{path} {field} {odd:?}: {}", answer.status);
                }
            }
        }
    }
}

#[tokio::test]
async fn cross_site_posts_are_refused_with_any_headers_and_cookies() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let cookie = ada.cookie_header();
    let foreign: [&[(&str, &str)]; 7] = [
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://localhost:3001")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("origin", ORIGIN)],
        &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site"), ("content-type", "text/plain")],
    ];
    for path in FORMS {
        for headers in foreign {
            for cookie in [None, Some(cookie.as_str())] {
                let mut request = request(Method::POST, path);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                if let Some(cookie) = cookie {
                    request = request.header(header::COOKIE, cookie);
                }
                let body = form(&[("username", "ada"), ("password", PASSWORD)]);
                let answer = app.send(request.body(body.into()).expect("a request")).await;
                assert_eq!(answer.status, 403, "{path} {headers:?}");
                assert!(answer.set_cookies().is_empty());
            }
        }
        // A cookie does no harm on routes that read no cookie.
        let status = if path.starts_with("/api/") { 403 } else { 400 };
        let silent = request(Method::POST, path)
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(
            app.send(silent.body(Body::empty()).expect("a request")).await.status,
            status,
            "{path}: a cookie, but no header that names the origin"
        );
    }
    let mut ada = ada;
    assert_eq!(ada.get("/dashboard").await.status, 200, "still signed in");
}

#[tokio::test]
async fn a_foreign_repeated_or_missing_host_header_is_refused() {
    let app = TestApp::new().await;
    let get = |hosts: &[&str]| {
        let mut request = Request::builder().uri("/login");
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        request.body(Body::empty()).expect("a request")
    };
    for hosts in [
        &["evil.example"][..],
        &["localhost:3001"],
        &["localhost:3000", "evil.example"],
        &["localhost:3000", "localhost:3000"],
        &[],
        &[""],
        &["localhost:3000@evil.example"],
    ] {
        assert_eq!(app.send(get(hosts)).await.status, 421, "{hosts:?}");
    }
    assert_eq!(app.send(get(&["localhost:3000"])).await.status, 200);
    assert_eq!(
        app.send(get(&["127.0.0.1:3000"])).await.status,
        200,
        "programs may use the IP address"
    );

    let browser = Request::builder()
        .uri("/login?next=%2F")
        .header(header::HOST, "127.0.0.1:3000")
        .header(header::ACCEPT, "text/html");
    let answer = app.send(browser.body(Body::empty()).expect("a request")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (307, Some("http://localhost:3000/login?next=%2F")),
        "browsers are redirected to the host that has their cookies"
    );
}

#[tokio::test]
async fn our_cookies_are_found_behind_180_others() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let many: String = (0..180).map(|n| format!("c{n}=v; ")).collect();
    let request = request(Method::GET, "/dashboard").header(header::COOKIE, format!("{many}{}", ada.cookie_header()));
    assert_eq!(app.send(request.body(Body::empty()).expect("a request")).await.status, 200);
}

#[tokio::test]
async fn too_large_headers_and_urls_are_refused_with_a_page_and_the_usual_headers() {
    let app = TestApp::new().await;
    let get = |path: &str| request(Method::GET, path).header(header::ACCEPT, "text/html");
    let long = format!("/login?next=/{}", "a".repeat(8 * 1024));
    let many = (0..100).fold(get("/login"), |request, n| request.header(format!("x-{n}"), "y"));
    let large = get("/login").header("x-large", "y".repeat(16 * 1024));
    let cookies = get("/login").header(header::COOKIE, format!("planted={}", "y".repeat(16 * 1024)));
    for (status, cleared, request) in [
        (414, None, get(&long)),
        (431, None, many),
        (431, None, large),
        (431, Some("\"cookies\""), cookies),
    ] {
        let answer = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, status);
        assert!(answer.body.contains("<h1>This cannot be done"), "{}", answer.body);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("clear-site-data"), cleared);
    }
    let fits = get("/login").header(header::COOKIE, format!("other={}", "y".repeat(12 * 1024)));
    assert_eq!(app.send(fits.body(Body::empty()).expect("a request")).await.status, 200);
    // HTTP/2 sends each cookie in a header field of its own.
    let crumbs = (0..180).fold(get("/login"), |request, n| request.header(header::COOKIE, format!("c{n}=v")));
    assert_eq!(app.send(crumbs.body(Body::empty()).expect("a request")).await.status, 200);
    let not_the_cookies = get("/login")
        .header(header::COOKIE, "other=y")
        .header("x-large", "y".repeat(16 * 1024));
    let answer = app.send(not_the_cookies.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status.as_u16(), answer.header("clear-site-data")), (431, None));
}

#[tokio::test]
async fn the_longest_possible_cookies_fit_the_limit_of_browsers() {
    // RFC 6265bis section 5.7: name, value and attributes up to 4,096 bytes.
    const LONGEST: usize = 4096;
    let host = ["h".repeat(63), "o".repeat(63), "s".repeat(63), "t".repeat(61)].join(".");
    assert_eq!(host.len(), 253);
    for algorithm in ["HS256", "EdDSA"] {
        let app = TestApp::with(|settings| {
            settings.public_url = Some(format!("https://{host}:65535"));
            settings.jwt_alg = Some(algorithm.into());
        })
        .await;
        let name = "n".repeat(32);
        let post = |path: &str| {
            Request::builder()
                .method(Method::POST)
                .uri(path)
                .header(header::HOST, format!("{host}:65535"))
                .header(header::ACCEPT, "text/html")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        };
        let body = form(&[("username", &name), ("password", PASSWORD)]);
        let signed_up = app.send(post("/api/sign_up").body(body.into()).expect("a request")).await;
        assert_eq!(signed_up.set_cookies().len(), 3, "{}", signed_up.body);
        // Escaped in JSON and encoded in base64, these are the longest possible typed values.
        let long = "\u{1}".repeat(1000);
        let typed = form(&[("username", &long), ("email", &long), ("next", &format!("/{}", "n".repeat(1023)))]);
        let refused = app.send(post("/api/sign_up").body(typed.into()).expect("a request")).await;
        assert_eq!(refused.set_cookies().len(), 1);
        for cookie in signed_up.set_cookies().into_iter().chain(refused.set_cookies()) {
            assert!(cookie.len() < LONGEST, "{algorithm}: {} {cookie:.40}", cookie.len());
        }
        let cookies: Vec<&str> = signed_up
            .set_cookies()
            .into_iter()
            .filter_map(|cookie| cookie.split(';').next())
            .collect();
        let back = Request::builder()
            .uri("/dashboard")
            .header(header::HOST, format!("{host}:65535"))
            .header(header::COOKIE, cookies.join("; "));
        assert_eq!(
            app.send(back.body(Body::empty()).expect("a request")).await.status,
            200,
            "the cookies are read back"
        );
    }
}

#[tokio::test]
async fn compressed_forms_are_refused() {
    let app = TestApp::new().await;
    for path in FORMS {
        let request = request(Method::POST, path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONTENT_ENCODING, "gzip");
        assert_eq!(
            app.send(request.body(Body::from("username=ada")).expect("a request")).await.status,
            415,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_forged_flash_cookie_shows_no_message() {
    let app = TestApp::new().await;
    for value in [
        "x",
        "eyJ1bnRpbCI6OTk5OTk5OTk5OSwiZmxhc2giOnsicGFnZSI6Ii9sb2dpbiIsIm5vdGljZSI6ImJ1c3kifX0.AAAA",
        ".",
    ] {
        let request = request(Method::GET, "/login").header(header::COOKIE, format!("latchkey-flash={value}"));
        let answer = app.send(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("Too many people"));
    }
}
