//! Starts, runs and stops the server.

mod connection;
mod connections;
mod http2;
mod progress;
pub mod tls;

use std::future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::BoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tower::Service;

use self::connections::{Limits, METRICS_CONNECTIONS, max_connections};
use self::tls::Tls;
use super::config::{Config, ConfigError};
use super::state::AppState;
use super::{log, metrics};
use latchkey_core::clock::Clock;
use latchkey_core::passwords::{Cost, Passwords};
use latchkey_store::{OpenMode, Store};

/// The error of a command. Its text is one sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens the database and builds the state, for the server and for every command. Fails if the database cannot be used, or needs
/// a change that `mode` does not allow.
pub async fn open(config: Config, mode: OpenMode) -> Result<AppState, Failure> {
    let store = Store::open_as(&config.database, config.database_connections, mode)
        .await
        .map_err(|error| format!("{}: {error}", config.database))?;
    if config.secret_missing {
        store.close().await;
        return Err("LATCHKEY_DATA_DIR: the secret of this database is missing from this directory. Restore it, or start the server once to create a new one; then everyone has to sign in again.".into());
    }
    Ok(AppState::new(config, store, Clock::system(), Passwords::new(Cost::PRODUCTION)))
}

/// Serves until SIGTERM, SIGHUP or Ctrl-C, then finishes the requests in progress and stops. Fails if the address is in use or
/// the database cannot be used.
pub async fn run(config: Config, app: impl FnOnce(AppState) -> Router) -> Result<(), Failure> {
    // Listen before opening the database, so that a second server with the same settings stops here.
    let listener = connections::listen(config.addr).map_err(|error| address_error("LATCHKEY_ADDR", config.addr, &error))?;
    let url = config.public_url.to_string();
    let tls = config.tls.clone().map(Tls::load).transpose()?;
    let state = open(config, OpenMode::Migrate).await?;
    // Before the first request, learn which sessions were revoked while this program was not running.
    state.sessions.sync.catch_up().await?;
    let mut background = background(&state);
    if let Some(tls) = &tls {
        background.spawn(tls.keep_fresh());
    }
    if let Some(addr) = state.config.metrics_addr {
        let listener = connections::listen(addr).map_err(|error| address_error("LATCHKEY_METRICS_ADDR", addr, &error))?;
        let limits = Limits::new(METRICS_CONNECTIONS, state.config.trusted_proxies.clone());
        let (shown, stop) = (metrics::router(state.clone()), state.stop.clone());
        background.spawn(metrics::keep_counting(state.clone()));
        background.spawn(async move {
            connections::serve(listener, None, limits, &stop, answer_by(shown)).await;
        });
    }
    background.spawn(stop_signal(state.clone())?);
    if !state.config.public_url.is_https() && !state.config.addr.ip().is_loopback() {
        tracing::warn!("LATCHKEY_PLAIN_HTTP=anywhere: passwords cross the network unencrypted");
    }
    for warning in &state.config.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!("serving {url}");
    log::say(&format!("Latchkey is ready: open {url}"));
    let connections = max_connections();
    state.event_streams.fit(connections);
    let limits = Limits::new(connections, state.config.trusted_proxies.clone());
    let app = app(state.clone());
    connections::serve(listener, tls.map(|tls| tls.acceptor), limits, &state.stop, answer_by(app)).await;
    background.shutdown().await;
    if let Err(error) = state.writer.write().await {
        tracing::warn!(%error, "pending writes could not be saved at the stop");
    }
    state.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Turns a router, which is always ready and never fails, into a function that answers requests.
fn answer_by(router: Router) -> impl Fn(Request) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static {
    move |request| {
        let mut router = router.clone();
        Box::pin(async move {
            let Ok(response) = router.call(request).await;
            response
        })
    }
}

/// Starts the background tasks, which run as long as the server does.
fn background(state: &AppState) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(state.sessions.sync.clone().follow());
    let listening = state.clone();
    tasks.spawn(async move { listening.store.listen().await });
    tasks.spawn(state.writer.clone().keep_writing());
    tasks.spawn(state.housekeeping.clone().keep_tidy());
    tasks.spawn(log::keep_reporting());
    tasks
}

fn address_error(variable: &'static str, addr: SocketAddr, error: &std::io::Error) -> ConfigError {
    let reason = if error.kind() == std::io::ErrorKind::AddrInUse {
        let other = SocketAddr::new(addr.ip(), addr.port().checked_add(1).unwrap_or(8080));
        format!("{addr} is in use by another program; stop that program, or choose another port, such as {other}")
    } else {
        format!("cannot listen on {addr}: {error}")
    };
    ConfigError { variable, reason }
}

fn stop_signal(state: AppState) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // A program started with `nohup` ignores SIGHUP, because it must outlive its terminal.
    let mut hangup = if is_ignored(SignalKind::hangup()) {
        None
    } else {
        Some(signal(SignalKind::hangup())?)
    };
    Ok(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hung_up => {}
        }
        tracing::info!("stopping");
        state.stop.cancel();
    })
}

/// Returns whether the program was started with this signal ignored. Works on Linux only; elsewhere it returns `false`.
fn is_ignored(signal: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (mask >> (signal.as_raw_value() - 1)) & 1 == 1
}
