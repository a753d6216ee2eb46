//! Serves the metrics in the text format of Prometheus, on a separate listener.

pub mod registry;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::encoding::text::encode;
use tokio::time::interval;

use self::registry::{Answer, ConnectionState};
use super::log;
use super::state::AppState;
use latchkey_store::StoreError;

/// How often the live sessions are counted. Counting reads all of them, so a scrape shows the last count.
const COUNT_EVERY: Duration = Duration::from_mins(1);

/// Measures the time of every request. The router has this layer only if metrics are enabled.
pub async fn time(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let method = match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        _ => "other",
    };
    let response = next.run(request).await;
    let answer = Answer {
        route,
        method,
        status: response.status().as_u16(),
    };
    state.metrics.times.get_or_create(&answer).observe(seconds(began.elapsed()));
    response
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Returns the router of the metrics listener, with `GET /metrics`.
pub fn router(state: AppState) -> Router {
    Router::new().route("/metrics", get(show)).with_state(state)
}

/// Counts the live sessions once a minute. Never returns.
pub async fn keep_counting(state: AppState) {
    let mut ticks = interval(COUNT_EVERY);
    loop {
        ticks.tick().await;
        // After a failed count the last value stays. Other parts report that the database is unavailable.
        let _ = count_sessions(&state).await;
    }
}

/// Counts the live sessions. If this fails, the metric keeps its last value.
pub async fn count_sessions(state: &AppState) -> Result<(), StoreError> {
    let live = state.store.count_live_sessions(state.clock.now()).await?;
    state.metrics.sessions.set(live);
    Ok(())
}

async fn show(State(state): State<AppState>) -> Response {
    let metrics = &state.metrics;
    if let Some((open, idle, waiting)) = state.store.connections() {
        for (word, number) in [("in_use", open.saturating_sub(idle)), ("idle", idle), ("waiting", waiting)] {
            let gauge = metrics.connections.get_or_create(&ConnectionState { state: word });
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }
    metrics
        .hashing
        .set(i64::try_from(state.accounts.passwords.callers()).unwrap_or(i64::MAX));
    metrics.log_dropped.inner().fetch_max(log::dropped_lines(), Ordering::Relaxed);
    metrics.log_suppressed.inner().fetch_max(log::suppressed_lines(), Ordering::Relaxed);
    let mut text = String::new();
    match encode(&mut text, &metrics.registry) {
        Ok(()) => (
            [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
