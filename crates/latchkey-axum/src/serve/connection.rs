//! Serves one connection and bounds what it may cost: how long a request's header may take, how large it may be, how long
//! the client may take for an answer. What the requests of an HTTP/2 connection may cost together is in `http2.rs`.

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

/// Longest wait for the header of a request, the first one or the next on the same connection. On HTTP/2 for the first one.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);

/// Longest wait for a TLS handshake.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Longest wait for a client to take what was written.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;

/// Bytes of request bodies that a client may send on an HTTP/2 connection before they are read: on one stream, on all; and
/// on all streams of a trusted proxy.
const STREAM_WINDOW: u32 = 16 * 1024;
const CONNECTION_WINDOW: u32 = 64 * 1024;
const PROXY_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;

/// Largest header, in bytes, and most of its fields: cut off beyond. `middleware/size.rs` refuses less, with a sentence.
const MAX_HEADER: usize = 64 * 1024;
const MAX_FIELDS: usize = 512;
const MAX_HEADER_LIST: u32 = 64 * 1024;

/// Who is at the other end of a connection.
pub struct Client {
    /// Its address.
    pub peer: SocketAddr,
    /// What counts for the network; a trusted proxy has none.
    pub permit: Option<NetworkPermit>,
}

/// One connection and what it needs.
pub struct Connection<A> {
    pub client: Client,
    /// Answers a request.
    pub answer: A,
    /// Whether the server is asked to stop.
    pub stop: CancellationToken,
    /// Whether connections close when what is under way is finished.
    pub closing: CancellationToken,
}

impl<A, F> Connection<A>
where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    /// Serves until the connection closes.
    pub async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Answers are written whole: waiting for more would only delay them.
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
            // Clients go away whenever they like: nobody needs to know.
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
            // One that has asked before may be idle.
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = connection.as_mut() => return,
            () = silent => return,
            // Its other streams are finished, and the client begins no new ones.
            () = streams.stalled() => connection.as_mut().graceful_shutdown(),
            () = self.closing.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

/// A stream whose client must take what is written.
fn limited<S: AsyncRead + AsyncWrite>(stream: S) -> Pin<Box<TimeoutStream<S>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_DEADLINE));
    Box::pin(stream)
}

/// A request that says where it comes from.
fn prepared(mut request: Request<Incoming>, peer: SocketAddr) -> Request<Body> {
    request.extensions_mut().insert(ConnectInfo(peer));
    request.map(Body::new)
}
