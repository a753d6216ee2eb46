//! The log: what it contains, what it must never contain, and what happens if it cannot be written.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Answer, Installation, PASSWORD, Server, Tokens, exchange, free_port, whole_answer, within};

/// A browser with its cookies, and every value that a cookie ever had.
struct Browser<'a> {
    server: &'a Server,
    cookies: HashMap<String, String>,
    seen: Vec<String>,
}

impl Browser<'_> {
    fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let origin = format!("http://localhost:{}", self.server.port);
        let mut all = vec![("Origin", origin.as_str()), ("Content-Type", "application/x-www-form-urlencoded")];
        if !cookies.is_empty() {
            all.push(("Cookie", &cookies));
        }
        all.extend(headers);
        let answer = whole_answer(self.server.port, method, path, &all, body).expect("an answer");
        for line in answer.head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
                self.seen.push(value.to_owned());
            }
        }
        answer
    }

    /// Posts a form as a page or as an API client, depending on `accept`.
    fn post(&mut self, path: &str, accept: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", path, &[("Accept", accept)], &body)
    }
}

const PAGE: &str = "text/html";
const JSON: &str = "application/json";

/// Values that only these tests use, so that a search of the log finds every leak.
const EMAIL: &str = "canary-first@example.org";
const OTHER_EMAIL: &str = "canary-other@example.org";
const WRONG: &str = "canary wrong password";
const NEW: &str = "canary quiet new harbour";

/// Returns every encoding in which a log could contain a typed value.
fn spellings(text: &str) -> Vec<String> {
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let percent = form.replace('+', "%20");
    let bytes = format!("{:?}", text.as_bytes());
    vec![text.to_owned(), form, percent, bytes.trim_matches(['[', ']']).to_owned()]
}

#[test]
fn a_trace_log_contains_no_token_password_cookie_or_email_and_every_line_is_json() {
    let here = Installation::new();
    let server = here.serve(&[
        ("LATCHKEY_LOG", "trace"),
        ("LATCHKEY_LOG_FORMAT", "json"),
        // So that the server reads X-Forwarded-For.
        ("LATCHKEY_TRUSTED_PROXIES", "127.0.0.1"),
    ]);
    let mut secrets: Vec<String> = [PASSWORD, WRONG, NEW, EMAIL, OTHER_EMAIL].into_iter().flat_map(spellings).collect();
    let mut browser = Browser {
        server: &server,
        cookies: HashMap::new(),
        seen: Vec::new(),
    };

    use_the_pages(&mut browser);
    let tokens = use_the_api(&server);
    send_what_is_hostile(&server);
    // Remove the account at the end.
    for (password, status) in [(WRONG, 422), (NEW, 200)] {
        let fields = [("username", "ada"), ("password", password)];
        assert_eq!(browser.post("/api/remove_account", JSON, &fields).status, status);
    }
    for tokens in &tokens {
        secrets.extend([tokens.access.clone(), tokens.refresh.clone()]);
    }
    secrets.append(&mut browser.seen);
    // Parts of tokens are secret too.
    let parts: Vec<String> = secrets
        .iter()
        .flat_map(|secret| secret.split('.'))
        .filter(|part| part.len() > 40)
        .flat_map(|part| [part.to_owned(), part[..40].to_owned(), part[part.len() - 40..].to_owned()])
        // The header of every access token is the same and not secret.
        .filter(|part| !tokens[0].access.starts_with(part.as_str()))
        .collect();
    secrets.extend(parts);
    let log = server.stop();
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret}");
    }
    check_lines(&log);
}

#[test]
fn x_forwarded_for_from_an_untrusted_peer_is_ignored_with_one_warning() {
    for (trusted, expected) in [("10.0.0.0/8", 1), ("127.0.0.1", 0)] {
        let here = Installation::new();
        let server = here.serve(&[("LATCHKEY_LOG_FORMAT", "json"), ("LATCHKEY_TRUSTED_PROXIES", trusted)]);
        for _ in 0..3 {
            assert_eq!(server.ask("GET", "/login", &[], "").0, 200);
            assert_eq!(server.ask("GET", "/login", &[("X-Forwarded-For", "198.51.100.7")], "").0, 200);
        }
        let log = server.stop();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains("X-Forwarded-For")).collect();
        assert_eq!(warnings.len(), expected, "{trusted}: {log}");
        for warning in warnings {
            let warning: Value = serde_json::from_str(warning).expect("JSON");
            assert_eq!(
                (&warning["level"], &warning["fields"]["peer"]),
                (&"WARN".into(), &"127.0.0.1".into())
            );
            assert!(warning.to_string().contains("LATCHKEY_TRUSTED_PROXIES"), "{warning}");
        }
    }
}

/// Sends each form once so that it is refused and once so that it succeeds.
fn use_the_pages(browser: &mut Browser) {
    let sign_up = [("username", "ada"), ("password", PASSWORD), ("email", EMAIL)];
    assert_eq!(
        browser
            .post("/api/sign_up", PAGE, &[("username", "a"), ("password", WRONG), ("email", EMAIL)])
            .status,
        303
    );
    assert_eq!(browser.ask("GET", "/signup", &[("Accept", PAGE)], "").status, 200);
    assert_eq!(browser.post("/api/sign_up", PAGE, &sign_up).status, 303);
    let taken = [("username", "ada"), ("password", WRONG), ("email", EMAIL)];
    assert_eq!(browser.post("/api/sign_up", JSON, &taken).status, 422);
    for (accept, refused, done) in [(PAGE, 303, 303), (JSON, 422, 200)] {
        for (email, status) in [("canary-first@", refused), (OTHER_EMAIL, done)] {
            let answer = browser.post("/api/change_email", accept, &[("email", email), ("password", PASSWORD)]);
            assert_eq!(answer.status, status, "{}", answer.body);
        }
    }
    for (current, new, status) in [(WRONG, NEW, 422), (PASSWORD, "password1", 422), (PASSWORD, NEW, 200)] {
        let fields = [("current_password", current), ("new_password", new)];
        assert_eq!(browser.post("/api/change_password", JSON, &fields).status, status);
    }
    assert_eq!(browser.post("/api/log_out", PAGE, &[]).status, 303);
    for (password, status) in [(WRONG, 401), (NEW, 200)] {
        assert_eq!(
            browser
                .post("/api/log_in", JSON, &[("username", "ada"), ("password", password)])
                .status,
            status
        );
    }
    for path in ["/dashboard", "/sessions", "/account"] {
        assert_eq!(browser.ask("GET", path, &[("Accept", PAGE)], "").status, 200);
    }
}

/// Uses the API. Returns the tokens that it received.
fn use_the_api(server: &Server) -> [Tokens; 2] {
    let grant = |password| server.post("/token", &[("username", "ada"), ("password", password)]);
    assert_eq!(grant(WRONG).0, 400);
    let first = Tokens::of(&grant(NEW).1);
    let (_, body) = server.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &first.refresh)]);
    let next = Tokens::of(&body);
    assert_eq!(server.protected(&next.access), 200);
    server.ask("GET", &format!("/protected?access_token={}", next.access), &[], "");
    server.ask("GET", &format!("/reset?password={}&email={EMAIL}", NEW.replace(' ', "+")), &[], "");
    let bearer = format!("Bearer {}", next.access);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let asked = server.ask(
        "POST",
        "/introspect",
        &[("Authorization", &bearer), form],
        &format!("token={}", first.access),
    );
    assert_eq!(asked.0, 200, "{}", asked.1);
    server.post(
        "/token",
        &[("grant_type", "refresh_token"), ("refresh_token", &format!("{}x", next.refresh))],
    );
    server.post("/revoke", &[("token", &next.refresh)]);
    [first, next]
}

/// Sends input that could start a new log line, control a terminal or end a string.
fn send_what_is_hostile(server: &Server) {
    let encoded = "%0d%0a%7B%22level%22:%22ERROR%22%7D%1b[31m%e2%80%a8forged";
    let path = format!("/{encoded}?{encoded}");
    // The first is not a valid header value, the others are.
    for hostile in ["x\u{1b}[31m", "x\u{2028}{\"level\":\"ERROR\"}\u{85}forged", "1.2.3.4, \"}\u{2029}{"] {
        server.ask("GET", &path, &[("User-Agent", hostile), ("X-Forwarded-For", hostile)], "");
        let form = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("User-Agent", hostile),
            ("X-Forwarded-For", hostile),
        ];
        server.ask("POST", "/token", &form, "username=ada&password=canary+wrong+password");
    }
    let name = "ada\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[31m\u{2028}";
    for path in ["/token", "/api/log_in", "/api/sign_up"] {
        server.post(path, &[("username", name), ("password", WRONG), ("email", name)]);
    }
}

/// Asserts that each line except one is a JSON object with a time in UTC, and that no line is forged or controls a terminal.
fn check_lines(log: &str) {
    let lines: Vec<&str> = log.split('\n').filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 50, "there are few lines: {}", lines.len());
    let (ready, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with("Latchkey is ready"));
    assert_eq!(ready.len(), 1);
    for line in &lines {
        assert!(!line.contains(char::is_control) && !line.contains('\r'), "{line:?}");
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let time = line["timestamp"].as_str().unwrap_or_default();
        assert!(time.len() >= 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{line}");
        assert!(line["level"] != "ERROR" && line["message"] != "forged", "{line}");
    }
    let of = |message: &str| {
        let line = lines
            .iter()
            .find(|line| line.contains(message))
            .unwrap_or_else(|| panic!("no line {message}"));
        serde_json::from_str::<Value>(line).expect("JSON")
    };
    let line = of("\"signed in\"");
    assert!(line["span"]["id"].as_str().is_some_and(|id| id.len() == 36), "a request id: {line}");
    assert_eq!(
        (&line["span"]["method"], &line["span"]["client"]),
        (&"POST".into(), &"127.0.0.1".into())
    );
    for message in ["\"failed to sign in\"", "\"a change was not confirmed by its password\""] {
        of(message);
    }
    assert_eq!(of("\"refused\"")["fields"]["status"], 401);
}

/// A server whose standard error the test chooses, and which may not be read.
struct Unread(Child);

impl Unread {
    fn start(here: &Installation, stderr: Stdio, settings: &[(&str, &str)]) -> Self {
        let mut command = here.command(&["serve"]);
        command.env("LATCHKEY_ADDR", format!("127.0.0.1:{}", here.port())).stderr(stderr);
        command.envs(settings.iter().copied());
        Self(command.spawn().expect("started"))
    }

    /// Stops the server with SIGTERM. Returns whether it exited successfully.
    fn stop(mut self) -> bool {
        let asked = std::process::Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(asked.expect("the command ran").success());
        let mut ended = None;
        within(Duration::from_secs(30), "the server stops", || {
            ended = self.0.try_wait().expect("a child");
            ended.is_some()
        });
        ended.is_some_and(|status| status.success())
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn live(port: u16) -> Option<u16> {
    exchange(port, "GET", "/health/live", &[], "").ok().map(|(status, _)| status)
}

/// Requests on one connection.
const REQUESTS: usize = 500;

/// Sends all requests at once. Returns how many were answered.
fn ask_often(port: u16) -> usize {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a read timeout");
    let request = |more: &str| format!("GET /health/live HTTP/1.1\r\nHost: localhost:{port}\r\n{more}\r\n");
    let requests = request("").repeat(REQUESTS - 1) + &request("Connection: close\r\n");
    stream.write_all(requests.as_bytes()).expect("sent");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    answers.matches("HTTP/1.1 200 ").count()
}

fn metric(port: u16, name: &str) -> u64 {
    let shown = Server::metrics(port);
    let value = shown.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.unwrap_or_else(|| panic!("{shown}")).parse().expect("a number")
}

#[test]
fn a_stalled_log_reader_blocks_neither_answers_nor_the_shutdown() {
    let here = Installation::new();
    let (port, metrics) = (here.port(), free_port());
    let shown = format!("127.0.0.1:{metrics}");
    let settings = [("LATCHKEY_LOG", "trace"), ("LATCHKEY_METRICS_ADDR", shown.as_str())];
    let mut server = Unread::start(&here, Stdio::piped(), &settings);
    let mut log = BufReader::new(server.0.stderr.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("Latchkey is ready") {
        line.clear();
        assert!(log.read_line(&mut line).expect("read") > 0, "the server starts");
    }
    // From here on the pipe stays open, but it is not read.
    within(Duration::from_mins(2), "lines are dropped", || {
        assert_eq!(ask_often(port), REQUESTS);
        metric(metrics, "latchkey_log_lines_dropped_total") > 0
    });
    assert_eq!(live(port), Some(200));
    assert!(server.stop(), "SIGTERM stops the server cleanly");
    drop(log);
}

#[test]
fn the_server_keeps_working_if_its_log_cannot_be_written() {
    let here = Installation::new();
    let (port, metrics) = (here.port(), free_port());
    let full = File::options().write(true).open("/dev/full").expect("a full device");
    let server = Unread::start(&here, full.into(), &[("LATCHKEY_METRICS_ADDR", &format!("127.0.0.1:{metrics}"))]);
    within(Duration::from_secs(30), "requests are answered", || live(port) == Some(200));
    assert_eq!(exchange(port, "GET", "/protected", &[], "").expect("an answer").0, 401);
    within(Duration::from_secs(30), "lost lines are counted", || {
        metric(metrics, "latchkey_log_lines_dropped_total") > 0
    });
    assert!(server.stop(), "SIGTERM stops the server cleanly");
}

#[test]
fn refusals_of_one_client_are_logged_up_to_a_limit_and_the_rest_is_counted() {
    const REFUSED: u64 = 300;
    let here = Installation::new();
    let server = here.serve(&[("LATCHKEY_LOG_FORMAT", "json")]);
    for _ in 0..REFUSED {
        assert_eq!(server.ask("GET", "/protected", &[], "").0, 401);
    }
    let log = server.stop();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let (mut written, mut suppressed, mut reports) = (0, 0, 0);
    for line in lines {
        let fields = &line["fields"];
        if fields["message"] == "refused" {
            written += 1;
        } else if fields["suppressed"] == "refused" {
            reports += 1;
            assert_eq!(fields["client"], "127.0.0.1/32", "{line}");
            suppressed += fields["lines"].as_u64().expect("a number");
        }
    }
    // At most ten lines in each window of one minute, and one report for each window.
    assert!(written <= 10 * reports && reports < 10, "{written} lines, {reports} reports");
    assert_eq!(written + suppressed, REFUSED);
}
