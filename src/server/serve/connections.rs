//! Accepts connections and bounds what each may cost: how many there are, how long a request's header may take, how
//! large it may be, and how long a stop may be held up.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderValue, Request, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::server::router::App;
use crate::server::stop::Stop;

/// Connections at a time; the next one waits until another closes.
const MAX_CONNECTIONS: usize = 8192;

/// Connections that wait to be accepted: as many as Linux keeps unless it is told otherwise. Whoever comes when there are as
/// many tries again after a second.
const BACKLOG: u32 = 4096;

/// Files that are open beside the connections: the database's, the listeners'.
const OTHER_FILES: usize = 128;

/// Longest wait for the header of a request, the first one or the next on the same connection.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);

/// Longest wait for a TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Longest wait for a client to take what was written.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// Largest header, in bytes, and most of its fields: cut off beyond. `middleware/size.rs` refuses less, with a sentence.
const MAX_HEADER: usize = 64 * 1024;
const MAX_FIELDS: usize = 512;
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// Longest time that a stop waits for answers under way: below what service managers wait before they kill.
const STOP_DEADLINE: Duration = Duration::from_secs(25);

/// How long connections are left open after a stop was asked for.
const LINGER: Duration = Duration::from_secs(1);

/// Listens at an address.
///
/// # Errors
/// When it is taken, or not one of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the last run, not quite over yet, keep nobody from starting again.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is asked to stop, then finishes what is under way.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, app: App, stop: &Stop) {
    let all = max_connections();
    let places = Arc::new(Semaphore::new(all));
    let under_way = GracefulShutdown::new();
    let http = http(tls.is_some());
    let begin = |place: OwnedSemaphorePermit, (stream, peer): (TcpStream, SocketAddr)| {
        let (http, tls, watcher) = (http.clone(), tls.clone(), under_way.watcher());
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            // Answers are written whole: waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            match tls {
                None => answer(&http, stream, peer, app, watcher, stop).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE_DEADLINE, tls.accept(stream)).await {
                        answer(&http, stream, peer, app, watcher, stop).await;
                    }
                }
            }
            drop(place);
        });
    };
    loop {
        let next = async {
            // Never closed while this runs.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        tokio::select! {
            (place, connection) = next => if let Ok(place) = place { begin(place, connection) },
            () = stop.asked() => break,
        }
    }
    for connection in already_connected(listener) {
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            begin(place, connection);
        }
    }
    linger(&places, all).await;
    if timeout(STOP_DEADLINE, under_way.shutdown()).await.is_err() {
        tracing::warn!("some clients did not take their answers in time");
    }
}

/// Stops listening. Whoever has connected already would be cut off by that, and a proxy does not send a form a second
/// time: they are answered too.
fn already_connected(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    std::iter::from_fn(|| listener.accept().ok())
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        })
        .collect()
}

/// Leaves open connections a moment: on one that looks idle a request may be on its way. Whoever is answered meanwhile is
/// told that the connection closes.
async fn linger(places: &Semaphore, all: usize) {
    let began = Instant::now();
    while places.available_permits() < all && began.elapsed() < LINGER {
        sleep(Duration::from_millis(20)).await;
    }
}

/// As many connections as there may be open files, once the system allows as many as it can.
fn max_connections() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let connections = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1);
    if connections < MAX_CONNECTIONS {
        tracing::warn!("only {connections} connections at a time: the system allows {files} open files");
    }
    connections.min(MAX_CONNECTIONS)
}

/// HTTP/1.1, and HTTP/2 where TLS says so.
fn http(tls: bool) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEADER);
    if !tls {
        return http.http1_only();
    }
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(HEADER_DEADLINE)
        .keep_alive_timeout(HEADER_DEADLINE);
    http
}

/// Answers the requests of one connection until it closes.
async fn answer<S>(http: &Builder<TokioExecutor>, stream: S, peer: SocketAddr, app: App, watcher: Watcher, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let one_after_the_other = request.version() <= Version::HTTP_11;
        let (app, stop) = (app.clone(), stop.clone());
        async move {
            let mut response = app.answer(request.map(Body::new)).await;
            if stop.is_asked() && one_after_the_other {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_DEADLINE));
    let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
    // Clients go away whenever they like: nobody needs to know.
    let _ = watcher.watch(connection).await;
}

/// The next connection. Trouble with one of them, or too many open files, is no reason to stop serving.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(connection) => return connection,
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "connections cannot be accepted");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
