//! Bytes that no well-behaved client sends. Where a request ends must never be ambiguous, or requests can be smuggled.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Installation, Server, how_many, within};

/// Longest wait until the server closes a connection that it should close.
const CLOSED: Duration = Duration::from_secs(5);

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    stream.set_read_timeout(Some(CLOSED)).expect("a read timeout");
    stream
}

/// Sends bytes and returns everything that is answered until the server closes the connection, or `None` if it leaves it open.
fn answers(port: u16, bytes: &[u8]) -> Option<String> {
    let mut stream = connect(port);
    // The server may close the connection before everything is sent.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
        // If the server leaves bytes unread, the connection ends with a reset. The answers before the reset have arrived.
        _ => Some(String::from_utf8_lossy(&said).into_owned()),
    }
}

fn statuses(said: &str) -> Vec<u16> {
    let beginnings = said.split("HTTP/1.").skip(1);
    beginnings.map(|answer| answer[2..5].parse().expect("a status")).collect()
}

/// The answer to the smuggled request [`second`].
const SECOND: &str = "{\"status\":\"ok\"}";

fn second(port: u16) -> String {
    format!("GET /health/live HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")
}

/// Asserts that the request gets one answer, that the request after it gets none, and that the connection is closed. Returns
/// the status.
fn assert_single_answer(server: &Server, name: &str, request: &str) -> u16 {
    let bytes = format!("{request}{}", second(server.port));
    let said = answers(server.port, bytes.as_bytes()).unwrap_or_else(|| panic!("{name}: left open"));
    assert!(!said.contains(SECOND), "{name}: the second request was answered: {said}");
    let statuses = statuses(&said);
    assert_eq!(statuses.len(), 1, "{name}: {said}");
    statuses[0]
}

/// Returns a POST request of a form with these header fields, followed by `rest`.
fn form(port: u16, fields: &str, rest: &str) -> String {
    format!("POST /token HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n{fields}\r\n\r\n{rest}")
}

#[test]
fn a_request_with_an_ambiguous_length_is_refused_and_its_connection_closed() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let hidden = second(server.port);
    let in_a_chunk = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    for (name, fields, rest) in [
        ("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        (
            "CL.TE, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 6",
            "0\r\n\r\n",
        ),
        ("TE.CL", "Content-Length: 4\r\nTransfer-Encoding: chunked", in_a_chunk.as_str()),
        (
            "TE.CL, the other way round",
            "Transfer-Encoding: chunked\r\nContent-Length: 4",
            &in_a_chunk,
        ),
        (
            "CL.TE behind a bare LF",
            "Content-Length: 6\nTransfer-Encoding: chunked",
            "0\r\n\r\n",
        ),
        (
            "CL.TE in odd letters",
            "content-LENGTH: 6\r\ntRANSFER-encoding: CHUNKED",
            "0\r\n\r\n",
        ),
        (
            "TE.TE, the last not chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "0\r\n\r\n",
        ),
        ("TE.TE in one line", "Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("an unknown coding", "Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("a coding in quotes", "Transfer-Encoding: \"chunked\"", "0\r\n\r\n"),
        ("a coding behind a vertical tab", "Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"),
        ("a coding with a parameter", "Transfer-Encoding: chunked;x=y", "0\r\n\r\n"),
        ("an empty coding", "Transfer-Encoding: ", "0\r\n\r\n"),
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5", "a=b&c"),
        ("two lengths in one line", "Content-Length: 0, 5", "a=b&c"),
        ("the same length in one line", "Content-Length: 5, 5", "a=b&c"),
        ("a length with a plus", "Content-Length: +5", "a=b&c"),
        ("a length below nothing", "Content-Length: -5", "a=b&c"),
        ("a length in hex", "Content-Length: 0x5", "a=b&c"),
        ("a length with a blank in it", "Content-Length: 1 1", "a=b&c"),
        ("an empty length", "Content-Length: ", ""),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551616", "a=b&c"),
        ("a blank before the colon", "Content-Length : 5", "a=b&c"),
        ("a tab before the colon", "Transfer-Encoding\t: chunked", "0\r\n\r\n"),
        ("a folded line", "X: y\r\n Content-Length: 5", "a=b&c"),
        ("a folded coding", "Transfer-Encoding:\r\n chunked", "0\r\n\r\n"),
        ("a line without a colon", "Content-Length", ""),
        ("a line without a name", ": 5", ""),
        ("NUL in a value", "X: a\0b", ""),
        ("NUL in a name", "X\0: a", ""),
        ("a bare CR in a value", "X: a\rContent-Length: 5", "a=b&c"),
        ("a blank first", " Content-Length: 5", "a=b&c"),
    ] {
        let status = assert_single_answer(&server, name, &form(server.port, fields, rest));
        assert!((400..=501).contains(&status) && status != 500, "{name}: {status}");
    }
    let old = form(server.port, "Transfer-Encoding: chunked", "0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(assert_single_answer(&server, "chunks of HTTP/1.0", &old), 400);
    assert_no_fault(server);
}

#[test]
fn malformed_chunks_are_refused_and_the_connection_closed() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let ask = |chunks: &str| form(server.port, "Transfer-Encoding: chunked", chunks);
    let long = format!("3;{}\r\na=b\r\n0\r\n\r\n", "x".repeat(40_000));
    let trailers = format!("3\r\na=b\r\n0\r\n{}\r\n", "X: y\r\n".repeat(20_000));
    for (name, chunks) in [
        ("a size with a plus", "+3\r\na=b\r\n0\r\n\r\n"),
        ("a size below nothing", "-3\r\na=b\r\n0\r\n\r\n"),
        ("a size with 0x", "0x3\r\na=b\r\n0\r\n\r\n"),
        ("a size that is no number", "three\r\na=b\r\n0\r\n\r\n"),
        ("no size", "\r\na=b\r\n0\r\n\r\n"),
        ("a size with a blank in it", "1 1\r\na=b\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000003\r\na=b\r\n0\r\n\r\n"),
        ("a size that overflows", "fffffffffffffffff\r\na=b\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "2\r\na=b\r\n0\r\n\r\n"),
        ("a chunk that ends in a bare LF", "3\r\na=b\n0\r\n\r\n"),
        ("a size that ends in a bare LF", "3\na=b\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "3;x\ny\r\na=b\r\n0\r\n\r\n"),
        ("an extension without end", &long),
        ("trailers without end", &trailers),
    ] {
        let status = assert_single_answer(&server, name, &ask(chunks));
        assert_eq!(status, 400, "{name}");
    }
    // A chunk extension is ignored, and does not change where the body ends.
    let well = form(
        server.port,
        "Connection: close\r\nTransfer-Encoding: chunked",
        "3;x=\"y\"\r\na=b\r\n0\r\n\r\n",
    );
    let said = answers(server.port, well.as_bytes()).expect("closed");
    assert!(said.contains("Send username and password."), "{said}");
    assert_no_fault(server);
}

#[test]
fn a_body_is_never_read_as_a_request() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let port = server.port;
    let hidden = second(port);
    let length = hidden.len();
    for (method, path) in [
        ("GET", "/login"),
        ("GET", "/protected"),
        ("HEAD", "/login"),
        ("DELETE", "/token"),
        ("POST", "/nowhere"),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n\r\n{hidden}");
        let next = format!("GET /openapi.json HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        let said = answers(port, format!("{request}{next}").as_bytes()).expect("closed");
        assert!(!said.contains(SECOND), "{method} {path}: {said}");
        assert!(statuses(&said).len() <= 2, "{method} {path}");
    }
    // Bytes beyond the announced length are neither part of the body nor a valid request.
    let beyond = form(port, "Content-Length: 3", "a=b&username=ada&password=x\r\n\r\n");
    let said = answers(port, beyond.as_bytes()).expect("closed");
    assert_eq!(statuses(&said), [400, 400], "{said}");
    assert!(said.contains("Send username and password."), "{said}");
    assert_no_fault(server);
}

#[test]
fn unsupported_methods_hosts_and_versions_are_refused() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let port = server.port;
    let us = format!("localhost:{port}");
    let host = format!("Host: {us}\r\n");
    for (line, headers, expected) in [
        (format!("CONNECT {us} HTTP/1.1"), host.as_str(), [404, 405].as_slice()),
        ("CONNECT evil.example:443 HTTP/1.1".to_owned(), &host, &[421]),
        ("TRACE /login HTTP/1.1".to_owned(), &host, &[405]),
        ("TRACE /token HTTP/1.1".to_owned(), &host, &[405]),
        ("TRACK /token HTTP/1.1".to_owned(), &host, &[405]),
        ("OPTIONS * HTTP/1.1".to_owned(), &host, &[404, 405]),
        ("get /login HTTP/1.1".to_owned(), &host, &[405]),
        ("GET http://evil.example/login HTTP/1.1".to_owned(), &host, &[421]),
        (
            "GET http://evil.example/login HTTP/1.1".to_owned(),
            "Host: evil.example\r\n",
            &[421],
        ),
        (format!("GET http://{us}/login HTTP/1.1"), "Host: evil.example\r\n", &[421]),
        (format!("GET http://ada@{us}/login HTTP/1.1"), &host, &[421]),
        (format!("GET http://{us}/login HTTP/1.1"), &host, &[200]),
        ("GET /login HTTP/1.1".to_owned(), "Host: evil.example\r\n", &[421]),
        ("GET /login HTTP/1.1".to_owned(), "", &[400, 421]),
        ("GET /login HTTP/1.0".to_owned(), "", &[400, 421]),
        (
            "GET /login HTTP/1.1".to_owned(),
            &format!("{host}Host: evil.example\r\n"),
            &[400, 421],
        ),
        ("GET /login HTTP/1.1".to_owned(), &format!("{host}{host}"), &[400, 421]),
        ("GET evil.example/login HTTP/1.1".to_owned(), &host, &[400, 404, 421]),
        ("GET //evil.example/login HTTP/1.1".to_owned(), &host, &[404]),
        ("GET /login HTTP/1.2".to_owned(), &host, &[400, 505]),
        ("GET /login HTTP/2.0".to_owned(), &host, &[400, 505]),
        ("GET /login HTTP/9.9".to_owned(), &host, &[400, 505]),
        ("GET /login".to_owned(), "", &[400]),
        ("GET  /login HTTP/1.1".to_owned(), &host, &[400]),
        ("GET /login  HTTP/1.1".to_owned(), &host, &[400]),
        ("GET /lo gin HTTP/1.1".to_owned(), &host, &[400]),
        ("GET /login\0 HTTP/1.1".to_owned(), &host, &[400]),
        ("G\u{e9}T /login HTTP/1.1".to_owned(), &host, &[400]),
        ("PRI * HTTP/2.0".to_owned(), "", &[400, 505]),
        ("\u{16}\u{3}\u{1}".to_owned(), "", &[400]),
    ] {
        let request = format!("{line}\r\n{headers}Connection: close\r\n\r\n");
        let said = answers(port, request.as_bytes()).unwrap_or_else(|| panic!("{line}: left open"));
        let statuses = statuses(&said);
        assert!(statuses.len() == 1 && expected.contains(&statuses[0]), "{line} {headers}: {said}");
        assert!(!said.to_lowercase().contains("location: http://evil"), "{said}");
    }
    assert_no_fault(server);
}

#[test]
fn headers_and_paths_that_are_too_large_are_refused() {
    let here = Installation::new();
    let server = here.serve(&[]);
    let port = server.port;
    let ask = |path: &str, fields: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{fields}\r\n");
        let said = answers(port, request.as_bytes()).expect("closed");
        let ours = said.contains("content-security-policy: ") && said.contains("{\"detail\":");
        (statuses(&said), ours)
    };
    let path = |length: usize| format!("/{}", "a".repeat(length));
    let fields = |number: usize| (0..number).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let large = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    assert_eq!(ask("/login", &fields(90)).0, [200]);
    assert_eq!(ask(&path(8000), ""), (vec![404], true));
    // As long as it is sensible to read the request, the answer is the app's own error response.
    assert_eq!(ask(&path(9 * 1024), ""), (vec![414], true));
    assert_eq!(ask("/login", &fields(200)), (vec![431], true));
    assert_eq!(ask("/login", &large(20 * 1024)), (vec![431], true));
    for (what, (said, _)) in [
        ("a header of 64 KB", ask("/login", &large(64 * 1024))),
        ("a header of 1 MB", ask("/login", &large(1024 * 1024))),
        ("600 fields", ask("/login", &fields(600))),
        ("an address of 70 KB", ask(&path(70 * 1024), "")),
    ] {
        assert!(matches!(said[..], [414 | 431]), "{what}: {said:?}");
    }
    // A request that is too large is cut off and not buffered, however large it is.
    let before = server.resident();
    for _ in 0..how_many("WIRE_ROUNDS", 5) {
        let _ = connect(port).write_all("GET / HTTP/1.1\r\nX: ".repeat(100_000).as_bytes());
        let _ = connect(port).write_all(form(port, "Content-Length: 100000000", &"x".repeat(2_000_000)).as_bytes());
        let _ = connect(port).write_all(form(port, "Transfer-Encoding: chunked", &"5\r\nabcde\r\n".repeat(200_000)).as_bytes());
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 50, "{grown} MB");
    assert_no_fault(server);
}

#[test]
fn connections_of_clients_that_disconnect_during_a_request_are_closed() {
    let here = Installation::new();
    here.add("ada");
    let server = here.serve(&[]);
    let port = server.port;
    let token = server.grant("ada").access;
    let before = server.open_files();
    let whole = form(port, "Content-Length: 40", "username=ada&password=quiet+harbour+lant");
    let chunked = form(port, "Transfer-Encoding: chunked", "5\r\nusern\r\n5\r\nam");
    for _ in 0..how_many("WIRE_ROUNDS", 5) {
        // Disconnect after every prefix of a request, and before the answer is read.
        for end in (1..whole.len()).step_by(7).chain([whole.len()]) {
            connect(port).write_all(&whole.as_bytes()[..end]).expect("sent");
        }
        for end in 1..chunked.len() {
            connect(port).write_all(&chunked.as_bytes()[..end]).expect("sent");
        }
        assert_eq!(server.protected(&token), 200);
    }
    // Allow some more files, because the database opens further read connections under load.
    within(CLOSED, "the connections are closed", || server.open_files() <= before + 20);
    server.grant("ada");
    assert_no_fault(server);
}

/// Stops the server and asserts that it logged no panic and no error.
fn assert_no_fault(server: Server) {
    let log = server.stop();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}
