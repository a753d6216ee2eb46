//! The HTTP API for other programs. Its routes read the `Authorization` header and never a cookie.

use crate::state::AppState;
use axum::Router;
use axum::routing::{get, post};

pub mod health;
pub mod introspect;
pub mod me;
pub mod openapi;
pub mod protected;
pub mod revoke;
pub mod security_txt;
pub mod token;
pub mod well_known;

/// Returns the routes of the API.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/token", post(token::token))
        .route("/revoke", post(revoke::revoke))
        .route("/introspect", post(introspect::introspect))
        .route("/protected", get(protected::protected))
        .route("/me", get(me::me))
        .route("/openapi.json", get(openapi::openapi))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/.well-known/oauth-authorization-server", get(well_known::metadata))
        .route("/.well-known/change-password", get(well_known::change_password))
        .route("/.well-known/security.txt", get(security_txt::security_txt))
        .route("/health/live", get(health::live).options(health::options))
        .route("/health/ready", get(health::ready).options(health::options))
}
