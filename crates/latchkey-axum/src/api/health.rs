//! `GET /health/live` and `GET /health/ready`: the health probes.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, Detail};
use crate::state::AppState;

/// The probe succeeded.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

const OK: Json<Health> = Json(Health { status: "ok" });

/// Answers `OPTIONS`, which some load balancers use as a probe.
pub async fn options() -> impl IntoResponse {
    [(header::ALLOW, "GET,HEAD,OPTIONS")]
}

/// Check that the server runs
///
/// Answers as long as the server runs, even if the database is unavailable.
#[utoipa::path(get, path = "/health/live", tag = "Health", responses((status = 200, description = "The server runs", body = Health)))]
pub async fn live() -> Json<Health> {
    OK
}

/// Check that the server is ready
///
/// Answers whether the accounts and sessions in the database can be read.
#[expect(clippy::missing_errors_doc, reason = "the comment is the text of the API page")]
#[utoipa::path(
    get, path = "/health/ready", tag = "Health",
    responses(
        (status = 200, description = "The server is ready", body = Health),
        (status = 503, description = "The database cannot be reached or read", body = Detail),
    ),
)]
pub async fn ready(State(state): State<AppState>) -> Result<Json<Health>, ApiError> {
    state.store.ping().await?;
    Ok(OK)
}
