//! The well-known URLs from which other services configure themselves.

use axum::Json;
use axum::extract::State;
use axum::response::Redirect;
use serde::Serialize;
use utoipa::ToSchema;

use crate::paths;
use crate::state::AppState;
use latchkey_core::tokens::{self, Algorithm};

/// The public keys (RFC 7517).
#[derive(Serialize, ToSchema)]
pub struct Jwks {
    /// The key of the current secret, then the key of the previous one.
    pub keys: Vec<Jwk>,
}

/// An Ed25519 public key (RFC 8037 section 2).
#[derive(Serialize, ToSchema)]
pub struct Jwk {
    /// Always `OKP`.
    kty: &'static str,
    /// Always `Ed25519`.
    crv: &'static str,
    /// Always `EdDSA`.
    alg: &'static str,
    /// Always `sig`.
    r#use: &'static str,
    /// The id of the key; tokens name it in their header.
    kid: String,
    /// The key, in base64url.
    x: String,
}

impl From<&tokens::Jwk> for Jwk {
    fn from(key: &tokens::Jwk) -> Self {
        Self {
            kty: key.kty,
            crv: key.crv,
            alg: key.alg,
            r#use: key.r#use,
            kid: key.kid.clone(),
            x: key.x.clone(),
        }
    }
}

/// Get the keys that verify tokens
///
/// Needs `LATCHKEY_JWT_ALG=EdDSA`. With HS256 the list is empty, because the key is a shared secret.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Description", responses((status = 200, description = "The keys", body = Jwks)))]
pub async fn jwks(State(state): State<AppState>) -> Json<Jwks> {
    Json(Jwks {
        keys: state.sessions.tokens.jwks().into_iter().map(Jwk::from).collect(),
    })
}

/// The authorization server metadata (RFC 8414).
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    /// The public URL, which is also the `iss` of every token.
    pub issuer: String,
    /// The URL that issues tokens.
    pub token_endpoint: String,
    /// The URL that ends sessions.
    pub revocation_endpoint: String,
    /// The URL that tells whether a token is valid.
    pub introspection_endpoint: String,
    /// The URL of the public keys; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The URL of the documentation for people.
    pub service_documentation: String,
    /// The grant types that `POST /token` accepts.
    pub grant_types_supported: Vec<&'static str>,
    /// Empty, because there is no authorization endpoint.
    pub response_types_supported: Vec<&'static str>,
    /// Only `none`, because clients need no credentials of their own.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Only `none`, because the token itself is the only authorization needed.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
}

/// Find the endpoints
///
/// For client libraries that are configured with this address only.
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "Description", responses((status = 200, description = "RFC 8414 metadata", body = Metadata)))]
pub async fn metadata(State(state): State<AppState>) -> Json<Metadata> {
    let origin = state.config.public_url.origin();
    let at = |path: &str| format!("{origin}{path}");
    let mut grants = vec!["refresh_token"];
    if state.config.password_grant {
        grants.insert(0, "password");
    }
    Json(Metadata {
        issuer: origin.to_owned(),
        token_endpoint: at("/token"),
        revocation_endpoint: at("/revoke"),
        introspection_endpoint: at("/introspect"),
        jwks_uri: (state.config.jwt_alg == Algorithm::EdDsa).then(|| at("/.well-known/jwks.json")),
        service_documentation: at("/docs"),
        grant_types_supported: grants,
        response_types_supported: Vec::new(),
        token_endpoint_auth_methods_supported: vec!["none"],
        revocation_endpoint_auth_methods_supported: vec!["none"],
    })
}

/// Redirects to the form that changes the password. Password managers open this URL (W3C "A Well-Known URL for Changing
/// Passwords").
pub async fn change_password() -> Redirect {
    Redirect::to(paths::CHANGE_PASSWORD)
}
