//! Accepts connections and bounds what each may cost: how many there are, how long a request's header may take, how
//! large it may be, and how long a stop may be held up.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::Service;

use crate::server::stop::Stop;

/// Connections at a time; the next one waits until another closes.
const MAX_CONNECTIONS: usize = 8192;

/// Longest wait for the header of a request, the first one or the next on the same connection.
const HEADER_DEADLINE: Duration = Duration::from_secs(15);

/// Largest header, in bytes.
const MAX_HEADER: usize = 64 * 1024;

/// Longest time that a stop waits for answers under way: below what service managers wait before they kill.
const STOP_DEADLINE: Duration = Duration::from_secs(25);

/// Serves until it is asked to stop, then finishes what is under way.
pub async fn serve(listener: TcpListener, router: Router, stop: &Stop) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let under_way = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(MAX_HEADER);
    loop {
        let next = async {
            // Never closed while this runs.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            next = next => next,
            () = stop.asked() => break,
        };
        let router = router.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request.map(Body::new))
        });
        let connection = under_way.watch(http.serve_connection(TokioIo::new(stream), answer));
        tokio::spawn(async move {
            // Clients go away whenever they like: nobody needs to know.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(STOP_DEADLINE, under_way.shutdown()).await.is_err() {
        tracing::warn!("some clients did not take their answers in time");
    }
}

/// The next connection. Trouble with one of them, or too many open files, is no reason to stop serving.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole: waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
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
