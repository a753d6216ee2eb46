//! Clients that take their time: each costs little, none for long, and others do not notice.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Installation, Server, connect_from, how_many, soon, within};

/// Memory that one of them may take with its answer, in KB, and all of them beside that. All deadlines end at once here, so
/// all answers are under way together.
const MEMORY_EACH: u64 = 64;
const MEMORY: u64 = 20;

/// A client that sends one byte a second, for as long as it is listened to.
struct Slow {
    stream: TcpStream,
    since: Instant,
    said: Vec<u8>,
    let_go: Option<Duration>,
}

impl Slow {
    fn begin(server: &Server, beginning: &str) -> Self {
        Self::begin_from(2, server, beginning)
    }

    /// From another address of this machine: one alone holds 1,024 connections at most.
    fn begin_from(last: u8, server: &Server, beginning: &str) -> Self {
        let mut stream = connect_from(last, server.port).expect("connected");
        stream.write_all(beginning.as_bytes()).expect("sent");
        stream.set_nonblocking(true).expect("set");
        Self {
            stream,
            since: Instant::now(),
            said: Vec::new(),
            let_go: None,
        }
    }

    /// Reads what there is, and sends one byte more.
    fn tick(&mut self) {
        if self.let_go.is_some() {
            return;
        }
        let open = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        // Ends at the end of the stream, or where there is no more for now.
        let is_open = self.stream.read_to_end(&mut self.said).is_err_and(open);
        // A byte that is too late closes it as well: the next look sees it.
        let _ = self.stream.write(b"a");
        if !is_open {
            self.let_go = Some(self.since.elapsed());
        }
    }
}

/// Lets them all go on until the last is let go. The longest time that one was listened to.
fn until_all_are_let_go(clients: &mut [Slow], deadline: Duration) -> Duration {
    let began = Instant::now();
    while clients.iter().any(|client| client.let_go.is_none()) {
        assert!(began.elapsed() < deadline, "some are still listened to");
        let next = Instant::now() + Duration::from_secs(1);
        clients.iter_mut().for_each(Slow::tick);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    clients.iter().filter_map(|client| client.let_go).max().expect("some")
}

#[test]
fn slow_clients_are_let_go_and_others_are_served_meanwhile() {
    // `SLOW_CLIENTS=2500` measures: half of these send a header, half a body.
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
        let last = u8::try_from(3 + n / 500).expect("few");
        clients.push(Slow::begin_from(last, &server, &beginning));
        clients.push(Slow::begin_from(last, &server, &body));
    }
    clients.push(Slow::begin(&server, ""));
    clients.push(Slow::begin(&server, &unread));
    let (live, protected) = (server.keep_asking("/health/live", ""), server.keep_asking("/protected", &token));
    let longest = until_all_are_let_go(&mut clients, Duration::from_mins(1));
    let (live, protected, peak) = (live.stop(), protected.stop(), server.peak_resident());
    println!("{} slow clients, the last let go after {longest:.1?}", clients.len());
    println!("/health/live: {live}");
    println!("/protected:   {protected}");
    println!("memory: {idle} MB idle, {peak} MB at most");

    assert!(longest < Duration::from_secs(25), "{longest:?}");
    for pair in clients[..2 * number].chunks(2) {
        let (header, body) = (&pair[0], String::from_utf8_lossy(&pair[1].said));
        assert!(
            header.said.is_empty() || header.said.starts_with(b"HTTP/1.1 408 "),
            "nothing was asked"
        );
        assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    }
    let bound = idle + MEMORY + MEMORY_EACH * u64::try_from(clients.len()).expect("few") / 1024;
    assert!(peak < bound, "{idle} MB idle, {peak} MB at most, {bound} allowed");
    assert!(live.p99() < soon() && protected.p99() < soon(), "{live} {protected}");
    assert_eq!(server.protected(&token), 200);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_client_that_does_not_read_its_answers_is_let_go() {
    let number = how_many("SLOW_READERS", 3);
    let here = Installation::new();
    let server = here.serve(&[]);
    let before = server.open_files();
    let port = server.port;
    let begin = move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        stream.set_write_timeout(Some(Duration::from_secs(1))).expect("set");
        let request = format!("GET /openapi.json HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        // Asks until neither side takes any more.
        while stream.write_all(request.as_bytes()).is_ok() {}
        stream
    };
    let readers: Vec<_> = (0..number).map(|_| std::thread::spawn(begin)).collect();
    let readers: Vec<TcpStream> = readers.into_iter().map(|reader| reader.join().expect("asked")).collect();
    assert!(server.open_files() >= before + number, "they are listened to at first");
    // A few files more may be the database's.
    let took = within(Duration::from_mins(1), "all are let go", || {
        server.open_files() < before + number.min(10)
    });
    println!("let go after {took:.1?}; {} MB at most", server.peak_resident());
    drop(readers);
}
