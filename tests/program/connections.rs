//! How many connections one client may hold.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, Server, connect_from, free_port, how_many, is_closed, keep_asking, soon, whole_answer, within};

/// Connections that one address may hold: an eighth of all.
const OF_AN_ADDRESS: usize = 1024;

/// Silent connections are closed after 15 seconds: as long as this they are open.
const OPEN: Duration = Duration::from_secs(12);

fn silent(server: &Server, number: usize) -> Vec<TcpStream> {
    (0..number).map(|_| connect_from(2, server.port).expect("connected")).collect()
}

fn number_open(streams: &[TcpStream]) -> usize {
    streams.iter().filter(|stream| !is_closed(stream)).count()
}

#[test]
fn one_address_holds_at_most_1024_connections_and_others_are_served() {
    // `SILENT_CONNECTIONS=8000` measures.
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
    within(Duration::from_secs(10), "those beyond the limit are closed", || {
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
    within(Duration::from_secs(10), "closed ones make room", || {
        !is_closed(&connect_from(2, server.port).expect("connected"))
    });
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn the_connections_of_a_trusted_proxy_are_limited_by_the_number_of_all_alone() {
    let number = OF_AN_ADDRESS + 76;
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    let here = Installation::new();
    let server = here.serve(&[("LATCHKEY_TRUSTED_PROXIES", "127.0.0.2/32")]);
    let began = Instant::now();
    let streams = silent(&server, number);
    // Its own answer says that all those before it have been accepted.
    let answer = whole_answer(server.port, "GET", "/health/live", &[], "").expect("an answer");
    assert_eq!(answer.status, 200);
    let (open, took) = (number_open(&streams), began.elapsed());
    assert!(open == number || took > OPEN, "{open} of {number} are open after {took:?}");
}

#[test]
fn with_few_files_one_address_holds_an_eighth_of_the_connections() {
    let here = Installation::new();
    let server = here.serve_within("ulimit -n 352", &[]);
    let streams = silent(&server, 30);
    let others = keep_asking({
        let port = server.port;
        move || assert_eq!(whole_answer(port, "GET", "/health/live", &[], "").expect("an answer").status, 200)
    });
    // Of 352 files 192 are not for connections.
    let most = (352 - 192) / 8;
    let took = within(Duration::from_secs(10), "those beyond the limit are closed", || {
        number_open(&streams) <= most
    });
    others.stop();
    assert!(number_open(&streams) == most || took > OPEN);
}

#[test]
fn the_metrics_listener_has_a_limit_and_a_deadline_of_its_own() {
    let here = Installation::new();
    let metrics = free_port();
    let server = here.serve(&[("LATCHKEY_METRICS_ADDR", &format!("127.0.0.1:{metrics}"))]);
    let began = Instant::now();
    let streams: Vec<TcpStream> = (0..100).map(|_| connect_from(2, metrics).expect("connected")).collect();
    within(Duration::from_secs(10), "those beyond an eighth of 64 are closed", || {
        number_open(&streams) <= 8
    });
    assert!(Server::metrics(metrics).contains("latchkey_"));
    within(Duration::from_secs(30), "silent ones are closed", || number_open(&streams) == 0);
    assert!(began.elapsed() > Duration::from_secs(10), "a client has time to ask");
    let answer = whole_answer(server.port, "GET", "/health/live", &[], "").expect("an answer");
    assert_eq!(answer.status, 200);
}
