//! The program in a directory of its own, and a server of it on a real port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub const PASSWORD: &str = "quiet harbour lantern";

pub struct Installation {
    dir: TempDir,
    /// The same at each start: it is part of the public URL, and so of every token.
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

    /// The program with nothing of this environment's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LATCHKEY_")) {
            command.env_remove(name);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("ran")
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("ran")
    }

    pub fn add(&self, name: &str) {
        let output = self.run_with_input(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n"));
        assert!(output.status.success(), "{}", error(&output));
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A server that runs.
pub struct Server {
    child: Child,
    log: Option<BufReader<ChildStderr>>,
    pub port: u16,
}

impl Installation {
    /// Starts a server, and waits until it is ready.
    pub fn serve(&self, settings: &[(&str, &str)]) -> Server {
        let port = self.port;
        let mut command = self.command(&["serve"]);
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
        Server {
            child,
            log: Some(log),
            port,
        }
    }
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Server {
    /// One request on a connection of its own: the status and the body.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        exchange(self.port, method, path, headers, body).expect("an answer")
    }

    /// Posts a form.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        post(self.port, path, fields).expect("an answer")
    }

    /// The tokens of a new session.
    pub fn grant(&self, username: &str) -> Tokens {
        let (status, body) = self.post("/token", &[("username", username), ("password", PASSWORD)]);
        assert_eq!(status, 200, "{body}");
        Tokens::of(&body)
    }

    /// The status of the protected route.
    pub fn protected(&self, access: &str) -> u16 {
        self.ask("GET", "/protected", &[("Authorization", &format!("Bearer {access}"))], "")
            .0
    }

    /// What another port shows at `/metrics`.
    pub fn metrics(port: u16) -> String {
        let (status, body) = exchange(port, "GET", "/metrics", &[], "").expect("an answer");
        assert_eq!(status, 200);
        body
    }

    /// Ends the program at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks the program to stop. What it logged.
    pub fn stop(mut self) -> String {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("asked");
        assert!(asked.success());
        let mut log = String::new();
        self.log.take().expect("a log").read_to_string(&mut log).expect("text");
        assert!(self.child.wait().expect("gone").success(), "{log}");
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// Posts a form to a server that may be gone.
pub fn post(port: u16, path: &str, fields: &[(&str, &str)]) -> std::io::Result<(u16, Value)> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let (status, body) = exchange(port, "POST", path, &[("Content-Type", "application/x-www-form-urlencoded")], &body)?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}

fn exchange(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(gone)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(gone)?;
    Ok((status, body.to_owned()))
}

/// Waits for something that must become true within a deadline. How long it took.
pub fn within(deadline: Duration, what: &str, mut is_true: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < deadline, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    began.elapsed()
}
