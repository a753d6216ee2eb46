//! Runs the server.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::clock::Clock;
use super::config::{Config, ConfigError};
use super::passwords::{Cost, Passwords};
use super::router;
use super::state::AppState;
use super::store::Store;

/// Why a command did not do its work: one sentence.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Opens the database and makes the state, for the server and for every command.
///
/// # Errors
/// When the database cannot be used.
pub async fn open(config: Config) -> Result<AppState, Failure> {
    let store = Store::open(&config.database)
        .await
        .map_err(|error| format!("{}: {error}", config.database.display()))?;
    Ok(AppState::new(config, store, Clock::system(), Passwords::new(Cost::PRODUCTION)))
}

/// Serves until it is told to stop (SIGTERM or Ctrl-C), then finishes what is under way.
///
/// # Errors
/// When the address is taken, or the database cannot be used.
pub async fn run(config: Config) -> Result<(), Failure> {
    // Before the database: a second server on the same data stops here.
    let listener = TcpListener::bind(config.addr)
        .await
        .map_err(|error| address_error(config.addr, &error))?;
    let url = config.public_url.to_string();
    let state = open(config).await?;
    tracing::info!("serving {url}");
    eprintln!("Latchkey is ready: open {url}");
    let stop = stop_signal()?;
    axum::serve(listener, router::router(state.clone()))
        .with_graceful_shutdown(stop)
        .await?;
    state.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn address_error(addr: SocketAddr, error: &std::io::Error) -> ConfigError {
    let reason = if error.kind() == std::io::ErrorKind::AddrInUse {
        let other = SocketAddr::new(addr.ip(), addr.port().checked_add(1).unwrap_or(8080));
        format!("{addr} is in use by another program; stop that one, or choose another port, such as {other}")
    } else {
        format!("{addr} cannot be listened on: {error}")
    };
    ConfigError {
        variable: "LATCHKEY_ADDR",
        reason,
    }
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
