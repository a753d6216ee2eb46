//! Serves one connection and limits its cost: how long a request header may take, how large it may be, and how long the client may
//! take to read a response. The limits for all requests of an HTTP/2 connection together are in `http2.rs`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::http2::Room;
use super::progress::StreamExecutor;
use crate::network_quota::NetworkPermit;
use tokio_util::sync::CancellationToken;

/// Maximum wait for the header of a request: of each request on HTTP/1, of the first one on HTTP/2.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);

/// Maximum wait for a TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Maximum time that a write may wait for the client to read.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Maximum number of concurrent requests on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// Flow-control window of one HTTP/2 stream: bytes of a request body that a client may send before they are read.
const STREAM_WINDOW: u32 = 16 * 1024;

/// Flow-control window of all streams of an HTTP/2 connection together.
const CONNECTION_WINDOW: u32 = 64 * 1024;

/// Flow-control window of all streams together on a connection of a trusted proxy.
const PROXY_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;

/// Maximum size of a request header, in bytes. hyper itself ends requests above these three limits. `middleware/size.rs` has lower
/// limits and refuses with a sentence.
const MAX_HEADER: usize = 64 * 1024;
const MAX_FIELDS: usize = 512;
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// The client of a connection.
pub struct Client {
    /// The address of the peer.
    pub peer: SocketAddr,
    /// The permit that counts for the client's network. `None` for a trusted proxy.
    pub permit: Option<NetworkPermit>,
}

/// Everything that is needed to serve one connection.
pub struct Connection<A> {
    pub client: Client,
    /// Answers a request.
    pub answer: A,
    /// Cancelled when the server is asked to stop.
    pub stop: CancellationToken,
    /// Cancelled when connections must close after their requests in progress.
    pub closing: CancellationToken,
}

impl<A, F> Connection<A>
where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// Serves until the connection closes.
    pub async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Responses are written as a whole, so waiting for more data (Nagle) would only delay them.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return self.http1(stream).await;
        };
        let handshake = tokio::select! {
            handshake = timeout(HANDSHAKE_DEADLINE, tls.accept(stream)) => handshake,
            () = self.closing.cancelled() => return,
        };
        let Ok(Ok(stream)) = handshake else { return };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.http2(stream).await,
            _ => self.http1(stream).await,
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
        let mut http = Builder::new(StreamExecutor::default()).http1_only();
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE)
            .max_headers(MAX_FIELDS)
            .max_buf_size(MAX_HEADER);
        let (peer, answer, stop) = (self.client.peer, self.answer, self.stop);
        let service = service_fn(move |request| {
            let (answer, stop) = (answer.clone(), stop.clone());
            async move {
                let mut response = answer(prepared(request, peer)).await;
                if stop.is_cancelled() {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(limited(stream)), service));
        tokio::select! {
            // Clients disconnect at any time. This is normal and not logged.
            _ = connection.as_mut() => return,
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn http2(self, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
        let streams = StreamExecutor::default();
        let (window, room) = match self.client.permit {
            Some(_) => (CONNECTION_WINDOW, Room::of_a_client()),
            None => (PROXY_WINDOW, Room::of_a_proxy()),
        };
        let mut http = Builder::new(streams.clone()).http2_only();
        http.http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(window)
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(HEADER_DEADLINE)
            .keep_alive_timeout(HEADER_DEADLINE);
        let (peer, answer) = (self.client.peer, self.answer);
        let asked = Arc::new(AtomicBool::new(false));
        let service = service_fn({
            let asked = Arc::clone(&asked);
            move |request| {
                asked.store(true, Ordering::Relaxed);
                let answered = room.clone().answer(prepared(request, peer), answer.clone());
                answered.map(Ok::<_, Infallible>)
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(limited(stream)), service));
        let silent = async {
            sleep(HEADER_DEADLINE).await;
            // A connection that has sent a request may be idle.
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = connection.as_mut() => return,
            () = silent => return,
            // The other streams are finished, and the client can begin no new ones.
            () = streams.stalled() => connection.as_mut().graceful_shutdown(),
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// Limits how long a write to the stream may wait.
fn limited<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_DEADLINE));
    Box::pin(stream)
}

/// Adds the address of the peer to a request.
fn prepared(mut request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(peer));
    request.map(Body::new)
}
