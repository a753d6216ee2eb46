//! `GET /protected`: the tutorial's route.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::Detail;
use crate::visitor::Bearer;

/// A greeting.
#[derive(Serialize, ToSchema)]
pub struct Greeting {
    /// Names who is asking.
    #[schema(example = "Hello, ada! This is a protected route.")]
    pub message: String,
}

/// Be greeted by name
///
/// Shows that a token works.
#[utoipa::path(
    get, path = "/protected", tag = "Resources",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token is good", body = Greeting),
        (status = 401, description = "It is absent or not good", body = Detail),
        (status = 503, description = "The database is away; try again after `Retry-After` seconds", body = Detail),
    ),
)]
pub async fn protected(Bearer(claims): Bearer) -> Json<Greeting> {
    Json(Greeting {
        message: format!("Hello, {}! This is a protected route.", claims.username),
    })
}
