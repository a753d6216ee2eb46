//! Limits on what one HTTP/2 connection may cost, whatever its client does.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::support::{Installation, Server, connect_from, how_many, keep_asking, soon};
use crate::tls::{Frames, ask, get_login, localhost, post_token, serve_tls};

/// Memory that one connection may use, in KB, and additional memory for all of them together, in MB. docs/SECURITY.md states both.
const MEMORY_EACH: u64 = 512;
const MEMORY: u64 = 30;

/// Concurrent requests that a client may have on one connection.
const STREAMS: u32 = 128;

/// Initial flow-control window of a connection, in bytes (RFC 9113 section 6.9.2).
const FIRST_WINDOW: usize = 65_535;

fn begin(port: u16, config: &Arc<ClientConfig>, settings: &[u8]) -> Frames {
    let socket = connect_from(2, port).expect("connected");
    Frames::begin_on(socket, Arc::clone(config), settings)
}

/// Returns the ids of this many client streams.
fn ids(streams: u32) -> impl Iterator<Item = u32> {
    (0..streams).map(|n| 2 * n + 1)
}

/// Reads the frames that have arrived and answers pings. Returns by how many bytes the server enlarged the window of the
/// connection, or an error once the connection is closed.
fn listen(client: &mut Frames, wait: Duration) -> std::io::Result<usize> {
    let mut opened = 0;
    client.socket().set_read_timeout(Some(wait))?;
    loop {
        match client.next_frame() {
            Ok(frame) if frame.kind == Frames::PING && frame.flags & Frames::ACK == 0 => {
                client.send(Frames::PING, Frames::ACK, 0, &frame.payload)?;
            }
            Ok(frame) if frame.kind == Frames::WINDOW_UPDATE && frame.stream == 0 => {
                opened += frame.payload.first_chunk().map_or(0, |size| u32::from_be_bytes(*size) as usize);
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(opened),
            Err(error) => return Err(error),
        }
    }
}

/// Begins as many POST requests as the server allows, and sends as much of each body as it allows but never the end.
fn begin_posts(client: &mut Frames, port: u16) -> std::io::Result<()> {
    const WAIT: Duration = Duration::from_millis(200);
    let piece = [b'a'; 1000];
    for stream in ids(STREAMS) {
        client.send(Frames::HEADERS, Frames::END_HEADERS, stream, &post_token(port))?;
    }
    let mut window = FIRST_WINDOW + listen(client, WAIT)?;
    for stream in (0..16).flat_map(|_| ids(STREAMS)) {
        if window < piece.len() {
            window += listen(client, WAIT)?;
        }
        if window < piece.len() {
            return Ok(());
        }
        client.send(Frames::DATA, 0, stream, &piece)?;
        window -= piece.len();
    }
    Ok(())
}

fn assert_memory(server: &Server, idle: u64, connections: usize) {
    let peak = server.peak_resident();
    let bound = idle + MEMORY + MEMORY_EACH * u64::try_from(connections).expect("a small number") / 1024;
    println!("{connections} connections; memory: {idle} MB idle, {peak} MB at most, {bound} allowed");
    assert!(peak < bound, "{idle} MB idle, {peak} MB at most, {bound} allowed");
}

#[test]
fn unfinished_posts_over_http_2_use_little_memory_and_others_are_served() {
    // `H2_CONNECTIONS=250` gives useful figures.
    let number = how_many("H2_CONNECTIONS", 24);
    let here = Installation::new();
    here.add("ada");
    let (server, h2, h1, idle) = serve_tls(&here);
    let port = server.port;
    let others = keep_asking(move || {
        let request = format!("GET /health/live HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
        let answer = ask(port, Arc::clone(&h1), &request).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
    let clients: Vec<Frames> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let h2 = &h2;
                scope.spawn(move || {
                    let clients = (thread..number).step_by(8).map(|_| {
                        let mut client = begin(port, h2, &[]);
                        begin_posts(&mut client, port).expect("an open connection");
                        client
                    });
                    clients.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("sent")).collect()
    });
    let times = others.stop();
    println!("others: {times}");
    assert_memory(&server, idle, clients.len());
    assert!(times.p99() < soon(), "{times}");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn answers_that_a_client_does_not_read_use_little_memory_and_the_connection_closes() {
    // `H2_UNREAD=50` with `H2_UNREAD_STREAMS=128` gives useful figures. Connections whose streams wait for their turn close last.
    let number = how_many("H2_UNREAD", 6);
    let streams = u32::try_from(how_many("H2_UNREAD_STREAMS", 8)).expect("a small number");
    let here = Installation::new();
    let (server, h2, _, idle) = serve_tls(&here);
    let port = server.port;
    // SETTINGS_INITIAL_WINDOW_SIZE of zero bytes or one byte.
    let settings = |n: usize| [0, 4, 0, 0, 0, u8::from(n % 2 == 1)];
    let mut clients: Vec<Frames> = (0..number).map(|n| begin(port, &h2, &settings(n))).collect();
    for client in &mut clients {
        for stream in ids(streams) {
            let flags = Frames::END_STREAM | Frames::END_HEADERS;
            client.send(Frames::HEADERS, flags, stream, &get_login(port)).expect("sent");
        }
    }
    let began = Instant::now();
    while !clients.is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(75),
            "{} of {number} connections are still open",
            clients.len()
        );
        clients.retain_mut(|client| listen(client, Duration::from_millis(10)).is_ok());
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("closed after {:.1?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_secs(25), "a client has time to read an answer");
    assert_memory(&server, idle, number);
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn a_hundred_requests_at_once_on_one_http_2_connection_are_all_answered() {
    let here = Installation::new();
    here.add("ada");
    let (server, h2, _, _) = serve_tls(&here);
    let port = server.port;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let stream = TlsConnector::from(h2).connect(localhost(), socket).await.expect("a handshake");
        let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        let uri = |path: &str| format!("https://localhost:{port}{path}");
        let sent: Vec<_> = (0..100)
            .map(|n| {
                let request = match n % 2 {
                    0 => http::Request::get(uri("/openapi.json")).body(Body::empty()),
                    _ => http::Request::post(uri("/revoke"))
                        .header("Content-Type", "application/x-www-form-urlencoded")
                        .body(Body::from(format!("token={}", "x".repeat(1000)))),
                };
                client.send_request(request.expect("a request"))
            })
            .collect();
        for answer in sent {
            let answer = answer.await.expect("an answer");
            assert_eq!(answer.status(), 200);
            let announced: Option<usize> = answer
                .headers()
                .get("content-length")
                .map(|length| length.to_str().expect("UTF-8 text").parse().expect("a number"));
            let body = axum::body::to_bytes(Body::new(answer.into_body()), usize::MAX)
                .await
                .expect("a whole body");
            assert_eq!(announced.unwrap_or(0), body.len());
        }
    });
}

#[test]
fn a_client_that_sends_no_request_after_the_handshake_is_disconnected() {
    let here = Installation::new();
    let (server, h2, h1, _) = serve_tls(&here);
    let clients: Vec<_> = [h2, h1]
        .into_iter()
        .map(|config| {
            let connection = ClientConnection::new(config, localhost()).expect("a client");
            let mut stream = StreamOwned::new(connection, connect_from(2, server.port).expect("connected"));
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).expect("a handshake");
            }
            stream
        })
        .collect();
    for mut stream in clients {
        stream.sock.set_read_timeout(Some(Duration::from_secs(25))).expect("a read timeout");
        // The connection must end with a reset or a GOAWAY, not with this read timeout.
        let read = stream.read_to_end(&mut Vec::new());
        let is_open = read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!is_open, "{:?} is still open", stream.conn.alpn_protocol());
    }
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}
