//! Faults: a full disk, a locked or missing database, no free file descriptors. No fault may let a client in, and afterwards
//! everything must work again without a restart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::support::{Answer, Installation, PASSWORD, Server, Tokens, error, soon, whole_answer, within};

/// Longest wait for an answer during a fault.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest time until everything works again afterwards.
const RECOVERY: Duration = Duration::from_secs(10);

/// Ignores SIGXFSZ, so that a write beyond the file size limit fails as on a full disk instead of killing the program.
const FAIL_TO_WRITE: &str = "trap '' XFSZ";

/// A server with an account that has a live and an ended session.
struct Scene {
    here: Installation,
    server: Server,
    /// A session that is alive.
    live: Tokens,
    /// A session that was ended before the fault.
    ended: Tokens,
}

impl Scene {
    fn new(limits: &str, settings: &[(&str, &str)]) -> Self {
        let here = Installation::new();
        here.add("ada");
        let server = here.serve_within(limits, settings);
        let (live, ended) = (server.grant("ada"), server.grant("ada"));
        assert_eq!(server.protected(&ended.access), 200);
        assert_eq!(server.post("/revoke", &[("token", &ended.refresh)]).0, 200);
        assert_eq!(server.protected(&live.access), 200);
        Self { here, server, live, ended }
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ];
        let began = Instant::now();
        let answer = whole_answer(self.server.port, "POST", path, &headers, &body).expect("an answer");
        assert!(began.elapsed() < PATIENCE, "{path}: {:?}", began.elapsed());
        answer
    }

    fn sign_in(&self, password: &str) -> Answer {
        self.post("/token", &[("username", "ada"), ("password", password)])
    }

    fn sign_up(&self) -> Answer {
        self.post("/api/sign_up", &[("username", "grace"), ("password", PASSWORD)])
    }

    fn refresh(&self, tokens: &Tokens) -> Answer {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)])
    }

    /// Asserts that while nothing can be written, every request that writes is answered with 503 and nobody is signed in. Sends all
    /// requests at once, because each may take as long as the database timeout.
    fn assert_sign_ins_are_refused(&self) {
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", self.live.refresh.as_str())];
        let put_off: [(&str, [(&str, &str); 2]); 6] = [
            ("/token", [("username", "ada"), ("password", PASSWORD)]),
            ("/token", [("username", "ada"), ("password", "not the password")]),
            ("/token", refresh),
            ("/api/log_in", [("username", "ada"), ("password", PASSWORD)]),
            ("/api/sign_up", [("username", "grace"), ("password", PASSWORD)]),
            ("/revoke", [("token", &self.live.refresh), ("token_type_hint", "refresh_token")]),
        ];
        std::thread::scope(|scope| {
            for (path, fields) in put_off {
                scope.spawn(move || {
                    let answer = self.post(path, &fields);
                    assert_eq!(answer.status, 503, "{path} {fields:?}: {} {}", answer.head, answer.body);
                    assert!(answer.header("Retry-After").is_some(), "{path}: {}", answer.head);
                    assert!(!answer.head.contains("set-cookie: latchkey=ey") && !answer.body.contains("access_token"));
                    // Only the operator may see the reason.
                    for word in ["latchkey.db", "sqlx", "disk", "locked", "begin"] {
                        assert!(!answer.body.contains(word), "{}", answer.body);
                    }
                });
            }
            scope.spawn(|| self.assert_ended_session_is_refused());
            scope.spawn(|| {
                let (status, _) = self.server.ask("GET", "/health/live", &[], "");
                assert_eq!(status, 200);
            });
        });
    }

    fn assert_ended_session_is_refused(&self) {
        let (access, refresh) = (self.server.protected(&self.ended.access), self.refresh(&self.ended).status);
        assert!(matches!((access, refresh), (401 | 503, 400 | 503)), "{access} {refresh}");
    }

    /// Asserts that after the fault refused requests have left no trace, the live session works, and the ended one is still refused.
    /// Returns the log.
    fn assert_everything_works_again(self) -> String {
        let took = within(RECOVERY, "a sign-in succeeds again", || self.sign_in(PASSWORD).status == 200);
        println!("a sign-in succeeded {took:.1?} after the fault");
        assert_eq!(self.server.ask("GET", "/health/ready", &[], "").0, 200);
        assert_eq!(self.sign_in("not the password").status, 400);
        let answer = self.sign_up();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.server.protected(&self.live.access), 200);
        let answer = self.refresh(&self.live);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.server.protected(&self.ended.access), 401);
        assert_eq!(self.refresh(&self.ended).status, 400);
        // Ending a session works again.
        assert_eq!(self.post("/revoke", &[("token", &self.live.refresh)]).status, 200);
        assert_eq!(self.server.protected(&self.live.access), 401);
        let log = self.server.stop();
        assert!(!log.contains("panicked"), "{log}");
        // The database file is intact.
        assert!(self.here.run(&["check"]).status.success());
        log
    }

    fn limit(&self, resource: rlimit::Resource, soft: u64) {
        let pid = self.server.pid().try_into().expect("a process");
        rlimit::prlimit(pid, resource, Some((soft, hard(resource))), None).expect("the limit is set");
    }

    /// Simulates a full disk: no file can be written beyond this many bytes.
    fn fill_the_disk(&self, bytes: u64) {
        self.limit(rlimit::Resource::FSIZE, bytes);
    }

    fn data(&self, name: &str) -> std::path::PathBuf {
        self.here.path().join("data").join(name)
    }
}

/// Returns the hard limit of this process, and so of the server.
fn hard(resource: rlimit::Resource) -> u64 {
    resource.get().expect("a limit").1
}

#[test]
fn a_full_disk_refuses_sign_ins_and_loses_nothing() {
    let scene = Scene::new(FAIL_TO_WRITE, &[]);
    scene.fill_the_disk(1);
    scene.assert_sign_ins_are_refused();
    assert_eq!(scene.server.protected(&scene.live.access), 200, "verifying a token writes nothing");
    let added = scene.here.run(&["user", "list"]);
    assert!(added.status.success(), "{}", error(&added));
    scene.fill_the_disk(rlimit::INFINITY);
    let log = scene.assert_everything_works_again();
    assert!(log.contains("the database failed"), "{log}");
}

#[test]
fn a_change_is_rolled_back_if_the_disk_fills_up_during_it() {
    let scene = Scene::new(FAIL_TO_WRITE, &[]);
    let log = scene.data("latchkey.db-wal");
    let mut last = scene.live.clone();
    // Leave room for a few pages, so that each change fails at a different point.
    for room in [0, 1, 5000, 9000, 20_000] {
        scene.fill_the_disk(log.metadata().expect("a file").len() + room);
        let put_off = (0..100).find_map(|_| {
            let answer = scene.refresh(&last);
            match answer.status {
                200 => last = Tokens::of(&serde_json::from_str(&answer.body).expect("JSON")),
                status => assert_eq!(status, 503, "{}", answer.body),
            }
            (answer.status == 503).then_some(answer)
        });
        assert!(put_off.expect("the disk is full").header("Retry-After").is_some());
        scene.assert_ended_session_is_refused();
        scene.fill_the_disk(rlimit::INFINITY);
        // Exactly the acknowledged changes were made, so the last token received is the valid one.
        let answer = scene.refresh(&last);
        assert_eq!(answer.status, 200, "{}", answer.body);
        last = Tokens::of(&serde_json::from_str(&answer.body).expect("JSON"));
    }
    scene.fill_the_disk(1);
    scene.assert_sign_ins_are_refused();
    scene.fill_the_disk(rlimit::INFINITY);
    let log = scene.server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn while_the_database_is_locked_sign_ins_are_refused_and_verified_tokens_work() {
    let scene = Scene::new("true", &[]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut other: SqliteConnection = runtime
        .block_on(SqliteConnectOptions::new().filename(scene.data("latchkey.db")).connect())
        .expect("opened");
    let run = |other: &mut SqliteConnection, statement: &'static str| {
        runtime.block_on(sqlx::query(statement).execute(other)).expect("the statement ran");
    };
    run(&mut other, "BEGIN EXCLUSIVE");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let began = Instant::now();
            let output = scene.here.run_with_input(&["user", "add", "linus", "--password-stdin"], PASSWORD);
            assert!(
                !output.status.success() && error(&output).starts_with("error: "),
                "{}",
                error(&output)
            );
            assert!(began.elapsed() < PATIENCE);
        });
        scope.spawn(|| scene.assert_sign_ins_are_refused());
        let began = Instant::now();
        assert_eq!(
            scene.server.protected(&scene.live.access),
            200,
            "verifying a token waits for no lock"
        );
        assert!(began.elapsed() < soon());
    });
    run(&mut other, "ROLLBACK");
    runtime.block_on(other.close()).expect("closed");
    assert!(error(&scene.here.run(&["user", "show", "linus"])).contains("There is no account"));
    let log = scene.assert_everything_works_again();
    assert!(log.contains("the database failed"), "{log}");
}

#[test]
fn sign_ins_are_refused_while_the_database_file_is_missing() {
    let scene = Scene::new("true", &[("LATCHKEY_REVOCATION_LAG", "1s")]);
    let (file, elsewhere) = (scene.data("latchkey.db"), scene.data("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).expect("moved");
    scene.assert_sign_ins_are_refused();
    assert_eq!(scene.server.ask("GET", "/health/ready", &[], "").0, 503);
    // Without revocations from the database, the server cannot know which sessions are still alive.
    within(RECOVERY, "tokens are answered with 503", || {
        scene.server.protected(&scene.live.access) == 503
    });
    scene.assert_ended_session_is_refused();
    std::fs::write(&file, "another file").expect("written");
    scene.assert_sign_ins_are_refused();
    assert_eq!(scene.server.protected(&scene.live.access), 503);
    std::fs::rename(&elsewhere, &file).expect("moved back");
    let log = scene.assert_everything_works_again();
    assert!(log.contains("the database failed"), "{log}");
}

#[test]
fn sign_ins_are_refused_while_the_data_directory_is_missing() {
    let scene = Scene::new("true", &[("LATCHKEY_REVOCATION_LAG", "1s")]);
    let (data, elsewhere) = (scene.here.path().join("data"), scene.here.path().join("elsewhere"));
    std::fs::rename(&data, &elsewhere).expect("moved");
    scene.assert_sign_ins_are_refused();
    within(RECOVERY, "tokens are answered with 503", || {
        scene.server.protected(&scene.live.access) == 503
    });
    scene.assert_ended_session_is_refused();
    std::fs::rename(&elsewhere, &data).expect("moved back");
    let log = scene.assert_everything_works_again();
    assert!(log.contains("the database failed"), "{log}");
}

/// Asserts that the server refuses to start with a one-line error that has this beginning and contains these words.
fn is_refused(here: &Installation, settings: &[(&str, &str)], beginning: &str, says: &str) {
    let mut command = here.command(&["serve"]);
    command.env("LATCHKEY_ADDR", format!("127.0.0.1:{}", crate::support::free_port()));
    let output = command.envs(settings.iter().copied()).output().expect("the command ran");
    let error = error(&output);
    assert!(
        !output.status.success() && error.starts_with(beginning) && error.contains(says),
        "{error}"
    );
    assert!(error.trim().lines().count() == 1 && !error.contains("panicked"), "{error}");
}

#[test]
fn an_unreadable_file_stops_the_start_with_a_one_line_error() {
    // Use directories in place of files, because permissions do not keep root from reading.
    let here = Installation::new();
    here.add("ada");
    let data = here.path().join("data");
    std::fs::create_dir(here.path().join("a-directory")).expect("the directory is created");
    std::fs::write(here.path().join("a-file"), "").expect("written");
    is_refused(
        &here,
        &[("LATCHKEY_SECRET_FILE", "a-directory")],
        "error: LATCHKEY_SECRET_FILE: ",
        "cannot be read",
    );
    is_refused(
        &here,
        &[("LATCHKEY_SECRET_FILE", "nowhere")],
        "error: LATCHKEY_SECRET_FILE: ",
        "cannot be read",
    );
    is_refused(
        &here,
        &[("LATCHKEY_SECRET_FILE", "a-file")],
        "error: LATCHKEY_SECRET_FILE: ",
        "shorter than",
    );
    is_refused(
        &here,
        &[("LATCHKEY_DATA_DIR", "a-file")],
        "error: LATCHKEY_DATA_DIR: ",
        "cannot be used",
    );

    let secret = data.join("secret");
    let kept = std::fs::read(&secret).expect("a secret");
    std::fs::remove_file(&secret).expect("removed");
    std::fs::create_dir(&secret).expect("the directory is created");
    is_refused(&here, &[], "error: LATCHKEY_DATA_DIR: ", "cannot be read");
    std::fs::remove_dir(&secret).expect("removed");
    std::fs::write(&secret, &kept[..kept.len() / 2]).expect("written");
    is_refused(&here, &[], "error: LATCHKEY_DATA_DIR: ", "shorter than");
    std::fs::write(&secret, &kept).expect("written");

    let (file, elsewhere) = (data.join("latchkey.db"), data.join("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).expect("moved");
    std::fs::create_dir(&file).expect("the directory is created");
    is_refused(&here, &[], "error: ", "latchkey.db");
    std::fs::remove_dir(&file).expect("removed");
    std::fs::rename(&elsewhere, &file).expect("moved back");
    here.serve(&[]).grant("ada");
}

#[test]
fn a_missing_secret_is_replaced_and_older_tokens_are_refused() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let before = server.grant("ada");
    std::fs::remove_file(here.path().join("data/secret")).expect("removed");
    assert_eq!(
        server.protected(&before.access),
        200,
        "the running server still has the secret in memory"
    );
    server.stop();
    let server = here.serve(&[]);
    assert_eq!(server.protected(&before.access), 401);
    assert_eq!(
        server
            .post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &before.refresh)])
            .0,
        400
    );
    assert_eq!(server.protected(&server.grant("ada").access), 200);
}

/// Sends one request on a keep-alive connection. Returns the status, or `None` if there is no answer within the read timeout.
fn status_on(stream: &mut TcpStream, port: u16, path: &str, access: &str) -> Option<u16> {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {access}\r\n\r\n"
    )
    .expect("sent");
    answer_on(stream)
}

fn answer_on(stream: &mut TcpStream) -> Option<u16> {
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer).ok()?;
    String::from_utf8_lossy(&answer[..length]).split(' ').nth(1)?.parse().ok()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a read timeout");
    stream
}

#[test]
fn without_free_file_descriptors_new_clients_wait_and_connected_ones_are_served() {
    let scene = Scene::new("true", &[]);
    let port = scene.server.port;
    let mut first = connect(port);
    assert_eq!(status_on(&mut first, port, "/protected", &scene.live.access), Some(200));
    scene.limit(rlimit::Resource::NOFILE, 0);
    let mut waiting = connect(port);
    assert_eq!(status_on(&mut waiting, port, "/protected", &scene.live.access), None);
    assert_eq!(status_on(&mut first, port, "/protected", &scene.live.access), Some(200));
    assert_eq!(status_on(&mut first, port, "/protected", &scene.ended.access), Some(401));
    scene.limit(rlimit::Resource::NOFILE, hard(rlimit::Resource::NOFILE));
    assert_eq!(answer_on(&mut waiting), Some(200));
    drop((first, waiting));
    let log = scene.assert_everything_works_again();
    assert!(log.contains("connections cannot be accepted"), "{log}");
}

#[test]
fn a_low_open_file_limit_is_logged_at_the_start_and_suffices() {
    let scene = Scene::new("ulimit -n 64", &[]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(scene.server.protected(&scene.live.access), 200));
        }
    });
    let log = scene.assert_everything_works_again();
    assert!(log.contains("the system allows 64 open files"), "{log}");
}
