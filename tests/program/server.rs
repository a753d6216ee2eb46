//! A real server process: commands of other processes, signals, crashes and metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, PASSWORD, Server, Tokens, assert_within, form_of, free_port, how_many, post, within};

const A_SECOND: Duration = Duration::from_secs(1);

/// Longest wait for something that must happen, however long it takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// How often to repeat measurements. `END_ROUNDS=100` gives useful figures.
fn end_rounds() -> usize {
    how_many("END_ROUNDS", 3)
}

/// Runs a command to its end, then waits until the server refuses the token. Returns how long that took.
fn known_after(here: &Installation, server: &Server, command: &[&str], input: &str, token: &str) -> Duration {
    assert_eq!(server.protected(token), 200);
    let output = here.run_with_input(command, input);
    assert!(output.status.success(), "{}", crate::support::error(&output));
    within(DEADLINE, &format!("{command:?}"), || server.protected(token) == 401)
}

#[test]
fn a_command_takes_effect_on_the_running_server_within_a_second() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let mut times = Vec::new();
    for _ in 0..end_rounds() {
        let token = server.grant("ada").access;
        times.push(known_after(&here, &server, &["user", "end-sessions", "ada"], "", &token));
    }
    assert_within(A_SECOND, "user end-sessions takes effect", &times);
    times.sort();
    println!(
        "takes effect after: median {:?}, worst {:?} of {}",
        times[times.len() / 2],
        times.last(),
        times.len()
    );

    let token = server.grant("ada").access;
    known_after(&here, &server, &["user", "set-role", "ada", "user"], "", &token);
    let tokens = server.grant("ada");
    known_after(
        &here,
        &server,
        &["user", "set-password", "ada", "--password-stdin"],
        &format!("{PASSWORD}\n"),
        &tokens.access,
    );
    let tokens = server.grant("ada");
    known_after(&here, &server, &["user", "disable", "ada"], "", &tokens.access);
    assert_eq!(server.post("/token", &[("username", "ada"), ("password", PASSWORD)]).0, 400);
    assert!(here.run(&["user", "enable", "ada"]).status.success());
    assert_eq!(server.protected(&tokens.access), 401, "old tokens stay invalid");
    let tokens = server.grant("ada");
    known_after(&here, &server, &["user", "remove", "ada"], "", &tokens.access);
    assert_eq!(
        server
            .post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)])
            .0,
        400
    );
}

#[test]
fn an_event_stream_reports_an_ended_session_within_a_second_and_closes_on_shutdown() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let cookie = |server: &Server| format!("latchkey={}", server.grant("ada").access);
    let listen = |server: &Server, cookie: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a read timeout");
        let port = server.port;
        write!(
            stream,
            "GET /session/events HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
        )
        .expect("sent");
        let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
        assert!(lines.any(|line| line == "event: session"));
        lines
    };
    let mut times = Vec::new();
    for _ in 0..end_rounds() {
        let mut stream = listen(&server, &cookie(&server));
        let output = here.run(&["user", "end-sessions", "ada"]);
        let ended = Instant::now();
        assert!(output.status.success());
        assert!(stream.any(|line| line == "event: over"));
        times.push(ended.elapsed());
    }
    assert_within(A_SECOND, "an event stream reports the end", &times);
    times.sort();
    println!(
        "stream reports the end after: median {:?}, worst {:?} of {}",
        times[times.len() / 2],
        times.last(),
        times.len()
    );

    let mut stream = listen(&server, &cookie(&server));
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(15), "the stream delays the shutdown");
    assert!(!stream.any(|line| line.contains("over")));
}

/// Opens a connection, sends the beginning of a request, and leaves it open.
fn hanging(server: &Server, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a read timeout");
    stream.write_all(beginning.as_bytes()).expect("sent");
    stream
}

#[test]
fn open_connections_do_not_prevent_a_shutdown() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let port = server.port;
    let _header = hanging(&server, "GET / HTTP/1.1\r\n");
    let _body = hanging(
        &server,
        &format!(
            "POST /token HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nu"
        ),
    );
    let _idle = hanging(&server, &format!("GET /health/live HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"));
    server.grant("ada");
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn sighup_stops_the_server_like_sigterm_and_cuts_off_no_request() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let port = server.port;
    let body = form_of(&[("username", "ada"), ("password", PASSWORD)]);
    let (head, length) = ("Content-Type: application/x-www-form-urlencoded", body.len());
    let beginning = format!("POST /token HTTP/1.1\r\nHost: localhost:{port}\r\n{head}\r\nContent-Length: {length}\r\n\r\n");
    let mut under_way = hanging(&server, &beginning);
    // Connections are accepted in order, so once this is answered, the connection above has been accepted.
    server.ask("GET", "/health/live", &[], "");
    server.signal("HUP");
    within(DEADLINE, "the listener is closed", || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    under_way.write_all(body.as_bytes()).expect("sent");
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let log = server.ended();
    assert!(log.contains("stopped"), "{log}");
}

#[test]
fn a_server_that_was_started_with_nohup_ignores_sighup() {
    let here = Installation::new();
    // This is what `nohup` does.
    let server = here.serve_within("trap '' HUP", &[]);
    server.signal("HUP");
    // A shutdown closes the listener at once, so if these are answered, the signal was ignored.
    for _ in 0..20 {
        assert_eq!(server.ask("GET", "/health/live", &[], "").0, 200);
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop();
}

#[test]
fn a_request_on_a_keep_alive_connection_during_a_shutdown_is_answered() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let port = server.port;
    let request = format!("GET /health/live HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
    let mut idle = BufReader::new(hanging(&server, &request));
    let head = |idle: &mut BufReader<TcpStream>| {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert!(idle.read_line(&mut line).expect("read") > 0, "cut off: {lines:?}");
            if line == "\r\n" {
                break;
            }
            lines.push(line.trim_end().to_lowercase());
        }
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a number"));
        idle.read_exact(&mut vec![0; length]).expect("a body");
        lines
    };
    assert!(!head(&mut idle).contains(&"connection: close".to_owned()));
    let stopping = std::thread::spawn(move || server.stop());
    within(Duration::from_secs(5), "the listener is closed", || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    // A proxy with keep-alive connections does this, because it cannot know yet that the server is stopping.
    idle.get_mut().write_all(request.as_bytes()).expect("sent");
    let answer = head(&mut idle);
    assert!(
        answer[0].contains("200") && answer.contains(&"connection: close".to_owned()),
        "{answer:?}"
    );
    stopping.join().expect("stopped");
}

/// What the server acknowledged to a client before it was killed.
enum Acknowledged {
    Rotated {
        last: Tokens,
    },
    /// The sign-out was not answered, so it may or may not have been done.
    Leaving {
        last: Tokens,
    },
    Ended {
        dead: Tokens,
    },
}

#[test]
fn a_killed_server_loses_no_acknowledged_change_and_revives_no_session() {
    const ROUNDS: usize = 200;
    let here = Installation::new();
    here.add("ada");
    let mut server = here.serve(&[]);
    let port_of = |server: &Server| server.port;
    for round in 0..ROUNDS / 10 {
        // Ten clients refresh until the server is killed. Every third client signs out after some steps.
        let clients: Vec<Tokens> = (0..10).map(|_| server.grant("ada")).collect();
        let port = port_of(&server);
        let workers: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(n, mut last)| {
                std::thread::spawn(move || {
                    for step in 0.. {
                        if n % 3 == 0 && step == 2 + n % 5 {
                            return match post(port, "/revoke", &[("token", &last.refresh)]) {
                                Ok((200, _)) => Acknowledged::Ended { dead: last },
                                _ => Acknowledged::Leaving { last },
                            };
                        }
                        match post(port, "/token", &[("grant_type", "refresh_token"), ("refresh_token", &last.refresh)]) {
                            Ok((200, body)) => last = Tokens::of(&body),
                            Ok((status, body)) => panic!("{status} {body}"),
                            Err(_) => break,
                        }
                    }
                    Acknowledged::Rotated { last }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + 7 * (round as u64 % 10)));
        server.kill();
        let outcomes: Vec<Acknowledged> = workers
            .into_iter()
            .map(|worker| worker.join().expect("the client finished"))
            .collect();
        server = here.serve(&[]);
        for outcome in outcomes {
            match outcome {
                Acknowledged::Rotated { last } => {
                    let fields = [("grant_type", "refresh_token"), ("refresh_token", last.refresh.as_str())];
                    let (status, body) = server.post("/token", &fields);
                    assert_eq!(status, 200, "{body}");
                    assert_eq!(server.protected(&Tokens::of(&body).access), 200);
                }
                Acknowledged::Leaving { last } => {
                    let fields = [("grant_type", "refresh_token"), ("refresh_token", last.refresh.as_str())];
                    let (refresh, access) = (server.post("/token", &fields), server.protected(&last.access));
                    let consistent = matches!((refresh.0, access), (200, 200) | (400, 401));
                    assert!(
                        consistent,
                        "the session is neither fully ended nor fully alive: {refresh:?} {access}"
                    );
                }
                Acknowledged::Ended { dead } => {
                    assert_eq!(server.protected(&dead.access), 401);
                    let fields = [("grant_type", "refresh_token"), ("refresh_token", dead.refresh.as_str())];
                    assert_eq!(server.post("/token", &fields).0, 400);
                }
            }
        }
    }
}

#[test]
fn metrics_are_served_only_on_a_separate_listener() {
    let here = Installation::new();
    here.add("ada");
    let metrics = free_port();
    let server = here.serve(&[]);
    server.grant("ada");
    server.stop();
    let server = here.serve(&[("LATCHKEY_METRICS_ADDR", &format!("127.0.0.1:{metrics}"))]);
    within(DEADLINE, "the sessions are counted", || {
        Server::metrics(metrics).contains("latchkey_sessions_live 1\n")
    });
    let first = server.grant("ada");
    server.grant("ada");
    server.post("/token", &[("username", "ada"), ("password", "wrong password")]);
    let (_, body) = server.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &first.refresh)]);
    let second = Tokens::of(&body);
    server.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &second.refresh)]);
    server.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &first.refresh)]);
    let shown = Server::metrics(metrics);
    for line in [
        "latchkey_log_lines_dropped_total 0\n",
        "latchkey_log_lines_suppressed_total 0\n",
        "latchkey_sign_ins_total{outcome=\"ok\"} 2\n",
        "latchkey_sign_ins_total{outcome=\"refused\"} 1\n",
        "latchkey_refreshes_total{outcome=\"ok\"} 2\n",
        "latchkey_refreshes_total{outcome=\"reuse\"} 1\n",
        "latchkey_reuse_detected_total 1\n",
        "latchkey_hashing_queue 0\n",
        "latchkey_request_seconds_count{route=\"/token\",method=\"POST\",status=\"200\"} 4\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert_eq!(server.ask("GET", "/metrics", &[], "").0, 404, "metrics are not public");
}
