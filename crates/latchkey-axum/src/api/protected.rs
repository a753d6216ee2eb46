//! `GET /protected`: an example of a protected route, used in the tutorial.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::Detail;
use crate::visitor::Bearer;

/// A greeting.
#[derive(Serialize, ToSchema)]
pub struct Greeting {
    /// Greets the user by name.
    #[schema(example = "Hello, ada! This is a protected route.")]
    pub message: String,
}

/// Get a greeting by name
///
/// Shows that a token works.
#[utoipa::path(
    get, path = "/protected", tag = "Resources",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token is valid", body = Greeting),
        (status = 401, description = "The token is missing or not valid", body = Detail),
        (status = 503, description = "The database is unavailable; try again after `Retry-After` seconds", body = Detail),
    ),
)]
pub async fn protected(Bearer(claims): Bearer) -> Json<Greeting> {
    Json(Greeting {
        message: format!("Hello, {}! This is a protected route.", claims.username),
    })
}
