//! Accepts connections, and limits their number in total and for each client network, and the time that they may delay a stop. The
//! limits of one connection are in `connection.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{Client, Connection};
use crate::network_quota::NetworkQuota;
use latchkey_core::throttle::Network;
use tokio_util::sync::CancellationToken;

/// Maximum number of connections at a time. Further ones wait until another one closes.
const MAX_CONNECTIONS: usize = 8192;

/// Maximum number of connections at a time to the metrics listener.
pub const METRICS_CONNECTIONS: usize = 64;

/// The fraction of all connections that one client network may hold: one eighth, 1,024 of 8,192. Further ones are closed at once.
const PART_OF_A_NETWORK: usize = 8;

/// Maximum number of connections that wait to be accepted. This is the default limit of Linux. A client that finds the backlog full
/// tries again after a second.
const BACKLOG: u32 = 4096;

/// Number of open files reserved for other uses: the database, the listeners, and the connections to the metrics listener.
const OTHER_FILES: usize = 128 + METRICS_CONNECTIONS;

/// Maximum time that a stop waits for requests in progress. Service managers wait longer than this before they kill the program.
const STOP_DEADLINE: Duration = Duration::from_secs(25);

/// How long connections stay open after the server was asked to stop.
const LINGER: Duration = Duration::from_secs(1);

/// Listens at an address. Fails if the address is in use or does not belong to this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Allow a restart while connections of the last run are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The limits for the connections of a listener.
pub struct Limits {
    connections: usize,
    networks: Arc<NetworkQuota>,
    /// Connections of these proxies count only for the total number.
    trusted_proxies: Vec<IpNet>,
}

impl Limits {
    /// Allows this number of connections in total, and an eighth of it for one client network.
    pub fn new(connections: usize, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            connections,
            networks: NetworkQuota::new((connections / PART_OF_A_NETWORK).max(1)),
            trusted_proxies,
        }
    }

    /// Admits a connection. Returns `None` if its network has reached its limit.
    fn admit(&self, peer: SocketAddr) -> Option<Client> {
        let address = peer.ip().to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|network| network.contains(&address));
        let permit = if is_proxy {
            None
        } else {
            Some(self.networks.take(Network::from(Some(address)))?)
        };
        Some(Client { peer, permit })
    }
}

/// Serves until `stop` is cancelled, then finishes the requests in progress.
pub async fn serve<A, F>(listener: TcpListener, tls: Option<TlsAcceptor>, limits: Limits, stop: &CancellationToken, answer: A)
where
    A: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let all = limits.connections;
    let places = Arc::new(Semaphore::new(all));
    let closing = CancellationToken::default();
    let begin = |place: OwnedSemaphorePermit, (stream, peer): (TcpStream, SocketAddr)| {
        let Some(client) = limits.admit(peer) else { return };
        let connection = Connection {
            client,
            answer: answer.clone(),
            stop: stop.clone(),
            closing: closing.clone(),
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            connection.serve(stream, tls).await;
            drop(place);
        });
    };
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        tokio::select! {
            (place, connection) = next => if let Ok(place) = place { begin(place, connection) },
            () = stop.cancelled() => break,
        }
    }
    for connection in already_connected(listener) {
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            begin(place, connection);
        }
    }
    linger(&places, all).await;
    closing.cancel();
    let all = u32::try_from(all).unwrap_or(u32::MAX);
    if timeout(STOP_DEADLINE, places.acquire_many(all)).await.is_err() {
        tracing::warn!("some clients did not read their responses before the stop deadline");
    }
}

/// Stops listening and returns the connections that were waiting to be accepted. They are served too, because closing them would
/// disconnect their clients, and a proxy does not send a form a second time.
fn already_connected(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    std::iter::from_fn(|| listener.accept().ok())
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        })
        .collect()
}

/// Waits up to [`LINGER`] before connections are closed, because a request may be on its way on a connection that looks idle.
/// Responses in this time tell the client that the connection closes.
async fn linger(places: &Semaphore, all: usize) {
    let began = Instant::now();
    while places.available_permits() < all && began.elapsed() < LINGER {
        sleep(Duration::from_millis(20)).await;
    }
}

/// Raises the limit of open files as far as the system allows, and returns how many connections fit into it, up to
/// [`MAX_CONNECTIONS`].
pub fn max_connections() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let connections = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1);
    if connections < MAX_CONNECTIONS {
        tracing::warn!("only {connections} connections at a time: the system allows {files} open files; raise this limit");
    }
    connections.min(MAX_CONNECTIONS)
}

/// Returns the next connection. Retries if one connection fails or too many files are open.
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
