//! Runs the program in a temporary directory, and servers of it on real ports.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub const PASSWORD: &str = "quiet harbour lantern";

pub struct Installation {
    dir: TempDir,
    /// Stays the same at each start, because it is part of the public URL and so of every token.
    port: u16,
}

impl Installation {
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            port: free_port(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Returns a command that runs the program without the `LATCHKEY_` variables of this environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Returns a command that runs the program from a shell, which first runs `limits`.
    fn command_within(&self, limits: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")])
            .arg(program())
            .args(arguments);
        self.surround(&mut command);
        command
    }

    fn surround(&self, command: &mut Command) {
        command.current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LATCHKEY_")) {
            command.env_remove(name);
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command ran")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with(arguments, &[], input)
    }

    pub fn run_with(&self, arguments: &[&str], settings: &[(&str, String)], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("the command ran")
    }

    pub fn add(&self, name: &str) {
        let output = self.run_with_input(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{}", error(&output));
    }
}

/// Returns the path of the program to test: the one built with the tests, or the one that `TEST_BINARY` names, such as a release.
fn program() -> PathBuf {
    let named = std::env::var_os("TEST_BINARY").map(PathBuf::from);
    named.map_or_else(
        || env!("CARGO_BIN_EXE_latchkey").into(),
        |path| path.canonicalize().expect("TEST_BINARY names a program"),
    )
}

/// Returns the number in an environment variable, or `few`, which is enough for a quick check.
pub fn how_many(variable: &str, few: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// Returns how soon other requests must be answered while one client causes work. If one client's work blocked the others, they
/// would wait many seconds. Set `STRICT=1` to test a release on an otherwise idle machine.
pub fn soon() -> Duration {
    Duration::from_millis(if is_strict() { 50 } else { 3000 })
}

fn is_strict() -> bool {
    how_many("STRICT", 0) != 0
}

/// Asserts that a repeated action took less than a bound: each time if `STRICT=1`, otherwise at least once in every three times.
/// A busy machine delays single repeats, but a fault delays all of them.
pub fn assert_within(bound: Duration, what: &str, times: &[Duration]) {
    let repeats = if is_strict() { 1 } else { 3 };
    for repeated in times.chunks(repeats) {
        assert!(
            repeated.iter().any(|took| *took < bound),
            "{what}: {repeated:?}, none below {bound:?}"
        );
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8 text")
}

pub fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8 text")
}

/// A running server. It is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Reads the log all the time, because a full pipe would block the program.
    log: Option<JoinHandle<String>>,
    pub port: u16,
}

impl Installation {
    /// Starts a server and waits until it is ready.
    pub fn serve(&self, settings: &[(&str, &str)]) -> Server {
        self.start(self.command(&["serve"]), settings)
    }

    /// Starts a server from a shell, which first runs `limits`, and waits until it is ready.
    pub fn serve_within(&self, limits: &str, settings: &[(&str, &str)]) -> Server {
        self.start(self.command_within(limits, &["serve"]), settings)
    }

    fn start(&self, mut command: Command, settings: &[(&str, &str)]) -> Server {
        let port = self.port;
        command.env("LATCHKEY_ADDR", format!("127.0.0.1:{port}")).stderr(Stdio::piped());
        for (name, value) in settings {
            command.env(name, value);
        }
        let mut child = command.spawn().expect("started");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        while !said.contains("Latchkey is ready") {
            assert!(log.read_line(&mut said).expect("read") > 0, "{said}");
        }
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut said).expect("UTF-8 text");
            said
        });
        Server {
            child,
            log: Some(log),
            port,
        }
    }
}

/// Returns a port on which no program listens.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Server {
    /// Sends one request on a new connection. Returns the status and the body.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        exchange(self.port, method, path, headers, body).expect("an answer")
    }

    /// Posts a form.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        post(self.port, path, fields).expect("an answer")
    }

    /// Signs in and returns the tokens of the new session.
    pub fn grant(&self, username: &str) -> Tokens {
        let (status, body) = self.post("/token", &[("username", username), ("password", PASSWORD)]);
        assert_eq!(status, 200, "{body}");
        Tokens::of(&body)
    }

    /// Requests the protected route with an access token. Returns the status.
    pub fn protected(&self, access: &str) -> u16 {
        self.ask("GET", "/protected", &[("Authorization", &format!("Bearer {access}"))], "")
            .0
    }

    /// Returns the metrics that are served on this port.
    pub fn metrics(port: u16) -> String {
        let (status, body) = exchange(port, "GET", "/metrics", &[], "").expect("an answer");
        assert_eq!(status, 200);
        body
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the resident memory in MiB.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Returns the peak resident memory in MiB.
    pub fn peak_resident(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib / 1024
    }

    /// Returns the number of open files and connections.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("a process").count()
    }

    /// Requests a path with a token repeatedly, on a new connection each time, until it is stopped.
    pub fn keep_asking(&self, path: &'static str, access: &str) -> Asking {
        let (port, authorization) = (self.port, format!("Bearer {access}"));
        keep_asking(move || {
            let (status, body) = exchange(port, "GET", path, &[("Authorization", &authorization)], "").expect("an answer");
            assert_eq!(status, 200, "{path}: {body}");
        })
    }

    /// Sends the server a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .expect("the command ran");
        assert!(sent.success(), "{name}");
    }

    /// Kills the program at once.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("the process ended");
    }

    /// Stops the program gracefully. Returns its log.
    pub fn stop(self) -> String {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until the program has ended after a stop was requested. Returns its log.
    pub fn ended(mut self) -> String {
        let log = self.log.take().expect("a log").join().expect("read");
        assert!(self.child.wait().expect("the process ended").success(), "{log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Calls `ask` repeatedly until it is stopped.
pub fn keep_asking(ask: impl Fn() + Send + 'static) -> Asking {
    let enough = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&enough);
    let asker = std::thread::spawn(move || {
        let mut times = Vec::new();
        while !told.load(Ordering::Relaxed) {
            let began = Instant::now();
            ask();
            times.push(began.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
        Times::of(times)
    });
    Asking { enough, asker }
}

/// A thread that sends requests repeatedly.
pub struct Asking {
    enough: Arc<AtomicBool>,
    asker: JoinHandle<Times>,
}

impl Asking {
    /// Stops the requests. Returns how long the answers took.
    pub fn stop(self) -> Times {
        self.enough.store(true, Ordering::Relaxed);
        self.asker.join().expect("every answer is 200")
    }
}

/// The durations of answers, the shortest first.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// Returns the 99th percentile.
    pub fn p99(&self) -> Duration {
        self.0[(self.0.len() * 99).div_ceil(100) - 1]
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (median, last) = (self.0[self.0.len() / 2], self.0[self.0.len() - 1]);
        write!(
            f,
            "median {median:.1?}, p99 {:.1?}, worst {last:.1?} of {}",
            self.p99(),
            self.0.len()
        )
    }
}

#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    pub fn of(body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// Posts a form to a server that may not be running.
pub fn post(port: u16, path: &str, fields: &[(&str, &str)]) -> std::io::Result<(u16, Value)> {
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let (status, body) = exchange(port, "POST", path, &headers, &form_of(fields))?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// Encodes the fields as the body of a form.
pub fn form_of(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

pub fn exchange(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<(u16, String)> {
    exchange_as(port, &format!("localhost:{port}"), method, path, headers, body)
}

/// Sends one request on a new connection with this `Host` header.
pub fn exchange_as(
    port: u16,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let answer = answer_as(port, host, method, path, headers, body)?;
    Ok((answer.status, answer.body))
}

/// An answer with its head.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends one request on a new connection. Returns the answer with its head.
pub fn whole_answer(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<Answer> {
    answer_as(port, &format!("localhost:{port}"), method, path, headers, body)
}

fn answer_as(port: u16, host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<Answer> {
    answer_on(TcpStream::connect(("127.0.0.1", port))?, host, method, path, headers, body)
}

/// Sends one request on this new connection, which is closed after the answer.
pub fn answer_on(
    mut stream: TcpStream,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(gone)?;
    Ok(Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// Connects from another loopback address: 127.0.0.`last`.
pub fn connect_from(last: u8, port: u16) -> std::io::Result<TcpStream> {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().expect("a runtime"));
    RUNTIME.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
        let stream = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    })
}

/// Returns whether the server has closed a connection on which nothing was sent. Does not wait.
pub fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("the socket mode is set");
    let closed = !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("the socket mode is set");
    closed
}

/// Waits for a condition that must become true within a deadline. Returns how long it took.
pub fn within(deadline: Duration, what: &str, mut is_true: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}
