//! https served by the program itself.

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

use crate::support::{Installation, PASSWORD, error, free_port, within};

/// Writes a certificate for localhost and its key. The certificate, for clients to trust.
fn make_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("written");
    made.cert.der().clone()
}

fn trusting(certificate: &CertificateDer<'static>, protocols: &[&[u8]]) -> Arc<ClientConfig> {
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

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("a name")
}

/// One request over HTTP/1.1.
fn ask(port: u16, config: Arc<ClientConfig>, request: &str) -> std::io::Result<String> {
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
fn https_is_served_with_a_certificate_that_is_read_again_when_it_is_renewed() {
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
    for cookie in ["__Host-latchkey=ey", "__Host-latchkey-refresh=AQ", "__Host-latchkey-device=AQ"] {
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
    assert!(!String::from_utf8_lossy(&said).contains("200"), "nothing is answered in the open");

    std::fs::write(here.path().join("cert.pem"), "half a certificate").expect("written");
    assert!(ask(port, trusting(&first, &[]), &ready).is_ok(), "the one of before goes on");
    let second = make_certificate(here.path());
    within(Duration::from_secs(20), "the renewed certificate is served", || {
        ask(port, trusting(&second, &[]), &ready).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    });
    assert!(ask(port, trusting(&first, &[]), &ready).is_err());
}

#[test]
fn http_2_is_spoken_where_it_is_asked_for() {
    let here = Installation::new();
    let certificate = make_certificate(here.path());
    here.add("ada");
    let server = here.serve(&[("LATCHKEY_TLS_CERT", "cert.pem"), ("LATCHKEY_TLS_KEY", "key.pem")]);
    let port = server.port;
    let runtime = tokio::runtime::Runtime::new().expect("threads");
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

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start_with_one_sentence() {
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
                .expect("ran");
            let error = error(&output);
            assert!(
                !output.status.success() && error.starts_with(&format!("error: {variable}")) && error.trim().lines().count() == 1,
                "{error}"
            );
        }
    }
}
