//! A real server: other processes, power cuts and metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, PASSWORD, Server, Tokens, assert_within, form_of, free_port, how_many, post, within};

const A_SECOND: Duration = Duration::from_secs(1);

/// Longest wait for something that must happen at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// `END_ROUNDS=100` measures.
fn end_rounds() -> usize {
    how_many("END_ROUNDS", 3)
}

/// Runs a command to its end, then waits until the server knows. How long that took.
fn known_after(here: &Installation, server: &Server, command: &[&str], input: &str, token: &str) -> Duration {
    assert_eq!(server.protected(token), 200);
    let output = here.run_with_input(command, input);
    assert!(output.status.success(), "{}", crate::support::error(&output));
    within(DEADLINE, &format!("{command:?}"), || server.protected(token) == 401)
}

#[test]
fn a_command_in_another_process_reaches_the_running_server_within_a_second() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let mut times = Vec::new();
    for _ in 0..end_rounds() {
        let token = server.grant("ada").access;
        times.push(known_after(&here, &server, &["user", "end-sessions", "ada"], "", &token));
    }
    assert_within(A_SECOND, "user end-sessions is known", &times);
    times.sort();
    println!(
        "known after: median {:?}, worst {:?} of {}",
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
    assert_eq!(server.protected(&tokens.access), 401, "old tokens stay dead");
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
fn an_open_event_stream_hears_of_a_command_within_a_second_and_a_stop_closes_it() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let cookie = |server: &Server| format!("latchkey={}", server.grant("ada").access);
    let listen = |server: &Server, cookie: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
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
    assert_within(A_SECOND, "an event stream is told", &times);
    times.sort();
    println!(
        "stream told after: median {:?}, worst {:?} of {}",
        times[times.len() / 2],
        times.last(),
        times.len()
    );

    let mut stream = listen(&server, &cookie(&server));
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(15), "the stream holds up the stop");
    assert!(!stream.any(|line| line.contains("over")));
}

/// A connection that has said this much and waits.
fn hanging(server: &Server, beginning: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
    stream.write_all(beginning.as_bytes()).expect("sent");
    stream
}

#[test]
fn a_stop_is_held_up_by_nobody() {
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
fn a_hangup_stops_as_sigterm_does_and_cuts_off_no_request() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let port = server.port;
    let body = form_of(&[("username", "ada"), ("password", PASSWORD)]);
    let (head, length) = ("Content-Type: application/x-www-form-urlencoded", body.len());
    let beginning = format!("POST /token HTTP/1.1\r\nHost: localhost:{port}\r\n{head}\r\nContent-Length: {length}\r\n\r\n");
    let mut under_way = hanging(&server, &beginning);
    // Answered only after the connection above was taken: connections are accepted in their order.
    server.ask("GET", "/health/live", &[], "");
    server.signal("HUP");
    within(DEADLINE, "nobody listens any more", || {
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
fn a_server_that_was_started_with_hangups_ignored_goes_on_after_one() {
    let here = Installation::new();
    // As `nohup` does.
    let server = here.serve_within("trap '' HUP", &[]);
    server.signal("HUP");
    // The signal would have been taken by now: a stop that was asked for closes the listener at once.
    for _ in 0..20 {
        assert_eq!(server.ask("GET", "/health/live", &[], "").0, 200);
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop();
}

#[test]
fn a_request_that_crosses_a_stop_on_an_idle_connection_is_answered() {
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
    within(Duration::from_secs(5), "nobody listens any more", || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    // As a proxy does that keeps connections: it cannot know yet.
    idle.get_mut().write_all(request.as_bytes()).expect("sent");
    let answer = head(&mut idle);
    assert!(
        answer[0].contains("200") && answer.contains(&"connection: close".to_owned()),
        "{answer:?}"
    );
    stopping.join().expect("stopped");
}

/// What a client was told before the power went.
enum Acknowledged {
    Rotated {
        last: Tokens,
    },
    /// No answer came to the sign-out: it may have been done, or not.
    Leaving {
        last: Tokens,
    },
    Ended {
        dead: Tokens,
    },
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_and_revives_nothing() {
    const ROUNDS: usize = 200;
    let here = Installation::new();
    here.add("ada");
    let mut server = here.serve(&[]);
    let port_of = |server: &Server| server.port;
    for round in 0..ROUNDS / 10 {
        // Ten clients refresh, and every third one signs out in the end, until the server is gone.
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
        let outcomes: Vec<Acknowledged> = workers.into_iter().map(|worker| worker.join().expect("ran")).collect();
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
                    assert!(consistent, "over altogether, or not at all: {refresh:?} {access}");
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
fn metrics_are_shown_on_a_listener_of_their_own() {
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
    assert_eq!(server.ask("GET", "/metrics", &[], "").0, 404, "not where everybody can read it");
}
