//! `GET /me`: returns the user of a token.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::Detail;
use crate::visitor::Bearer;

/// The decoded user of a token.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// The immutable user id.
    pub sub: String,
    /// The sign-in name.
    #[schema(example = "ada")]
    pub username: String,
    /// `admin` or `user`.
    #[schema(example = json!(["user"]))]
    pub roles: Vec<&'static str>,
    /// The session that the token belongs to.
    pub sid: String,
    /// When the token was issued, in seconds since 1970-01-01 UTC.
    pub iat: i64,
    /// When the token expires, in seconds since 1970-01-01 UTC.
    pub exp: i64,
}

/// Get the user of a token
///
/// Returns the user decoded from the token.
#[utoipa::path(
    get, path = "/me", tag = "Resources",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The token's user", body = Me),
        (status = 401, description = "The token is missing or not valid", body = Detail),
        (status = 503, description = "The database is unavailable; try again after `Retry-After` seconds", body = Detail),
    ),
)]
pub async fn me(Bearer(claims): Bearer) -> Json<Me> {
    Json(Me {
        sub: claims.sub.0.clone(),
        username: claims.username.clone(),
        roles: claims.roles.iter().map(|role| role.as_str()).collect(),
        sid: claims.sid.to_string(),
        iat: claims.iat,
        exp: claims.exp,
    })
}
