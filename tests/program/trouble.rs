//! A disk that is full, a database that is locked or gone, no more files: nobody gets in by it, and when it is over,
//! everything goes on without a restart.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::support::{Answer, Installation, PASSWORD, Server, Tokens, error, soon, whole_answer, within};

/// Longest wait for an answer while there is trouble.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest time until everything goes on afterwards.
const RECOVERY: Duration = Duration::from_secs(10);

/// Writes beyond a limit of the size of files fail, as on a disk that is full, instead of ending the program.
const FAIL_TO_WRITE: &str = "trap '' XFSZ";

/// A server, and people with a past.
struct Scene {
    here: Installation,
    server: Server,
    /// A session that goes on.
    live: Tokens,
    /// A session that was ended before the trouble.
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

    /// While nothing can be written: whatever would is put off, and nobody is let in. All at once, for each may take as
    /// long as the patience with the database.
    fn nobody_gets_in(&self) {
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
                    // Why is for the operator alone.
                    for word in ["latchkey.db", "sqlx", "disk", "locked", "begin"] {
                        assert!(!answer.body.contains(word), "{}", answer.body);
                    }
                });
            }
            scope.spawn(|| self.nothing_ended_comes_back());
            scope.spawn(|| {
                let (status, _) = self.server.ask("GET", "/health/live", &[], "");
                assert_eq!(status, 200);
            });
        });
    }

    fn nothing_ended_comes_back(&self) {
        let (access, refresh) = (self.server.protected(&self.ended.access), self.refresh(&self.ended).status);
        assert!(matches!((access, refresh), (401 | 503, 400 | 503)), "{access} {refresh}");
    }

    /// Once it is over: what was refused has left nothing, what goes on goes on, and what was over is. What was logged.
    fn all_goes_on(self) -> String {
        let took = within(RECOVERY, "people sign in again", || self.sign_in(PASSWORD).status == 200);
        println!("signed in again after {took:.1?}");
        assert_eq!(self.server.ask("GET", "/health/ready", &[], "").0, 200);
        assert_eq!(self.sign_in("not the password").status, 400);
        let answer = self.sign_up();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.server.protected(&self.live.access), 200);
        let answer = self.refresh(&self.live);
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(self.server.protected(&self.ended.access), 401);
        assert_eq!(self.refresh(&self.ended).status, 400);
        // And an end is an end again.
        assert_eq!(self.post("/revoke", &[("token", &self.live.refresh)]).status, 200);
        assert_eq!(self.server.protected(&self.live.access), 401);
        let log = self.server.stop();
        assert!(!log.contains("panicked"), "{log}");
        // The file is whole.
        assert!(self.here.run(&["check"]).status.success());
        log
    }

    fn limit(&self, resource: rlimit::Resource, soft: u64) {
        let pid = self.server.pid().try_into().expect("a process");
        rlimit::prlimit(pid, resource, Some((soft, hard(resource))), None).expect("limited");
    }

    /// Nothing can be written to a file beyond this many bytes.
    fn fill_the_disk(&self, bytes: u64) {
        self.limit(rlimit::Resource::FSIZE, bytes);
    }

    fn data(&self, name: &str) -> std::path::PathBuf {
        self.here.path().join("data").join(name)
    }
}

/// What this process, and so the server, may raise a limit to.
fn hard(resource: rlimit::Resource) -> u64 {
    resource.get().expect("a limit").1
}

#[test]
fn a_disk_that_is_full_lets_nobody_in_and_loses_nothing() {
    let scene = Scene::new(FAIL_TO_WRITE, &[]);
    scene.fill_the_disk(1);
    scene.nobody_gets_in();
    assert_eq!(scene.server.protected(&scene.live.access), 200, "to verify writes nothing");
    let added = scene.here.run(&["user", "list"]);
    assert!(added.status.success(), "{}", error(&added));
    scene.fill_the_disk(rlimit::INFINITY);
    let log = scene.all_goes_on();
    assert!(log.contains("the database refused"), "{log}");
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_change_undoes_it() {
    let scene = Scene::new(FAIL_TO_WRITE, &[]);
    let log = scene.data("latchkey.db-wal");
    let mut last = scene.live.clone();
    // A few pages at a time: each change ends somewhere else in the middle.
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
        assert!(put_off.expect("full").header("Retry-After").is_some());
        scene.nothing_ended_comes_back();
        scene.fill_the_disk(rlimit::INFINITY);
        // What was answered is so, and nothing else: the last token that came is the one that goes on.
        let answer = scene.refresh(&last);
        assert_eq!(answer.status, 200, "{}", answer.body);
        last = Tokens::of(&serde_json::from_str(&answer.body).expect("JSON"));
    }
    scene.fill_the_disk(1);
    scene.nobody_gets_in();
    scene.fill_the_disk(rlimit::INFINITY);
    let log = scene.server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_database_that_another_program_locks_lets_nobody_in_and_verified_tokens_go_on() {
    let scene = Scene::new("true", &[]);
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let mut other: SqliteConnection = runtime
        .block_on(SqliteConnectOptions::new().filename(scene.data("latchkey.db")).connect())
        .expect("opened");
    let run = |other: &mut SqliteConnection, statement: &'static str| {
        runtime.block_on(sqlx::query(statement).execute(other)).expect("done");
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
        scope.spawn(|| scene.nobody_gets_in());
        let began = Instant::now();
        assert_eq!(scene.server.protected(&scene.live.access), 200, "to verify waits for nobody");
        assert!(began.elapsed() < soon());
    });
    run(&mut other, "ROLLBACK");
    runtime.block_on(other.close()).expect("closed");
    assert!(error(&scene.here.run(&["user", "show", "linus"])).contains("There is no account"));
    let log = scene.all_goes_on();
    assert!(log.contains("the database refused"), "{log}");
}

#[test]
fn a_database_that_is_moved_away_lets_nobody_in_until_it_is_back() {
    let scene = Scene::new("true", &[("LATCHKEY_REVOCATION_LAG", "1s")]);
    let (file, elsewhere) = (scene.data("latchkey.db"), scene.data("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).expect("moved");
    scene.nobody_gets_in();
    assert_eq!(scene.server.ask("GET", "/health/ready", &[], "").0, 503);
    // Without news nobody can tell which sessions go on.
    within(RECOVERY, "tokens are put off", || scene.server.protected(&scene.live.access) == 503);
    scene.nothing_ended_comes_back();
    std::fs::write(&file, "another file").expect("written");
    scene.nobody_gets_in();
    assert_eq!(scene.server.protected(&scene.live.access), 503);
    std::fs::rename(&elsewhere, &file).expect("back");
    let log = scene.all_goes_on();
    assert!(log.contains("the database refused"), "{log}");
}

#[test]
fn a_data_directory_that_is_moved_away_lets_nobody_in_until_it_is_back() {
    let scene = Scene::new("true", &[("LATCHKEY_REVOCATION_LAG", "1s")]);
    let (data, elsewhere) = (scene.here.path().join("data"), scene.here.path().join("elsewhere"));
    std::fs::rename(&data, &elsewhere).expect("moved");
    scene.nobody_gets_in();
    within(RECOVERY, "tokens are put off", || scene.server.protected(&scene.live.access) == 503);
    scene.nothing_ended_comes_back();
    std::fs::rename(&elsewhere, &data).expect("back");
    let log = scene.all_goes_on();
    assert!(log.contains("the database refused"), "{log}");
}

/// Refused to start, with one sentence that begins like this and says this.
fn is_refused(here: &Installation, settings: &[(&str, &str)], beginning: &str, says: &str) {
    let mut command = here.command(&["serve"]);
    command.env("LATCHKEY_ADDR", format!("127.0.0.1:{}", crate::support::free_port()));
    let output = command.envs(settings.iter().copied()).output().expect("ran");
    let error = error(&output);
    assert!(
        !output.status.success() && error.starts_with(beginning) && error.contains(says),
        "{error}"
    );
    assert!(error.trim().lines().count() == 1 && !error.contains("panicked"), "{error}");
}

#[test]
fn files_that_cannot_be_read_stop_the_start_with_one_sentence() {
    // Directories in the place of files: permissions do not keep everybody from reading.
    let here = Installation::new();
    here.add("ada");
    let data = here.path().join("data");
    std::fs::create_dir(here.path().join("a-directory")).expect("made");
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
    std::fs::create_dir(&secret).expect("made");
    is_refused(&here, &[], "error: LATCHKEY_DATA_DIR: ", "cannot be read");
    std::fs::remove_dir(&secret).expect("removed");
    std::fs::write(&secret, &kept[..kept.len() / 2]).expect("written");
    is_refused(&here, &[], "error: LATCHKEY_DATA_DIR: ", "shorter than");
    std::fs::write(&secret, &kept).expect("written");

    let (file, elsewhere) = (data.join("latchkey.db"), data.join("elsewhere.db"));
    std::fs::rename(&file, &elsewhere).expect("moved");
    std::fs::create_dir(&file).expect("made");
    is_refused(&here, &[], "error: ", "latchkey.db");
    std::fs::remove_dir(&file).expect("removed");
    std::fs::rename(&elsewhere, &file).expect("back");
    here.serve(&[]).grant("ada");
}

#[test]
fn a_secret_that_is_gone_is_made_anew_and_no_token_of_before_opens_anything() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let before = server.grant("ada");
    std::fs::remove_file(here.path().join("data/secret")).expect("removed");
    assert_eq!(server.protected(&before.access), 200, "what runs has it already");
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

/// One request on a connection that stays open, as far as it is answered within a moment.
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
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("set");
    stream
}

#[test]
fn without_another_file_to_open_new_clients_wait_and_those_who_are_there_are_served() {
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
    let log = scene.all_goes_on();
    assert!(log.contains("connections cannot be accepted"), "{log}");
}

#[test]
fn few_files_to_open_are_said_at_the_start_and_suffice() {
    let scene = Scene::new("ulimit -n 64", &[]);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(scene.server.protected(&scene.live.access), 200));
        }
    });
    let log = scene.all_goes_on();
    assert!(log.contains("the system allows 64 open files"), "{log}");
}
