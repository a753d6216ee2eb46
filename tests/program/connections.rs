//! Limits on the number of connections of one client.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, Server, connect_from, free_port, how_many, is_closed, keep_asking, soon, whole_answer, within};

/// Connections that one address may hold, which is an eighth of all connections.
const OF_AN_ADDRESS: usize = 1024;

/// How long silent connections certainly stay open. They are closed after 15 seconds.
const OPEN: Duration = Duration::from_secs(12);

fn silent(server: &Server, number: usize) -> Vec<TcpStream> {
    (0..number).map(|_| connect_from(2, server.port).expect("connected")).collect()
}

fn number_open(streams: &[TcpStream]) -> usize {
    streams.iter().filter(|stream| !is_closed(stream)).count()
}

#[test]
fn one_address_holds_at_most_1024_connections_and_others_are_served() {
    // `SILENT_CONNECTIONS=8000` gives useful figures.
    let number = how_many("SILENT_CONNECTIONS", 1100);
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let token = server.grant("ada").access;
    let idle = server.resident();
    let others = server.keep_asking("/protected", &token);
    let began = Instant::now();
    let streams = silent(&server, number);
    within(Duration::from_secs(10), "connections beyond the limit are closed", || {
        number_open(&streams) <= OF_AN_ADDRESS
    });
    let open = number_open(&streams);
    let took = began.elapsed();
    assert!(open == OF_AN_ADDRESS || took > OPEN, "{open} are open after {took:?}");
    let times = others.stop();
    let peak = server.peak_resident();
    println!("{number} silent connections, {open} open after {took:.1?}; /protected: {times}; {idle} MB idle, {peak} MB at most");
    assert!(times.p99() < soon(), "{times}");
    assert!(peak < 512, "{peak} MB");
    drop(streams);
    within(Duration::from_secs(10), "closed connections make room for new ones", || {
        !is_closed(&connect_from(2, server.port).expect("connected"))
    });
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_trusted_proxy_is_limited_only_by_the_total_number_of_connections() {
    let number = OF_AN_ADDRESS + 76;
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    let here = Installation::new();
    let server = here.serve(&[("LATCHKEY_TRUSTED_PROXIES", "127.0.0.2/32")]);
    let began = Instant::now();
    let streams = silent(&server, number);
    // Connections are accepted in order, so once this is answered, all earlier ones have been accepted.
    let answer = whole_answer(server.port, "GET", "/health/live", &[], "").expect("an answer");
    assert_eq!(answer.status, 200);
    let (open, took) = (number_open(&streams), began.elapsed());
    assert!(open == number || took > OPEN, "{open} of {number} are open after {took:?}");
}

#[test]
fn with_a_low_open_file_limit_one_address_holds_an_eighth_of_the_connections() {
    let here = Installation::new();
    let server = here.serve_within("ulimit -n 352", &[]);
    let streams = silent(&server, 30);
    let others = keep_asking({
        let port = server.port;
        move || assert_eq!(whole_answer(port, "GET", "/health/live", &[], "").expect("an answer").status, 200)
    });
    // Of the 352 files, 192 are reserved for other uses than connections.
    let most = (352 - 192) / 8;
    let took = within(Duration::from_secs(10), "connections beyond the limit are closed", || {
        number_open(&streams) <= most
    });
    others.stop();
    assert!(number_open(&streams) == most || took > OPEN);
}

#[test]
fn the_metrics_listener_has_its_own_connection_limit_and_timeout() {
    let here = Installation::new();
    let metrics = free_port();
    let server = here.serve(&[("LATCHKEY_METRICS_ADDR", &format!("127.0.0.1:{metrics}"))]);
    let began = Instant::now();
    let streams: Vec<TcpStream> = (0..100).map(|_| connect_from(2, metrics).expect("connected")).collect();
    within(Duration::from_secs(10), "connections beyond an eighth of 64 are closed", || {
        number_open(&streams) <= 8
    });
    assert!(Server::metrics(metrics).contains("latchkey_"));
    within(Duration::from_secs(30), "silent connections are closed", || {
        number_open(&streams) == 0
    });
    assert!(began.elapsed() > Duration::from_secs(10), "a client has time to send its request");
    let answer = whole_answer(server.port, "GET", "/health/live", &[], "").expect("an answer");
    assert_eq!(answer.status, 200);
}
