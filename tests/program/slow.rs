//! Slow clients: each uses little memory, is disconnected after some time, and does not slow down others.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, Server, connect_from, how_many, soon, within};

/// Memory that one slow client may use with its answer, in KB, and additional memory for all of them together, in MB. All
/// timeouts end at the same time here, so all answers are sent together.
const MEMORY_EACH: u64 = 64;
const MEMORY: u64 = 20;

/// A client that sends one byte per second until it is disconnected.
struct Slow {
    stream: TcpStream,
    since: Instant,
    said: Vec<u8>,
    disconnected_after: Option<Duration>,
}

impl Slow {
    fn begin(server: &Server, beginning: &str) -> Self {
        Self::begin_from(2, server, beginning)
    }

    /// Connects from another loopback address, because one address may hold at most 1,024 connections.
    fn begin_from(last: u8, server: &Server, beginning: &str) -> Self {
        let mut stream = connect_from(last, server.port).expect("connected");
        stream.write_all(beginning.as_bytes()).expect("sent");
        stream.set_nonblocking(true).expect("the socket mode is set");
        Self {
            stream,
            since: Instant::now(),
            said: Vec::new(),
            disconnected_after: None,
        }
    }

    /// Reads what has arrived, and sends one more byte.
    fn tick(&mut self) {
        if self.disconnected_after.is_some() {
            return;
        }
        let open = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        // Returns at the end of the stream, or with `WouldBlock` if nothing more has arrived yet.
        let is_open = self.stream.read_to_end(&mut self.said).is_err_and(open);
        // If this byte is too late, the server closes the connection. The next tick sees that.
        let _ = self.stream.write(b"a");
        if !is_open {
            self.disconnected_after = Some(self.since.elapsed());
        }
    }
}

/// Runs all clients until the last one is disconnected. Returns the longest time that a client stayed connected.
fn run_until_all_are_disconnected(clients: &mut [Slow], deadline: Duration) -> Duration {
    let began = Instant::now();
    while clients.iter().any(|client| client.disconnected_after.is_none()) {
        assert!(began.elapsed() < deadline, "some clients are still connected");
        let next = Instant::now() + Duration::from_secs(1);
        clients.iter_mut().for_each(Slow::tick);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    clients
        .iter()
        .filter_map(|client| client.disconnected_after)
        .max()
        .expect("a client")
}

#[test]
fn slow_clients_are_disconnected_and_others_are_served_meanwhile() {
    // `SLOW_CLIENTS=2500` gives useful figures. There are this many clients that send a slow header, and as many with a slow body.
    let number = how_many("SLOW_CLIENTS", 150);
    rlimit::increase_nofile_limit(u64::MAX).expect("a limit of open files");
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let port = server.port;
    let token = server.grant("ada").access;
    let idle = server.resident();
    let beginning = format!("POST /token HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let body = format!("{beginning}Content-Length: 100\r\n\r\nusername=");
    let unread = format!("GET /protected HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 100\r\n\r\n");

    let mut clients: Vec<Slow> = Vec::new();
    for n in 0..number {
        let last = u8::try_from(3 + n / 500).expect("a small number");
        clients.push(Slow::begin_from(last, &server, &beginning));
        clients.push(Slow::begin_from(last, &server, &body));
    }
    clients.push(Slow::begin(&server, ""));
    clients.push(Slow::begin(&server, &unread));
    let (live, protected) = (server.keep_asking("/health/live", ""), server.keep_asking("/protected", &token));
    let longest = run_until_all_are_disconnected(&mut clients, Duration::from_mins(1));
    let (live, protected, peak) = (live.stop(), protected.stop(), server.peak_resident());
    println!("{} slow clients, the last disconnected after {longest:.1?}", clients.len());
    println!("/health/live: {live}");
    println!("/protected:   {protected}");
    println!("memory: {idle} MB idle, {peak} MB at most");

    assert!(longest < Duration::from_secs(25), "{longest:?}");
    for pair in clients[..2 * number].chunks(2) {
        let (header, body) = (&pair[0], String::from_utf8_lossy(&pair[1].said));
        assert!(
            header.said.is_empty() || header.said.starts_with(b"HTTP/1.1 408 "),
            "an unfinished request gets no answer other than 408"
        );
        assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    }
    let bound = idle + MEMORY + MEMORY_EACH * u64::try_from(clients.len()).expect("a small number") / 1024;
    assert!(peak < bound, "{idle} MB idle, {peak} MB at most, {bound} allowed");
    assert!(live.p99() < soon() && protected.p99() < soon(), "{live} {protected}");
    assert_eq!(server.protected(&token), 200);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_client_that_does_not_read_its_answers_is_disconnected() {
    let number = how_many("SLOW_READERS", 3);
    let here = Installation::new();
    let server = here.serve(&[]);
    let before = server.open_files();
    let port = server.port;
    let begin = move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        stream.set_write_timeout(Some(Duration::from_secs(1))).expect("a write timeout");
        let request = format!("GET /openapi.json HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        // Sends requests until both buffers are full.
        while stream.write_all(request.as_bytes()).is_ok() {}
        stream
    };
    let readers: Vec<_> = (0..number).map(|_| std::thread::spawn(begin)).collect();
    let readers: Vec<TcpStream> = readers.into_iter().map(|reader| reader.join().expect("requests sent")).collect();
    assert!(server.open_files() >= before + number, "the clients are connected at first");
    // The database may have opened a few more files.
    let took = within(Duration::from_mins(1), "all clients are disconnected", || {
        server.open_files() < before + number.min(10)
    });
    println!("disconnected after {took:.1?}; {} MB at most", server.peak_resident());
    drop(readers);
}
