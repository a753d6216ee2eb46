//! Accepts connections and bounds how many there are, in all and for each client network, and how long a stop may be held
//! up. What one of them may cost is in `connection.rs`.

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

/// Connections at a time; the next one waits until another closes.
const MAX_CONNECTIONS: usize = 8192;

/// Connections at a time where metrics are shown.
pub const METRICS_CONNECTIONS: usize = 64;

/// What part of all connections one client network may hold: 1,024 of 8,192. The next one is closed at once.
const PART_OF_A_NETWORK: usize = 8;

/// Connections that wait to be accepted: as many as Linux keeps unless it is told otherwise. Whoever comes when there are as
/// many tries again after a second.
const BACKLOG: u32 = 4096;

/// Files that are open beside the connections: the database's, the listeners', those of the metrics.
const OTHER_FILES: usize = 128 + METRICS_CONNECTIONS;

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

/// Who may hold how many connections of a listener.
pub struct Limits {
    connections: usize,
    networks: Arc<NetworkQuota>,
    /// Their connections are limited by the number of all connections alone.
    trusted_proxies: Vec<IpNet>,
}

impl Limits {
    /// Allows this many connections, and one client network a part of them.
    pub fn new(connections: usize, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            connections,
            networks: NetworkQuota::new((connections / PART_OF_A_NETWORK).max(1)),
            trusted_proxies,
        }
    }

    /// Decides on a connection. `None` when its network holds as many as it may.
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

/// Serves until it is asked to stop, then finishes what is under way.
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
            // Never closed while this runs.
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
pub fn max_connections() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
    let connections = usize::try_from(files).unwrap_or(usize::MAX).saturating_sub(OTHER_FILES).max(1);
    if connections < MAX_CONNECTIONS {
        tracing::warn!("only {connections} connections at a time: the system allows {files} open files");
    }
    connections.min(MAX_CONNECTIONS)
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
