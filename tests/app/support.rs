//! Starts the application under test and provides clients for it.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::thread::available_parallelism;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::request::Builder;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use latchkey::router::app;
use latchkey_axum::config::{Config, Settings};
use latchkey_axum::state::AppState;
use latchkey_core::clock::Clock;
use latchkey_core::passwords::{Busy, Cost, Passwords, Verified};
use latchkey_core::secret;
use latchkey_store::Store;
use latchkey_types::{UserId, Username};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::databases::Database;

pub const NOW: i64 = 1_800_000_000;
/// The cost of password hashing in most tests.
pub const CHEAP: Cost = Cost { memory_kib: 64, passes: 1 };
pub const PASSWORD: &str = "quiet harbour lantern";
pub const ORIGIN: &str = "http://localhost:3000";
/// Appears in every protected view and nowhere else.
pub const MARKER: &str = "data-protected-view";

/// A caller that waits for a password to be verified.
pub type HashingCaller = Pin<Box<dyn Future<Output = Result<Verified, Busy>>>>;

pub struct TestApp {
    pub state: AppState,
    app: Router,
    clock: Arc<AtomicI64>,
    /// How long the process has run, in seconds; set only if the clock can step.
    uptime: Option<Arc<AtomicI64>>,
    settings: Settings,
    pub database: Database,
    dir: TempDir,
}

impl TestApp {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::new_with(change, CHEAP).await
    }

    /// Starts the application with this cost of password hashing.
    pub async fn with_cost(cost: Cost) -> Self {
        Self::new_with(|_| {}, cost).await
    }

    async fn new_with(change: impl FnOnce(&mut Settings), cost: Cost) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let database = Database::new(dir.path()).await;
        Self::on(dir, database, change, cost).await
    }

    /// Starts the application with its data in this directory and this database.
    pub async fn on(dir: TempDir, database: Database, change: impl FnOnce(&mut Settings), cost: Cost) -> Self {
        Self::on_at(dir, database, change, cost, NOW).await
    }

    /// Opens the data in a directory and a database with the clock set to a time.
    pub async fn on_at(dir: TempDir, database: Database, change: impl FnOnce(&mut Settings), cost: Cost, now: i64) -> Self {
        let mut settings = Settings {
            data_dir: Some(dir.path().to_owned()),
            database_url: database.url(),
            // With PostgreSQL the secret must be set.
            secret: database.url().map(|_| secret::generate().to_string()),
            ..Settings::default()
        };
        change(&mut settings);
        Self::start(dir, database, settings, (Arc::new(AtomicI64::new(now)), None), cost).await
    }

    async fn start(
        dir: TempDir,
        database: Database,
        settings: Settings,
        (clock, uptime): (Arc<AtomicI64>, Option<Arc<AtomicI64>>),
        cost: Cost,
    ) -> Self {
        let config = Config::from_settings(&settings).expect("valid settings");
        let store = Store::open(&config.database, config.database_connections)
            .await
            .expect("a database");
        let now = match &uptime {
            Some(uptime) => Clock::stepping(Arc::clone(&clock), Arc::clone(uptime)),
            None => Clock::set(Arc::clone(&clock)),
        };
        let state = AppState::new(config, store, now, Passwords::new(cost));
        state.sessions.sync.catch_up().await.expect("caught up");
        Self {
            app: app(state.clone()),
            state,
            clock,
            uptime,
            settings,
            database,
            dir,
        }
    }

    /// Restarts the program on the same data with changed settings; what it had in memory is lost.
    pub async fn restarted(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.restarted_with(change, None).await
    }

    /// Restarts the program on a machine whose clock shows another time. From here on [`TestApp::steps_clock`] moves the clock but
    /// not the time that the process has run, and on PostgreSQL the server's real clock counts.
    pub async fn restarted_at(self, seconds: i64) -> Self {
        self.clock.store(seconds, Ordering::Relaxed);
        self.restarted_with(|_| {}, Some(Arc::default())).await
    }

    async fn restarted_with(self, change: impl FnOnce(&mut Settings), uptime: Option<Arc<AtomicI64>>) -> Self {
        let Self {
            state,
            clock,
            mut settings,
            database,
            dir,
            ..
        } = self;
        state.store.close().await;
        change(&mut settings);
        Self::start(dir, database, settings, (clock, uptime), CHEAP).await
    }

    /// Opens the same data in a second program, as the command line does.
    pub async fn another(&self) -> AppState {
        let config = Config::from_settings(&self.settings).expect("valid settings");
        let store = Store::open(&config.database, config.database_connections)
            .await
            .expect("a database");
        AppState::new(config, store, Clock::set(Arc::clone(&self.clock)), Passwords::new(CHEAP))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the id of an account.
    pub async fn user_id(&self, username: &str) -> UserId {
        let name = Username::parse(username).expect("a name");
        let found = self.state.store.credentials(&name).await.expect("an answer");
        found.expect("an account").0.id
    }

    pub fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
        if let Some(uptime) = &self.uptime {
            uptime.fetch_add(seconds, Ordering::Relaxed);
        }
    }

    /// Moves the clock of a program that was started by [`TestApp::restarted_at`].
    pub fn steps_clock(&self, seconds: i64) {
        assert!(
            self.uptime.is_some(),
            "only a program that restarted_at started has a clock that can step"
        );
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Occupies every hashing slot: until the returned callers are dropped, every hash, verification and estimate waits.
    pub async fn hold_hashing(&self) -> Vec<HashingCaller> {
        let cores = available_parallelism().map_or(1, usize::from);
        let mut waiting = Vec::new();
        // Repeats until all callers arrived before the first one finished: only then does the second half wait for the slots of the
        // first.
        while self.state.accounts.passwords.callers() != 2 * cores {
            waiting.clear();
            while self.state.accounts.passwords.callers() > 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..2 * cores {
                let mut one_more = self.hashing_caller();
                let _ = futures::poll!(&mut one_more);
                waiting.push(one_more);
            }
        }
        // The first half runs. When it is done, its slots go to the second half, which keeps them because it is not polled again.
        for running in waiting.drain(..cores) {
            running.await.expect("a slot");
        }
        waiting
    }

    /// Occupies every hashing slot and every place in the queue that the network of these tests may have: until the returned
    /// value is dropped, no password is hashed or verified.
    pub async fn block_hashing(&self) -> impl Sized + use<> {
        let mut waiting = self.hold_hashing().await;
        loop {
            let mut one_more = self.hashing_caller();
            match futures::poll!(&mut one_more) {
                Poll::Pending => waiting.push(one_more),
                Poll::Ready(answer) => {
                    answer.map(|_| ()).expect_err("every place is taken");
                    return waiting;
                }
            }
        }
    }

    fn hashing_caller(&self) -> HashingCaller {
        let passwords = self.state.accounts.passwords.clone();
        Box::pin(async move { passwords.verify("x", None, None).await })
    }

    /// Sends a request and returns the response with its body unread.
    pub async fn respond(&self, request: Request<Body>) -> Response<Body> {
        self.app.clone().oneshot(request).await.expect("a router never fails")
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.respond(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.into()).expect("text"),
        }
    }

    /// Returns a browser without JavaScript.
    pub fn browser(&self) -> Browser<'_> {
        Browser {
            app: self,
            cookies: Vec::new(),
        }
    }

    /// Signs up an account and returns its browser.
    pub async fn signed_up(&self, username: &str) -> Browser<'_> {
        self.signed_up_with_email(username, "").await
    }

    /// Signs up an account with an email address and returns its browser.
    pub async fn signed_up_with_email(&self, username: &str, email: &str) -> Browser<'_> {
        let mut browser = self.browser();
        let fields = [("username", username), ("password", PASSWORD), ("email", email)];
        let answer = browser.post("/api/sign_up", &fields).await;
        assert_eq!(answer.location(), Some("/dashboard"), "{}", answer.body);
        browser
    }

    /// Sends a `GET` request as a program does.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).expect("a request")).await
    }

    /// Sends a `GET` request with a bearer token.
    pub async fn get_with_token(&self, path: &str, token: &str) -> Answer {
        let request = request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// Posts a form as a program does.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_raw(path, "application/x-www-form-urlencoded", form(fields)).await
    }

    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = request(Method::POST, path).header(header::CONTENT_TYPE, content_type);
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Returns an access token from `POST /token`.
    pub async fn token(&self, username: &str) -> String {
        self.grant(username).await.access
    }

    /// Starts a session with `POST /token` and returns both tokens.
    pub async fn grant(&self, username: &str) -> Tokens {
        let answer = self.post("/token", &[("username", username), ("password", PASSWORD)]).await;
        Tokens::of(&answer).unwrap_or_else(|| panic!("{}", answer.body))
    }

    /// Sends `POST /token` with a refresh token.
    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    /// Refreshes and returns the two new tokens.
    pub async fn refreshed(&self, token: &str) -> Tokens {
        let answer = self.refresh(token).await;
        Tokens::of(&answer).unwrap_or_else(|| panic!("{}", answer.body))
    }

    /// Returns whether an access token opens the protected route.
    pub async fn opens(&self, access: &str) -> bool {
        let answer = self.get_with_token("/protected", access).await;
        assert!(matches!(answer.status.as_u16(), 200 | 401), "{}: {}", answer.status, answer.body);
        answer.status == 200
    }
}

/// The tokens that `POST /token` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn of(answer: &Answer) -> Option<Self> {
        let body = answer.json();
        Some(Self {
            access: body["access_token"].as_str()?.to_owned(),
            refresh: body["refresh_token"].as_str()?.to_owned(),
        })
    }
}

pub fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost:3000")
}

pub fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A browser that keeps cookies, sends `Accept: text/html` and, with posts, its origin. It does not follow redirects.
pub struct Browser<'a> {
    app: &'a TestApp,
    cookies: Vec<(String, String)>,
}

impl Browser<'_> {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, path, &form(fields)).await
    }

    /// Posts as a script on the page would, and gets JSON instead of pages.
    pub async fn call(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_for("application/json", Method::POST, path, &form(fields)).await
    }

    pub async fn send(&mut self, method: Method, path: &str, body: &str) -> Answer {
        self.send_for("text/html,application/xhtml+xml,*/*;q=0.8", method, path, body).await
    }

    async fn send_for(&mut self, accept: &str, method: Method, path: &str, body: &str) -> Answer {
        let unsafe_method = !method.is_safe();
        let mut request = request(method, path).header(header::ACCEPT, accept);
        if !self.cookies.is_empty() {
            request = request.header(header::COOKIE, self.cookie_header());
        }
        if unsafe_method {
            request = request
                .header(header::ORIGIN, ORIGIN)
                .header("sec-fetch-site", "same-origin")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let answer = self.app.send(request.body(Body::from(body.to_owned())).expect("a request")).await;
        self.take_cookies(&answer);
        answer
    }

    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Puts a cookie into the browser's cookie store.
    pub fn plant(&mut self, name: &str, value: &str) {
        self.cookies.retain(|(known, _)| known != name);
        self.cookies.push((name.to_owned(), value.to_owned()));
    }

    pub fn cookie_header(&self) -> String {
        self.cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn take_cookies(&mut self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn location(&self) -> Option<&str> {
        assert!(
            self.header("location").is_none() || self.status == 303,
            "redirects are 303, not {}",
            self.status
        );
        self.header("location")
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub fn set_cookies(&self) -> Vec<&str> {
        self.headers
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text"))
            .collect()
    }
}
