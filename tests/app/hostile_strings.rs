//! Sends the Big List of Naughty Strings, and strings that it lacks, to every input: nothing breaks, and pages show them as text.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderName, HeaderValue, Method, Request, header};
use latchkey_store::{Client, ClientKind};
use naughty_strings::BLNS;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::support::{Answer, Browser, MARKER, NOW, PASSWORD, TestApp, form, request};
use latchkey_pages::client_name::client_name;

/// Strings that the list lacks: characters that end, reverse or separate strings or are invisible in them, and HTML markup.
const MORE: [&str; 22] = [
    "\0",
    "ada\0",
    "\0ada",
    "\u{b}",
    "ada\u{b}",
    "ada\r\nset-cookie: a=b",
    "\u{feff}ada",
    "ada\u{200b}",
    "\u{200d}",
    "\u{202e}ada",
    "\u{2066}ada\u{2069}",
    "\u{200f}\u{200e}",
    "ada\u{2028}ada",
    "\u{2029}",
    "\u{85}",
    "\u{e000}\u{10ffff}",
    "e\u{301}",
    "</textarea><script>alert(1)</script>",
    "</title></style></script><!--",
    "\" autofocus onfocus=alert(1) x=\"",
    "&lt;script&gt; &amp;amp; &#x22;",
    "<",
];

fn strings() -> impl Iterator<Item = &'static str> {
    assert!(BLNS.len() > 500, "the list is complete");
    BLNS.iter().copied().chain(MORE)
}

/// Percent-encoded bytes that are not UTF-8: a form with them is malformed, and no page has an address with them.
const NO_TEXT: [&str; 12] = [
    "%ED%A0%80",
    "%ED%A0%BD%ED%B2%A9",
    "%C0%80",
    "%C0%AF",
    "%E0%80%AF",
    "%F0%80%80%AF",
    "%F4%90%80%80",
    "%F8%88%80%80%80",
    "%FF",
    "%FE%FF",
    "%80",
    "%C3",
];

const WRONG: &str = "wrong password";

/// Seconds after which every limit allows at least one more attempt.
const PAUSE: i64 = 61;

/// Names of fields with their values, or with their ids on the page.
type Fields = &'static [(&'static str, &'static str)];

/// Every form, with fields that can be parsed. Each form is sent many times with one of its fields replaced.
const FORMS: [(&str, Fields); 14] = [
    (
        "/token",
        &[
            ("grant_type", "password"),
            ("username", "ada"),
            ("password", WRONG),
            ("client_id", "x"),
            ("scope", "x"),
        ],
    ),
    (
        "/token",
        &[
            ("grant_type", "refresh_token"),
            (
                "refresh_token",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ),
        ],
    ),
    ("/revoke", &[("token", "x"), ("token_type_hint", "refresh_token")]),
    ("/introspect", &[("token", "x"), ("token_type_hint", "access_token")]),
    ("/api/log_in", &[("username", "ada"), ("password", WRONG), ("next", "/account")]),
    (
        "/api/sign_up",
        &[
            ("username", "grace"),
            ("password", "short"),
            ("email", "grace@example.org"),
            ("next", "/"),
        ],
    ),
    ("/api/log_out", &[("other", "x")]),
    ("/api/end_session", &[("session", "01890000-0000-7000-8000-000000000000")]),
    ("/api/end_other_sessions", &[("other", "x")]),
    ("/api/change_password", &[("current_password", WRONG), ("keep_others", "yes")]),
    (
        "/api/change_password",
        &[("new_password", "another quiet harbour"), ("current_password", "")],
    ),
    ("/api/change_email", &[("email", "ada@example.org")]),
    ("/api/change_email", &[("password", WRONG), ("email", "ada@example.org")]),
    ("/api/remove_account", &[("username", "ada"), ("password", WRONG)]),
];

/// Sends each string in each field of some forms and passes the answers to `check`.
async fn in_every_field(app: &TestApp, forms: &[(&str, Fields)], mut check: impl FnMut(&str, &str, &str, Answer)) {
    let mut ada = app.signed_up("ada").await;
    // Ada does not sign in here, because so many sign-ins would exceed the session limit and end her session.
    app.signed_up("service").await;
    for (path, fields) in forms {
        for (field, _) in *fields {
            for string in strings() {
                let mut fields = fields.to_vec();
                if let Some(found) = fields.iter_mut().find(|(name, _)| name == field) {
                    found.1 = string;
                }
                app.pass_seconds(PAUSE);
                let answer = match *path {
                    "/introspect" => {
                        let request = request(Method::POST, path)
                            .header(header::AUTHORIZATION, format!("Bearer {}", app.token("service").await))
                            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                        app.send(request.body(form(&fields).into()).expect("a request")).await
                    }
                    "/api/log_out" | "/api/log_in" | "/api/sign_up" => app.post(path, &fields).await,
                    path if path.starts_with("/api/") => ada.call(path, &fields).await,
                    path => app.post(path, &fields).await,
                };
                check(path, field, string, answer);
            }
        }
    }
    assert_eq!(ada.get("/dashboard").await.status, 200, "ada is still signed in");
    assert!(app.opens(&app.token("ada").await).await, "her password is unchanged");
}

/// Checks that a string is accepted or refused: it causes no server error, and no answer reports a limit or an overload.
fn is_refused_or_taken(path: &str, field: &str, string: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(
        matches!(status, 200 | 400 | 401 | 404 | 422),
        "{path} {field} {string:?}: {status} {}",
        answer.body
    );
    assert!(
        answer.body.is_empty() || answer.header("content-type") == Some("application/json"),
        "{path} {field} {string:?}"
    );
}

#[tokio::test]
async fn no_string_in_any_field_breaks_the_http_api() {
    let app = TestApp::new().await;
    in_every_field(&app, &FORMS[..4], |path, field, string, answer| {
        is_refused_or_taken(path, field, string, &answer);
        let granted = path == "/token" && ["client_id", "scope"].contains(&field);
        assert!(path != "/token" || granted || answer.status == 400, "{path} {field} {string:?}");
        assert!(
            path != "/introspect" || field != "token" || !answer.body.contains("true"),
            "{string:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn no_string_in_any_field_breaks_sign_up_or_sign_in() {
    let app = TestApp::new().await;
    in_every_field(&app, &FORMS[4..6], |path, field, string, answer| {
        is_refused_or_taken(path, field, string, &answer);
        // The password of the form is too short, but a string of the list may be a permitted password.
        let may_be_good = path == "/api/sign_up" && field == "password";
        assert!(may_be_good || answer.status.is_client_error(), "{path} {field} {string:?}");
    })
    .await;
}

#[tokio::test]
async fn no_string_in_any_field_breaks_the_actions_of_a_session() {
    let app = TestApp::new().await;
    in_every_field(&app, &FORMS[6..], |path, field, string, answer| {
        is_refused_or_taken(path, field, string, &answer);
        let decides = !["other", "keep_others", "email"].contains(&field);
        assert!(
            !decides || answer.status.is_client_error(),
            "{path} {field} {string:?}: {}",
            answer.body
        );
    })
    .await;
}

#[tokio::test]
async fn bytes_that_are_not_utf_8_are_refused_in_every_field() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let token = app.token("ada").await;
    for (path, fields) in FORMS {
        for (field, _) in fields {
            for no_text in NO_TEXT {
                for body in [format!("{field}={no_text}"), format!("{field}=x{no_text}y&{no_text}=x")] {
                    let request = request(Method::POST, path)
                        .header(header::AUTHORIZATION, format!("Bearer {token}"))
                        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                    let answer = app.send(request.body(body.clone().into()).expect("a request")).await;
                    assert_eq!(answer.status, 400, "{path} {body}: {}", answer.body);
                }
            }
        }
    }
}

#[tokio::test]
async fn any_string_as_a_password_is_refused_with_a_reason_or_works_exactly_as_typed() {
    let app = TestApp::new().await;
    let mut taken = 0;
    for (n, string) in strings().enumerate() {
        app.pass_seconds(PAUSE);
        let name = format!("user-{n}");
        let answer = app.post("/api/sign_up", &[("username", &name), ("password", string)]).await;
        if answer.status == 422 {
            assert!(answer.json()["errors"]["password"].is_string(), "{string:?}: {}", answer.body);
            continue;
        }
        assert_eq!(answer.status, 200, "{string:?}: {}", answer.body);
        taken += 1;
        for (typed, status) in [
            (string, 200),
            (&format!("{string} "), 400),
            (&string[..string.floor_char_boundary(string.len() - 1)], 400),
        ] {
            let answer = app.post("/token", &[("username", &name), ("password", typed)]).await;
            assert_eq!(answer.status, status, "{typed:?}");
        }
    }
    assert!(taken > 200, "most strings are permitted passwords: {taken}");
}

/// A page, parsed as browsers parse it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    /// Each tag with the names of its attributes.
    shape: Vec<String>,
    /// The decoded attributes of each tag.
    attributes: Vec<Vec<(String, String)>>,
    /// The decoded text between tags.
    text: String,
}

impl Parsed {
    fn of(page: &str) -> Self {
        let mut parsed = Self::default();
        let mut rest = page;
        while let Some(at) = rest.find('<') {
            parsed.text.push_str(&unescaped(&rest[..at]));
            rest = &rest[at + 1..];
            let end = if rest.starts_with("!--") {
                rest.find("-->").map_or(rest.len(), |end| end + 3)
            } else if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
                parsed.tag(rest)
            } else if rest.starts_with(['/', '!', '?']) {
                rest.find('>').map_or(rest.len(), |end| end + 1)
            } else {
                parsed.text.push('<');
                0
            };
            rest = &rest[end..];
        }
        parsed.text.push_str(&unescaped(rest));
        parsed
    }

    /// Parses a tag from behind its `<` and returns where it ends.
    fn tag(&mut self, from: &str) -> usize {
        let space = |c: char| c.is_ascii_whitespace() || c == '/';
        let name = from.split(|c| space(c) || c == '>').next().unwrap_or_default();
        let mut rest = &from[name.len()..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches(space);
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let end = rest.find(|c| space(c) || c == '>' || c == '=').unwrap_or(rest.len()).max(1);
            let (key, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix('=') {
                None => ("", after),
                Some(quoted) if quoted.starts_with(['"', '\'']) => {
                    let quote = &quoted[..1];
                    quoted[1..].split_once(quote).unwrap_or((&quoted[1..], ""))
                }
                Some(bare) => bare.split_at(bare.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(bare.len())),
            };
            attributes.push((key.to_owned(), unescaped(value)));
            rest = after;
        }
        // `aria-invalid` depends on whether the field has an error.
        let names = attributes.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "aria-invalid");
        self.shape.push(format!("{name} {}", names.collect::<Vec<_>>().join(" ")));
        self.attributes.push(attributes);
        from.len() - rest.len() + 1
    }

    /// Returns the value of the input with this id.
    fn value(&self, id: &str) -> &str {
        let is = |attributes: &&Vec<(String, String)>| attributes.contains(&("id".to_owned(), id.to_owned()));
        let input = self.attributes.iter().find(is).unwrap_or_else(|| panic!("{id}: {:?}", self.shape));
        let value = input.iter().find(|(key, _)| key == "value").expect("a value");
        &value.1
    }
}

fn unescaped(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2F;", "/"),
    ];
    let text = named.iter().fold(text.to_owned(), |text, (entity, c)| text.replace(entity, c));
    text.replace("&amp;", "&")
}

#[test]
fn the_page_parser_of_these_tests_parses_pages_as_browsers_do() {
    let page = Parsed::of("<!DOCTYPE html><p class=a id='b'>1 &lt; 2 &amp;lt; <!-- <i> --><input value=\"&quot;<b>\" id=\"x\"/>");
    assert_eq!(page.shape, ["p class id", "input value id"]);
    assert_eq!((page.text.as_str(), page.value("x")), ("1 < 2 &lt; ", "\"<b>"));
    assert_eq!(
        Parsed::of("<input id=\"x\" value=\"\" onfocus=\"a\">").shape,
        ["input id value onfocus"]
    );
}

/// Returns the beginning of a string that the flash cookie keeps.
fn kept(string: &str) -> &str {
    &string[..string.floor_char_boundary(512)]
}

#[tokio::test]
async fn typed_strings_are_shown_as_text_and_change_no_tag_of_the_page() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    // From now on the password must be given again, so no string changes the email address.
    app.pass_seconds(600);
    let forms: [(&str, &str, Fields); 4] = [
        ("/api/log_in", "/login", &[("username", "username")]),
        ("/api/sign_up", "/signup", &[("username", "username"), ("email", "email")]),
        ("/api/change_email", "/account", &[("email", "change-email-email")]),
        ("/api/remove_account", "/account", &[("username", "remove-account-username")]),
    ];
    for (action, page, fields) in forms {
        let mut stranger = app.browser();
        let browser = if page == "/account" { &mut ada } else { &mut stranger };
        let harmless = shown_after(&app, browser, action, page, fields, "harmless!").await;
        for string in strings() {
            let shown = shown_after(&app, browser, action, page, fields, string).await;
            assert_eq!(shown.shape, harmless.shape, "{page} {string:?}");
            for (field, id) in fields {
                assert_eq!(shown.value(id), kept(string), "{page} {field}");
            }
            assert!(!shown.text.contains("alert("), "{page} {string:?}: shown only in its field");
        }
    }
}

/// Posts a string in some fields and parses the page that shows the errors.
async fn shown_after(app: &TestApp, browser: &mut Browser<'_>, action: &str, page: &str, fields: &[(&str, &str)], string: &str) -> Parsed {
    app.pass_seconds(PAUSE);
    let typed = fields.iter().map(|(name, _)| (*name, string));
    let typed: Vec<(&str, &str)> = typed.chain([("next", "//evil.example"), ("other", string)]).collect();
    let answer = browser.post(action, &typed).await;
    assert!(answer.location().is_some_and(|to| to.starts_with(page)), "{action} {string:?}");
    let shown = browser.get(page).await;
    assert_eq!(shown.status, 200, "{page} {string:?}");
    assert!(!shown.body.contains("evil.example"), "{page}");
    Parsed::of(&shown.body)
}

/// Returns the string as a header value, if it can be one.
fn header_value(string: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(string.as_bytes()).ok()
}

fn with(method: Method, path: &str, name: HeaderName, value: HeaderValue) -> Request<Body> {
    request(method, path).header(name, value).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn the_user_agent_of_a_client_is_shown_as_text() {
    // Number of sessions that the dashboard shows besides the current one.
    const SHOWN: usize = 3;
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let agents: Vec<HeaderValue> = strings().filter_map(header_value).collect();
    assert!(agents.len() > 450, "{}", agents.len());
    let harmless = vec![HeaderValue::from_static("curl/8.5.0"); 4 * SHOWN];
    let mut shapes = Vec::new();
    for agents in harmless.chunks(SHOWN).chain(agents.chunks_exact(SHOWN)) {
        app.pass_seconds(PAUSE);
        for agent in agents {
            let body = form(&[("username", "ada"), ("password", PASSWORD)]);
            let sign_in = request(Method::POST, "/token")
                .header(header::USER_AGENT, agent)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            assert_eq!(
                app.send(sign_in.body(body.into()).expect("a request")).await.status,
                200,
                "{agent:?}"
            );
        }
        let pages = [ada.get("/dashboard").await, ada.get("/sessions").await];
        let parsed = pages.each_ref().map(|page| {
            assert_eq!(page.status, 200, "{agents:?}");
            Parsed::of(&page.body)
        });
        for agent in agents {
            let words = client_name(&Client::new(ClientKind::Api, agent.to_str().unwrap_or_default(), None));
            for page in &parsed {
                assert!(page.text.contains(&words), "{words:?}: {}", page.text);
            }
            let label = format!("End the session of {words}");
            assert!(
                parsed[1]
                    .attributes
                    .iter()
                    .flatten()
                    .any(|(key, value)| key == "aria-label" && *value == label)
            );
        }
        shapes.push(parsed.map(|page| page.shape));
        ada.post("/api/end_other_sessions", &[]).await;
        ada.get("/sessions").await;
    }
    // The first pages are not compared, because the list of latest events is not full yet.
    let (harmless, hostile) = shapes.split_at(4);
    for (n, shape) in hostile.iter().enumerate() {
        assert_eq!(*shape, harmless[3], "{:?}", &agents[n * SHOWN..(n + 1) * SHOWN]);
    }
}

#[tokio::test]
async fn no_string_in_a_header_breaks_anything_or_grants_access() {
    let app = TestApp::with(|settings| settings.trusted_proxies = Some("127.0.0.0/8".into())).await;
    let ada = app.signed_up("ada").await;
    let cookie = |name: &str, value: &HeaderValue| {
        let bytes = [name.as_bytes(), b"=", value.as_bytes()].concat();
        HeaderValue::from_bytes(&bytes).expect("a header")
    };
    let pause = || app.pass_seconds(PAUSE);
    for value in strings().filter_map(header_value) {
        pause();
        for name in ["latchkey", "latchkey-refresh", "latchkey-device", "latchkey-flash"] {
            let answer = app
                .send(with(Method::GET, "/dashboard", header::COOKIE, cookie(name, &value)))
                .await;
            assert_eq!(answer.status, 303, "{name} {value:?}");
            let answer = app.send(with(Method::GET, "/login", header::COOKIE, cookie(name, &value))).await;
            assert_eq!(answer.status, 200, "{name} {value:?}");
        }
        let answer = app.send(with(Method::GET, "/dashboard", header::COOKIE, value.clone())).await;
        assert_eq!(answer.status, 303, "{value:?}");
        for before in [&b""[..], b"Bearer ", b"Basic "] {
            let authorization = HeaderValue::from_bytes(&[before, value.as_bytes()].concat()).expect("a header");
            let answer = app.send(with(Method::GET, "/me", header::AUTHORIZATION, authorization)).await;
            assert_eq!(answer.status, 401, "{value:?}");
        }
        for name in [
            header::ACCEPT,
            header::ACCEPT_ENCODING,
            header::ACCEPT_LANGUAGE,
            header::REFERER,
            header::IF_NONE_MATCH,
            header::RANGE,
        ] {
            let answer = app.send(with(Method::GET, "/", name.clone(), value.clone())).await;
            assert_eq!(answer.status, 200, "{name} {value:?}");
        }
        for name in [
            header::CONTENT_TYPE,
            header::ORIGIN,
            header::CONTENT_ENCODING,
            HeaderName::from_static("sec-fetch-site"),
        ] {
            let answer = app.send(with(Method::POST, "/api/log_in", name.clone(), value.clone())).await;
            assert!(answer.status.is_client_error(), "{name} {value:?}: {}", answer.status);
        }
        let elsewhere = Request::builder()
            .uri("/")
            .header(header::HOST, &value)
            .body(Body::empty())
            .expect("a request");
        assert_eq!(app.send(elsewhere).await.status, 421, "{value:?}");
        let mut forwarded = with(Method::POST, "/token", HeaderName::from_static("x-forwarded-for"), value.clone());
        forwarded
            .extensions_mut()
            .insert(ConnectInfo(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 4000)));
        assert_eq!(app.send(forwarded).await.status, 400, "{value:?}");
    }
    let mut ada = ada;
    assert_eq!(ada.get("/dashboard").await.status, 200, "the valid session is not affected");
    assert!(app.state.clock.now() > NOW);
}

#[tokio::test]
async fn no_string_in_a_url_breaks_anything_or_is_shown() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let encoded = strings().map(|string| utf8_percent_encode(string, NON_ALPHANUMERIC).to_string());
    let as_they_are = strings().filter(|string| !string.contains(['?', '#'])).map(str::to_owned);
    let segments: Vec<String> = encoded.chain(as_they_are).chain(NO_TEXT.map(str::to_owned)).collect();
    let nowhere = Parsed::of(&app.browser().get("/nowhere").await.body);
    let sign_in = Parsed::of(&app.browser().get("/login").await.body);
    let sessions = Parsed::of(&ada.get("/sessions").await.body);
    let is_address = |path: &str| path.len() < 4096 && http::Uri::try_from(path).is_ok();
    let mut asked = 0;
    for segment in segments.iter().filter(|segment| !segment.is_empty()) {
        for before in ["/", "/dashboard/", "/api/", "/.well-known/", "/session/", "/assets/"] {
            let path = format!("{before}{segment}");
            if !is_address(&path) {
                continue;
            }
            asked += 1;
            let answer = ada.get(&path).await;
            assert!(matches!(answer.status.as_u16(), 404 | 400), "{path}: {}", answer.status);
            assert!(answer.status == 404 || before == "/assets/", "{path}: {}", answer.status);
            assert!(!answer.body.contains(MARKER), "{path}");
            let stranger = app.browser().get(&path).await;
            assert!(
                before == "/assets/" || Parsed::of(&stranger.body) == nowhere,
                "{path}: {}",
                stranger.body
            );
        }
        let query = format!("/sessions?after={segment}");
        if is_address(&query) {
            asked += 1;
            let answer = ada.get(&query).await;
            assert_eq!(answer.status, 200, "{query}");
            assert_eq!(Parsed::of(&answer.body), sessions, "{query}");
        }
        let query = format!("/login?next={segment}");
        if is_address(&query) {
            asked += 1;
            let answer = app.browser().get(&query).await;
            assert_eq!(answer.status, 200, "{query}");
            let shown = Parsed::of(&answer.body);
            assert_eq!((&shown.shape, &shown.text), (&sign_in.shape, &sign_in.text), "{query}");
            let led = shown
                .attributes
                .iter()
                .flatten()
                .filter(|(key, _)| ["value", "href", "action"].contains(&key.as_str()));
            for (_, to) in led {
                assert!(
                    to == "#main" || to.is_empty() || (to.starts_with('/') && !to.starts_with("//") && !to.contains('\\')),
                    "{query}: {to}"
                );
            }
        }
    }
    assert!(asked > 4000, "{asked}");
}
