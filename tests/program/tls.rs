//! HTTPS and HTTP/2 served by the program itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Installation, PASSWORD, Server, error, free_port, how_many, within};

/// Writes a certificate for localhost and its key. Returns the certificate, for clients to trust.
pub fn make_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("written");
    made.cert.der().clone()
}

pub fn trusting(certificate: &CertificateDer<'static>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

pub fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// Sends one request over HTTP/1.1 and TLS.
pub fn ask(port: u16, config: Arc<ClientConfig>, request: &str) -> std::io::Result<String> {
    let connection = ClientConnection::new(config, localhost()).map_err(std::io::Error::other)?;
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn https_is_served_and_a_renewed_certificate_is_reloaded() {
    let here = Installation::new();
    let first = make_certificate(here.path());
    let server = here.serve(&[("LATCHKEY_TLS_CERT", "cert.pem"), ("LATCHKEY_TLS_KEY", "key.pem")]);
    let port = server.port;
    let form = format!("username=ada&password={}", PASSWORD.replace(' ', "+"));
    let length = form.len();
    let sign_up = format!(
        "POST /api/sign_up HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nOrigin: https://localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    );
    let answer = ask(port, trusting(&first, &[b"http/1.1"]), &sign_up).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for cookie in ["__Host-latchkey=ey", "__Host-latchkey-refresh=AQ", "__Host-latchkey-device=Ag"] {
        let line = answer.lines().find(|line| line.contains(cookie)).expect(cookie);
        assert!(
            line.contains("; Path=/; ") && line.contains("; Secure") && line.contains("; HttpOnly") && !line.contains("Domain"),
            "{line}"
        );
    }
    assert!(answer.contains("strict-transport-security: max-age="));

    let ready = format!("GET /health/ready HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let mut plain = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    plain.write_all(ready.as_bytes()).expect("sent");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("200"), "plain HTTP is not answered");

    std::fs::write(here.path().join("cert.pem"), "half a certificate").expect("written");
    assert!(
        ask(port, trusting(&first, &[]), &ready).is_ok(),
        "the previous certificate is still served"
    );
    let second = make_certificate(here.path());
    within(Duration::from_secs(20), "the renewed certificate is served", || {
        ask(port, trusting(&second, &[]), &ready).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    });
    assert!(ask(port, trusting(&first, &[]), &ready).is_err());
}

#[test]
fn http_2_is_served_if_the_client_negotiates_it() {
    let here = Installation::new();
    let certificate = make_certificate(here.path());
    here.add("ada");
    let server = here.serve(&[("LATCHKEY_TLS_CERT", "cert.pem"), ("LATCHKEY_TLS_KEY", "key.pem")]);
    let port = server.port;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let connector = TlsConnector::from(trusting(&certificate, &[b"h2"]));
        let stream = connector.connect(localhost(), socket).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
        tokio::spawn(connection);
        for (path, host, status) in [
            ("/health/ready", format!("localhost:{port}"), 200),
            ("/login", format!("localhost:{port}"), 200),
            ("/dashboard", format!("localhost:{port}"), 303),
            ("/login", "evil.example".to_owned(), 421),
        ] {
            let request = http::Request::get(format!("https://{host}{path}"))
                .body(axum::body::Body::empty())
                .expect("a request");
            assert_eq!(
                client.send_request(request).await.expect("an answer").status(),
                status,
                "{host}{path}"
            );
        }
    });
}

/// A client that writes HTTP/2 frames itself (RFC 9113), because no library would send invalid ones.
pub struct Frames(StreamOwned<ClientConnection, TcpStream>, Vec<u8>);

impl Frames {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    const CONTINUATION: u8 = 9;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const ACK: u8 = 1;

    fn begin(port: u16, config: Arc<ClientConfig>) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        Self::begin_on(socket, config, &[])
    }

    /// Starts HTTP/2 on an existing connection, with this payload of the SETTINGS frame.
    pub fn begin_on(socket: TcpStream, config: Arc<ClientConfig>, settings: &[u8]) -> Self {
        let connection = ClientConnection::new(config, localhost()).expect("a client");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a read timeout");
        let mut client = Self(StreamOwned::new(connection, socket), Vec::new());
        client.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
        client.send(Self::SETTINGS, 0, 0, settings).expect("sent");
        client
    }

    /// Returns the underlying socket.
    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).expect("a short value").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, payload].concat())
    }

    /// Returns the kind and the payload of the next frame, or `None` once the connection is closed.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        self.next_frame().ok().map(|frame| (frame.kind, frame.payload))
    }

    /// Returns the next frame. Waits for the rest of an incomplete frame until the socket's read timeout.
    pub fn next_frame(&mut self) -> std::io::Result<Frame> {
        loop {
            if let Some(frame) = Frame::take_from(&mut self.1) {
                return Ok(frame);
            }
            let mut piece = [0; 16 * 1024];
            match self.0.read(&mut piece)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                size => self.1.extend_from_slice(&piece[..size]),
            }
        }
    }

    /// Reads until the server sends GOAWAY or closes the connection. Returns the error code of the GOAWAY frame.
    fn goodbye(&mut self) -> Option<u32> {
        while let Some((kind, payload)) = self.next() {
            if kind == Self::GOAWAY {
                return payload.last_chunk().copied().map(u32::from_be_bytes).or(Some(0));
            }
        }
        None
    }
}

/// A frame that the server sent.
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Removes a complete frame from the received bytes.
    fn take_from(received: &mut Vec<u8>) -> Option<Self> {
        let head: [u8; 9] = *received.first_chunk()?;
        let end = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = received.get(9..end)?.to_vec();
        received.drain(..end);
        Some(Self {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }
}

/// Encodes `GET /login` with HPACK (RFC 7541): indexes of the static table, and the rest as literals.
pub fn get_login(port: u16) -> Vec<u8> {
    [
        vec![0x82, 0x87],
        literal(0x04, "/login"),
        literal(0x01, &format!("localhost:{port}")),
    ]
    .concat()
}

/// Encodes the header of `POST /token` with a form body.
pub fn post_token(port: u16) -> Vec<u8> {
    // 0x0f 0x10 is `content-type`, the 31st entry of the static table.
    let content_type = [vec![0x0f, 0x10], literal(0, "application/x-www-form-urlencoded")[1..].to_vec()].concat();
    [
        vec![0x83, 0x87],
        literal(0x04, "/token"),
        literal(0x01, &format!("localhost:{port}")),
        content_type,
    ]
    .concat()
}

/// Encodes a literal field without indexing, with the index of its name.
fn literal(name: u8, value: &str) -> Vec<u8> {
    [&[name, u8::try_from(value.len()).expect("a short value")], value.as_bytes()].concat()
}

/// Starts a server with a certificate. Returns the server, client configurations for HTTP/2 and HTTP/1.1, and its idle memory in
/// MiB.
pub fn serve_tls(here: &Installation) -> (Server, Arc<ClientConfig>, Arc<ClientConfig>, u64) {
    let certificate = make_certificate(here.path());
    let server = here.serve(&[("LATCHKEY_TLS_CERT", "cert.pem"), ("LATCHKEY_TLS_KEY", "key.pem")]);
    let (h2, h1) = (trusting(&certificate, &[b"h2"]), trusting(&certificate, &[b"http/1.1"]));
    assert!(is_served(&server, &h1));
    let idle = server.resident();
    (server, h2, h1, idle)
}

pub fn is_served(server: &Server, config: &Arc<ClientConfig>) -> bool {
    let request = format!(
        "GET /login HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        server.port
    );
    ask(server.port, Arc::clone(config), &request).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// Asserts that others are served, that little memory was used, and that nothing panicked.
fn is_well(server: Server, config: &Arc<ClientConfig>, idle: u64) {
    assert!(is_served(&server, config));
    let peak = server.peak_resident();
    println!("memory: {idle} MB idle, {peak} MB at most");
    assert!(peak < idle + 100, "{idle} MB idle, {peak} MB");
    let log = server.stop();
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn streams_that_are_reset_at_once_cost_little_or_close_the_connection() {
    // `H2_STREAMS=100000` tests thoroughly.
    let streams = u32::try_from(how_many("H2_STREAMS", 1000)).expect("a number of 32 bits");
    let here = Installation::new();
    let (server, h2, h1, idle) = serve_tls(&here);
    let mut client = Frames::begin(server.port, h2);
    let request = get_login(server.port);
    // Send in few packets, so that the server receives many at once.
    let sent = (0..streams).map(|n| 2 * n + 1).try_for_each(|stream| {
        client.send(Frames::HEADERS, Frames::END_STREAM | Frames::END_HEADERS, stream, &request)?;
        client.send(Frames::RST_STREAM, 0, stream, &8_u32.to_be_bytes())
    });
    assert!(is_served(&server, &h1));
    // 11 is ENHANCE_YOUR_CALM. The connection may be closed already.
    if sent.is_ok() {
        assert_eq!(client.goodbye().unwrap_or(11), 11);
    }
    is_well(server, &h1, idle);
}

#[test]
fn an_endless_header_list_closes_the_connection() {
    let here = Installation::new();
    let (server, h2, h1, idle) = serve_tls(&here);
    let mut client = Frames::begin(server.port, h2);
    client
        .send(Frames::HEADERS, Frames::END_STREAM, 1, &get_login(server.port))
        .expect("sent");
    // Fields of one kilobyte without indexing. 0x7f 0xe9 0x06 is 1000 in HPACK.
    let field = [&[0x00, 0x01, b'x', 0x7f, 0xe9, 0x06], [b'y'; 1000].as_slice()].concat();
    let fields = field.repeat(16);
    let frames = 64 * 1024 * 1024 / fields.len();
    let taken = (0..frames)
        .take_while(|_| client.send(Frames::CONTINUATION, 0, 1, &fields).is_ok())
        .count();
    println!("{taken} of {frames} frames were accepted");
    assert!(taken < frames / 2, "the server kept reading: {taken} frames");
    is_well(server, &h1, idle);
}

#[test]
fn a_client_that_does_not_complete_the_tls_handshake_is_disconnected() {
    let here = Installation::new();
    let (server, _, h1, idle) = serve_tls(&here);
    let silent: Vec<TcpStream> = (0..50)
        .map(|n| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("connected");
            stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a read timeout");
            // Nothing, or the beginning of a ClientHello.
            stream.write_all(&[22, 3, 1, 2, 0][..n % 6]).expect("sent");
            stream
        })
        .collect();
    assert!(is_served(&server, &h1));
    for mut stream in silent {
        let closed = stream.read_to_end(&mut Vec::new());
        assert!(
            !closed.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
            "still open"
        );
    }
    is_well(server, &h1, idle);
}

#[test]
fn an_unusable_certificate_or_key_stops_the_start_with_a_one_line_error() {
    let here = Installation::new();
    make_certificate(here.path());
    std::fs::copy(here.path().join("key.pem"), here.path().join("first.pem")).expect("copied");
    make_certificate(here.path());
    std::fs::write(here.path().join("empty.pem"), "").expect("written");
    for (certificate, key, variable) in [
        ("nowhere.pem", "key.pem", "LATCHKEY_TLS_CERT: "),
        ("empty.pem", "key.pem", "LATCHKEY_TLS_CERT: "),
        ("cert.pem", "empty.pem", "LATCHKEY_TLS_KEY: "),
        ("cert.pem", "first.pem", "LATCHKEY_TLS_KEY: "),
    ] {
        for command in ["serve", "check"] {
            let output = here
                .command(&[command])
                .env("LATCHKEY_ADDR", format!("127.0.0.1:{}", free_port()))
                .env("LATCHKEY_TLS_CERT", certificate)
                .env("LATCHKEY_TLS_KEY", key)
                .output()
                .expect("the command ran");
            let error = error(&output);
            assert!(
                !output.status.success() && error.starts_with(&format!("error: {variable}")) && error.trim().lines().count() == 1,
                "{error}"
            );
        }
    }
}

#[test]
fn the_error_for_an_encrypted_swapped_or_wrong_key_says_what_to_do() {
    let here = Installation::new();
    make_certificate(here.path());
    std::fs::copy(here.path().join("key.pem"), here.path().join("first.pem")).expect("copied");
    make_certificate(here.path());
    let write = |name: &str, text: &str| std::fs::write(here.path().join(name), text).expect("written");
    write(
        "locked.pem",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    write(
        "old.pem",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAAA\n-----END RSA PRIVATE KEY-----\n",
    );
    for (certificate, key, sentence) in [
        ("cert.pem", "locked.pem", "LATCHKEY_TLS_KEY: locked.pem is locked with a passphrase"),
        ("cert.pem", "locked.pem", "openssl pkey -in locked.pem -out "),
        ("cert.pem", "old.pem", "LATCHKEY_TLS_KEY: old.pem is locked with a passphrase"),
        (
            "key.pem",
            "cert.pem",
            "LATCHKEY_TLS_CERT: key.pem holds a private key and cert.pem a certificate",
        ),
        ("key.pem", "cert.pem", "exchange LATCHKEY_TLS_CERT and LATCHKEY_TLS_KEY"),
        (
            "key.pem",
            "key.pem",
            "LATCHKEY_TLS_CERT: key.pem holds a private key and no certificate",
        ),
        (
            "cert.pem",
            "cert.pem",
            "LATCHKEY_TLS_KEY: cert.pem holds a certificate and no private key",
        ),
        (
            "cert.pem",
            "first.pem",
            "LATCHKEY_TLS_KEY: first.pem is not the key of the certificate in cert.pem",
        ),
    ] {
        let settings = [("LATCHKEY_TLS_CERT", certificate), ("LATCHKEY_TLS_KEY", key)];
        let output = here.command(&["check"]).envs(settings).output().expect("the command ran");
        assert!(
            !output.status.success() && error(&output).contains(sentence) && error(&output).trim().lines().count() == 1,
            "{sentence}: {}",
            error(&output)
        );
    }
}
