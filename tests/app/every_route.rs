//! Every route: what it answers to each kind of visitor, and which headers every answer carries.

use std::collections::BTreeSet;
use std::task::Poll;

use axum::body::Body;
use futures::future::join_all;
use futures::stream;
use http::request::Builder;
use http::{Method, Request, header};

use crate::support::{Answer, MARKER, PASSWORD, TestApp, Tokens, form};
use axum::Router;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const STREAM: &str = "text/event-stream";
const NOTHING: &str = "";
const FORM: &str = "application/x-www-form-urlencoded";
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";
const NEW: &str = "another quiet harbour";

/// The kind of visitor that sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Stranger,
    /// Sends the cookies of a session.
    Browser,
    /// Sends a bearer token.
    Program,
}

const EVERYBODY: [Who; 3] = [Who::Stranger, Who::Browser, Who::Program];

/// A route, an address that it matches, and the expected answers.
struct Row {
    /// The path as the router defines it.
    route: &'static str,
    address: &'static str,
    /// The posted fields, with `{name}` for the visitor's account and `{new}` for an unused name; `None` for a `GET` route.
    fields: Option<&'static [(&'static str, &'static str)]>,
    /// The statuses for a stranger, a signed-in browser and a program with a token.
    statuses: [u16; 3],
    /// The content type of a successful answer.
    content_type: &'static str,
}

const fn look(route: &'static str, statuses: [u16; 3], content_type: &'static str) -> Row {
    Row {
        route,
        address: route,
        fields: None,
        statuses,
        content_type,
    }
}

const fn post(route: &'static str, fields: &'static [(&'static str, &'static str)], statuses: [u16; 3], content_type: &'static str) -> Row {
    Row {
        route,
        address: route,
        fields: Some(fields),
        statuses,
        content_type,
    }
}

const ROWS: &[Row] = &[
    look("/", [200, 200, 200], HTML),
    look("/login", [200, 303, 200], HTML),
    look("/signup", [200, 303, 200], HTML),
    look("/docs", [200, 200, 200], HTML),
    look("/dashboard", [303, 200, 303], HTML),
    Row {
        address: "/sessions?after=0190a6b8-5f3e-7cc1-9a3b-1f0e8d7c6b5a",
        ..look("/sessions", [303, 200, 303], HTML)
    },
    look("/account", [303, 200, 303], HTML),
    look("/session/events", [401, 200, 401], STREAM),
    look("/protected", [401, 401, 200], JSON),
    look("/me", [401, 401, 200], JSON),
    look("/openapi.json", [200, 200, 200], JSON),
    look("/.well-known/jwks.json", [200, 200, 200], JSON),
    look("/.well-known/oauth-authorization-server", [200, 200, 200], JSON),
    look("/.well-known/change-password", [303, 303, 303], NOTHING),
    look("/.well-known/security.txt", [200, 200, 200], TEXT),
    look("/health/live", [200, 200, 200], JSON),
    look("/health/ready", [200, 200, 200], JSON),
    // Which assets exist depends on the build; the browser tests request them.
    Row {
        address: "/assets/nothing.js",
        ..look("/assets/{*path}", [404, 404, 404], NOTHING)
    },
    post("/token", &[("username", "{name}"), ("password", PASSWORD)], [200, 200, 200], JSON),
    post("/revoke", &[("token", "x")], [200, 200, 200], NOTHING),
    post("/introspect", &[("token", "x")], [401, 401, 200], JSON),
    post(
        "/api/log_in",
        &[("username", "{name}"), ("password", PASSWORD)],
        [200, 200, 200],
        JSON,
    ),
    post(
        "/api/sign_up",
        &[("username", "{new}"), ("password", PASSWORD)],
        [200, 200, 200],
        JSON,
    ),
    post("/api/log_out", &[], [200, 200, 200], JSON),
    post("/api/end_session", &[("session", "x")], [401, 404, 401], JSON),
    post("/api/end_other_sessions", &[], [401, 200, 401], JSON),
    post(
        "/api/change_password",
        &[("current_password", PASSWORD), ("new_password", NEW)],
        [401, 200, 401],
        JSON,
    ),
    post("/api/change_email", &[("email", "ada@example.org")], [401, 200, 401], JSON),
    post(
        "/api/remove_account",
        &[("username", "{name}"), ("password", PASSWORD)],
        [401, 200, 401],
        JSON,
    ),
];

impl Row {
    fn is_page(&self) -> bool {
        self.content_type == HTML
    }

    fn is_server_function(&self) -> bool {
        self.route.starts_with("/api/")
    }

    fn takes(&self) -> &'static [Method] {
        const LOOK: [Method; 2] = [Method::GET, Method::HEAD];
        const PROBE: [Method; 3] = [Method::GET, Method::HEAD, Method::OPTIONS];
        const POST: [Method; 1] = [Method::POST];
        match self.fields {
            Some(_) => &POST,
            None if self.route.starts_with("/health/") => &PROBE,
            None => &LOOK,
        }
    }
}

/// The paths of a router. Its `Debug` form is the only one that lists them.
fn paths(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split('"').skip(1).step_by(2);
    quoted
        .filter(|path| path.starts_with('/') && !path.contains("__private"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_route_has_a_row_in_the_table_and_every_row_has_a_route() {
    let app = TestApp::new().await;
    let rows: BTreeSet<String> = ROWS.iter().map(|row| row.route.to_owned()).collect();
    assert_eq!(paths(&latchkey::router::routes(app.state.clone())), rows);
    assert_eq!(ROWS.len(), rows.len(), "each route has one row");
    // The tests of hostile forms use a list of their own.
    let forms: BTreeSet<&str> = ROWS.iter().filter(|row| row.fields.is_some()).map(|row| row.route).collect();
    assert_eq!(forms, crate::hostile::FORMS.into_iter().chain(["/introspect"]).collect());
}

/// The application at one public URL.
struct Site {
    app: TestApp,
    https: bool,
}

/// An account with a browser and a program.
struct Guest {
    name: String,
    cookies: String,
    values: Vec<String>,
    access: String,
}

impl Site {
    async fn at(url: &str) -> Self {
        let app = TestApp::with(|settings| {
            settings.public_url = Some(url.into());
            settings.security_contact = Some("mailto:security@example.org".into());
        })
        .await;
        Self {
            app,
            https: url.starts_with("https:"),
        }
    }

    async fn both() -> [Self; 2] {
        [Self::at("http://localhost:3000").await, Self::at("https://example.org").await]
    }

    fn origin(&self) -> &str {
        self.app.state.config.public_url.origin()
    }

    fn request(&self, method: &Method, address: &str, accept: &str) -> Builder {
        let (_, host) = self.origin().split_once("://").expect("an origin");
        Request::builder()
            .method(method)
            .uri(address)
            .header(header::HOST, host)
            .header(header::ACCEPT, accept)
    }

    async fn send(&self, request: Builder, body: impl Into<Body>) -> Answer {
        self.app.send(request.body(body.into()).expect("a request")).await
    }

    async fn guest(&self, name: &str) -> Guest {
        let fields = form(&[("username", name), ("password", PASSWORD)]);
        let ask = |address| self.request(&Method::POST, address, "*/*").header(header::CONTENT_TYPE, FORM);
        let joined = self.send(ask("/api/sign_up"), fields.clone()).await;
        assert_eq!(joined.status, 200, "{}", joined.body);
        let pairs: Vec<&str> = joined
            .set_cookies()
            .into_iter()
            .filter_map(|cookie| cookie.split(';').next())
            .collect();
        Guest {
            name: name.to_owned(),
            cookies: pairs.join("; "),
            values: pairs
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(_, value)| value.to_owned())
                .collect(),
            access: Tokens::of(&self.send(ask("/token"), fields).await).expect("tokens").access,
        }
    }

    /// Builds a request for one row as it is sent by one kind of visitor.
    fn ask(&self, who: Who, guest: &Guest, method: &Method, address: &str, accept: &str) -> Builder {
        let mut request = self.request(method, address, accept);
        if who == Who::Browser {
            request = request.header(header::COOKIE, &guest.cookies);
            if !method.is_safe() {
                request = request
                    .header(header::ORIGIN, self.origin())
                    .header("sec-fetch-site", "same-origin");
            }
        }
        if who == Who::Program {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", guest.access));
        }
        request
    }

    /// Checks what must hold for every answer.
    fn check(&self, answer: &Answer, what: &str) {
        let header = |name| answer.header(name).unwrap_or_default();
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("referrer-policy"), "same-origin", "{what}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{what}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{what}");
        assert_eq!(header("cache-control"), "no-store", "{what}");
        let transport = answer.header("strict-transport-security");
        assert_eq!(
            transport.is_some_and(|value| value.starts_with("max-age=31536000")),
            self.https,
            "{what}: {transport:?}"
        );
        assert!(self.https || transport.is_none(), "{what}: not on plain http");
        for name in answer.headers.keys() {
            assert!(!name.as_str().starts_with("access-control-"), "{what}: {name}");
        }
        let content_type = header("content-type");
        let known = [HTML, JSON, TEXT].contains(&content_type) || content_type.starts_with(STREAM);
        assert!(
            known || (answer.body.is_empty() && content_type.is_empty()),
            "{what}: {content_type}: {}",
            answer.body
        );
        for cookie in answer.set_cookies() {
            self.check_cookie(cookie, what);
        }
        assert!(answer.status != 303 || answer.location().is_some(), "{what}");
        assert!(!answer.status.is_success() || answer.header("location").is_none(), "{what}");
        let asks_to_come_back = [429, 503].contains(&answer.status.as_u16());
        assert_eq!(answer.header("retry-after").is_some(), asks_to_come_back, "{what}");
        assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{what}");
        assert_eq!(
            answer.header("www-authenticate").is_some(),
            answer.status == 401 && !what.contains("/api/") && !what.contains("/session/events"),
            "{what}"
        );
    }

    fn check_cookie(&self, cookie: &str, what: &str) {
        let mut parts = cookie.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let names = ["latchkey", "latchkey-refresh", "latchkey-device", "latchkey-flash"];
        let known = names.iter().any(|known| {
            let prefix = if self.https { "__Host-" } else { "" };
            name == format!("{prefix}{known}")
        });
        assert!(known, "{what}: {cookie}");
        assert!(
            value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "{what}: {cookie}"
        );
        let attributes: Vec<&str> = parts.filter(|part| !part.starts_with("Max-Age=")).collect();
        let wanted: &[&str] = if self.https {
            &["HttpOnly", "SameSite=Lax", "Secure", "Path=/"]
        } else {
            &["HttpOnly", "SameSite=Lax", "Path=/"]
        };
        assert_eq!(attributes, wanted, "{what}: {cookie}");
        assert_eq!(cookie.ends_with("; Max-Age=0"), value.is_empty(), "{what}: {cookie}");
    }
}

/// Checks that neither the body nor any header except `Set-Cookie` contains the value of a cookie.
fn check_secrets(answer: &Answer, guest: &Guest, what: &str) {
    let set = answer.set_cookies();
    let set = set.iter().filter_map(|cookie| cookie.split_once('=')?.1.split(';').next());
    for value in set.chain(guest.values.iter().map(String::as_str)).filter(|value| !value.is_empty()) {
        assert!(!answer.body.contains(value), "{what}: the body has a cookie's value");
        for (name, held) in answer.headers.iter().filter(|(name, _)| *name != header::SET_COOKIE) {
            assert!(!held.to_str().expect("text").contains(value), "{what}: {name} has a cookie's value");
        }
    }
}

/// Returns the content type of a refusal.
fn of_refusal(status: u16, accept: &str) -> &'static str {
    match status {
        303 => NOTHING,
        _ if accept == BROWSER => HTML,
        _ => JSON,
    }
}

#[tokio::test]
async fn every_get_route_answers_each_kind_of_visitor_as_expected() {
    for site in Site::both().await {
        // Makes the event stream end at once instead of lasting as long as its session.
        site.app.state.stop.cancel();
        let guest = site.guest("ada").await;
        for row in ROWS.iter().filter(|row| row.fields.is_none()) {
            let accept = if row.is_page() { BROWSER } else { "*/*" };
            for (who, status) in EVERYBODY.into_iter().zip(row.statuses) {
                for origin in ["", "https://evil.example", "null"] {
                    let what = format!("{} {who:?} {origin:?} {}", site.origin(), row.route);
                    let ask = |method| {
                        let request = site.ask(who, &guest, method, row.address, accept);
                        if origin.is_empty() {
                            request
                        } else {
                            request.header(header::ORIGIN, origin)
                        }
                    };
                    let answer = site.send(ask(&Method::GET), "").await;
                    assert_eq!(answer.status, status, "{what}: {}", answer.body);
                    site.check(&answer, &what);
                    check_secrets(&answer, &guest, &what);
                    let content_type = answer.header("content-type").unwrap_or_default();
                    if status == 200 {
                        assert!(content_type.starts_with(row.content_type), "{what}: {content_type}");
                        assert!(!answer.body.is_empty(), "{what}");
                    } else if row.content_type != NOTHING {
                        assert_eq!(content_type, of_refusal(status, accept), "{what}");
                    }
                    let protected = ["/dashboard", "/sessions", "/account"].contains(&row.route) && who == Who::Browser;
                    assert_eq!(answer.body.contains(MARKER), protected, "{what}");

                    let head = site.send(ask(&Method::HEAD), "").await;
                    site.check(&head, &what);
                    assert_eq!((head.status, head.body.as_str()), (answer.status, ""), "HEAD {what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn every_post_route_answers_each_kind_of_visitor_as_expected() {
    for site in Site::both().await {
        let mut cookies = BTreeSet::new();
        let mut guests = 0;
        for row in ROWS {
            let Some(fields) = row.fields else { continue };
            let as_page: &[&str] = if row.is_server_function() { &["*/*", BROWSER] } else { &["*/*"] };
            for (who, status) in EVERYBODY.into_iter().zip(row.statuses) {
                for accept in as_page {
                    guests += 1;
                    let guest = site.guest(&format!("guest-{guests}")).await;
                    let what = format!("{} {who:?} {accept} {}", site.origin(), row.route);
                    let fields: Vec<(&str, String)> = fields
                        .iter()
                        .map(|(name, value)| {
                            let value = value.replace("{name}", &guest.name);
                            (*name, value.replace("{new}", &format!("new-{guests}")))
                        })
                        .collect();
                    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let request = site.ask(who, &guest, &Method::POST, row.address, accept);
                    let answer = site.send(request.header(header::CONTENT_TYPE, FORM), form(&fields)).await;
                    let (status, content_type) = match *accept {
                        BROWSER => (303, JSON),
                        _ if status == 200 => (200, row.content_type),
                        _ => (status, JSON),
                    };
                    assert_eq!(answer.status, status, "{what}: {}", answer.body);
                    assert_eq!(answer.header("content-type").unwrap_or_default(), content_type, "{what}");
                    site.check(&answer, &what);
                    check_secrets(&answer, &guest, &what);
                    cookies.extend(
                        answer
                            .set_cookies()
                            .iter()
                            .filter_map(|cookie| Some(cookie.split_once('=')?.0.to_owned())),
                    );
                }
            }
        }
        assert_eq!(cookies.len(), 4, "all four of our cookies were checked: {cookies:?}");
    }
}

#[tokio::test]
async fn every_route_refuses_the_methods_that_it_does_not_support() {
    for site in Site::both().await {
        let guest = site.guest("ada").await;
        for row in ROWS {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
                let method: Method = method.parse().expect("a method");
                if row.takes().contains(&method) {
                    continue;
                }
                for who in EVERYBODY {
                    let what = format!("{} {who:?} {method} {}", site.origin(), row.route);
                    let mut request = site.ask(who, &guest, &method, row.address, "*/*");
                    if method == Method::OPTIONS {
                        // A CORS preflight, as browsers send it before a request from another site.
                        request = request
                            .header(header::ORIGIN, "https://evil.example")
                            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
                            .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization");
                    }
                    let answer = site.send(request, "").await;
                    assert_eq!(answer.status, 405, "{what}");
                    let allowed = answer.header("allow").unwrap_or_default().split(',').map(str::trim);
                    assert!(
                        allowed.eq(row.takes().iter().map(Method::as_str)),
                        "{what}: {:?}",
                        answer.header("allow")
                    );
                    site.check(&answer, &what);
                    assert!(answer.set_cookies().is_empty(), "{what}");
                }
            }
        }
    }
}

/// Returns a body that never arrives.
fn never() -> Body {
    Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>())
}

/// Returns a body that panics when the application reads it.
pub fn panicking(text: &'static str) -> Body {
    Body::from_stream(stream::poll_fn(move |_| -> Poll<Option<Result<Vec<u8>, std::io::Error>>> {
        panic!("{text}")
    }))
}

impl Site {
    /// Collects one answer of every status that is not a success, for a browser and for a program.
    async fn every_refusal(&self) -> Vec<(u16, Answer)> {
        // Sends all of them at once, because each takes as long as a body may take.
        let slow = [BROWSER, "*/*"].into_iter().flat_map(|accept| {
            ["/token", "/api/log_in"].map(|address| {
                let request = self.request(&Method::POST, address, accept).header(header::CONTENT_TYPE, FORM);
                self.send(request, never())
            })
        });
        let mut answers: Vec<_> = join_all(slow).await.into_iter().map(|answer| (408, answer)).collect();
        for accept in [BROWSER, "*/*"] {
            let get = |address: &str| self.request(&Method::GET, address, accept);
            let post = |address: &str| self.request(&Method::POST, address, accept).header(header::CONTENT_TYPE, FORM);
            let long = format!("/login?next=/{}", "a".repeat(8 * 1024));
            let guess = format!("username=somebody&password={NEW}");
            for _ in 0..20 {
                self.send(post("/token"), guess.clone()).await;
            }
            let foreign = get("/").header(header::ORIGIN, "https://evil.example");
            for (status, request, body) in [
                (303, get("/dashboard"), Body::empty()),
                (400, post("/api/log_in"), "username=%".into()),
                (400, post("/token"), "username=%".into()),
                (401, get("/me"), Body::empty()),
                (403, post("/api/log_in").header(header::ORIGIN, "https://evil.example"), "".into()),
                (403, post("/token").header(header::ORIGIN, "null"), "".into()),
                (404, get("/nowhere"), Body::empty()),
                (405, get("/token"), Body::empty()),
                (413, post("/api/log_in"), "a".repeat(17 * 1024).into()),
                (413, post("/token"), "a".repeat(17 * 1024).into()),
                (414, get(&long), Body::empty()),
                (415, post("/api/log_in").header(header::CONTENT_ENCODING, "gzip"), "a=b".into()),
                (415, post("/token").header(header::CONTENT_ENCODING, "gzip"), "a=b".into()),
                (421, foreign.header(header::HOST, "evil.example"), Body::empty()),
                (429, post("/token"), guess.clone().into()),
                (431, get("/").header("x-large", "y".repeat(16 * 1024)), Body::empty()),
                (
                    431,
                    get("/").header(header::COOKIE, format!("planted={}", "y".repeat(16 * 1024))),
                    Body::empty(),
                ),
                (500, post("/token"), panicking("in the token call")),
                (500, post("/api/log_in"), panicking("in a form")),
            ] {
                answers.push((status, self.send(request, body).await));
            }
        }
        let field = [("username", "ad"), ("password", PASSWORD)];
        answers.push((
            422,
            self.send(
                self.request(&Method::POST, "/api/sign_up", "*/*")
                    .header(header::CONTENT_TYPE, FORM),
                form(&field),
            )
            .await,
        ));
        let guess = [("username", "somebody"), ("password", NEW)];
        answers.push((
            429,
            self.send(
                self.request(&Method::POST, "/api/log_in", "*/*").header(header::CONTENT_TYPE, FORM),
                form(&guess),
            )
            .await,
        ));
        self.app.database.goes_away().await;
        for accept in [BROWSER, "*/*"] {
            answers.push((503, self.send(self.request(&Method::GET, "/signup", accept), "").await));
            answers.push((503, self.send(self.request(&Method::GET, "/health/ready", accept), "").await));
            let request = self.request(&Method::POST, "/token", accept).header(header::CONTENT_TYPE, FORM);
            answers.push((503, self.send(request, form(&[("username", "ada"), ("password", PASSWORD)])).await));
        }
        answers
    }
}

#[tokio::test]
async fn answers_of_every_status_carry_the_headers_required_of_all_answers() {
    let [plain, tls] = Site::both().await;
    let answers = futures::join!(plain.every_refusal(), tls.every_refusal());
    for (site, answers) in [(&plain, answers.0), (&tls, answers.1)] {
        for (status, answer) in answers {
            let what = format!("{} {status} {}", site.origin(), answer.body);
            assert_eq!(answer.status, status, "{what}");
            site.check(&answer, &what);
            assert!(answer.set_cookies().is_empty(), "{what}");
            assert!(answer.status == 303 || !answer.body.is_empty(), "{what}: the body is empty");
        }
    }
}

/// Words that reveal what only the operator may know: about the database, the program and its paths.
const INTERNAL: [&str; 21] = [
    "sqlx",
    "postgres",
    "sqlite",
    "select ",
    "insert ",
    "update ",
    "no such table",
    "kept_elsewhere",
    "latchkey.db",
    "database",
    "os error",
    "storeerror",
    "unavailable(",
    "pool",
    "panick",
    "unwrap",
    "src/",
    ".rs:",
    "::",
    "/tmp",
    "canary",
];

fn says_nothing_of_the_cause(app: &TestApp, answer: &Answer, what: &str) {
    // The client can read the content of the flash cookie.
    let flash = answer.set_cookies().into_iter().filter_map(|cookie| {
        let body = cookie.strip_prefix("latchkey-flash=")?.split('.').next()?;
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, body).ok()?;
        String::from_utf8(bytes).ok()
    });
    let headers = answer.headers.iter().map(|(_, value)| value.to_str().expect("text").to_owned());
    let dir = app.dir().to_str().expect("text").to_lowercase();
    for text in headers.chain(flash).chain([answer.body.clone()]) {
        let text = text.to_lowercase();
        for internal in INTERNAL.into_iter().chain([dir.as_str()]) {
            assert!(!text.contains(internal), "{what}: {internal}: {text}");
        }
    }
}

#[tokio::test]
async fn no_answer_reveals_the_internal_cause_of_an_error() {
    for broken in ["unavailable", "without a table", "closed"] {
        let app = TestApp::new().await;
        let mut ada = app.signed_up("ada").await;
        let tokens = app.grant("ada").await;
        match broken {
            "unavailable" => app.database.goes_away().await,
            "closed" => app.state.store.close().await,
            _ => app.database.execute("ALTER TABLE users RENAME TO kept_elsewhere").await,
        }
        let fields = [
            ("username", "ada"),
            ("password", PASSWORD),
            ("current_password", PASSWORD),
            ("new_password", NEW),
            ("email", "ada@example.org"),
        ];
        for path in [
            "/api/log_in",
            "/api/sign_up",
            "/api/change_password",
            "/api/change_email",
            "/api/remove_account",
        ] {
            let what = format!("{broken}: {path}");
            let answer = ada.call(path, &fields).await;
            assert_eq!(answer.status, 503, "{what}: {}", answer.body);
            says_nothing_of_the_cause(&app, &answer, &what);
            let answer = ada.post(path, &fields).await;
            assert_eq!(answer.status, 303, "{what}");
            says_nothing_of_the_cause(&app, &answer, &what);
        }
        for path in ["/dashboard", "/account"] {
            let answer = ada.get(path).await;
            assert_eq!(answer.status, 503, "{broken}: {path}");
            says_nothing_of_the_cause(&app, &answer, path);
        }
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
        for (path, fields) in [
            ("/token", &fields[..2]),
            ("/token", &refresh),
            ("/revoke", &[("token", tokens.refresh.as_str())]),
        ] {
            let answer = app.post(path, fields).await;
            assert_eq!(answer.status, 503, "{broken}: {path}: {}", answer.body);
            says_nothing_of_the_cause(&app, &answer, path);
        }
    }
    let app = TestApp::new().await;
    for path in ["/token", "/api/log_in"] {
        let answer = app
            .post_raw(path, FORM, panicking("canary: SELECT password_hash at /srv/secret"))
            .await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(
            answer.json()["detail"],
            "Something went wrong on our side. Check whether your change was saved, then try again."
        );
        says_nothing_of_the_cause(&app, &answer, path);
    }
    app.signed_up("ada").await;
}
