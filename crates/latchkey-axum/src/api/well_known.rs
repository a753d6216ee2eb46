//! What other services find out by themselves.

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
    /// Of the current secret, then of the previous one.
    pub keys: Vec<Jwk>,
}

/// A public key of Ed25519 (RFC 8037 section 2).
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
    /// Which key it is: the same word stands in the header of a token.
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

/// Get the keys to verify tokens with
///
/// With `LATCHKEY_JWT_ALG=EdDSA`. With HS256 there are none to give away.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "Description", responses((status = 200, description = "The keys", body = Jwks)))]
pub async fn jwks(State(state): State<AppState>) -> Json<Jwks> {
    Json(Jwks {
        keys: state.sessions.tokens.jwks().into_iter().map(Jwk::from).collect(),
    })
}

/// Where everything is (RFC 8414).
#[derive(Serialize, ToSchema)]
pub struct Metadata {
    /// The public URL: also the `iss` of every token.
    pub issuer: String,
    /// Where tokens are given.
    pub token_endpoint: String,
    /// Where sessions are ended.
    pub revocation_endpoint: String,
    /// Where tokens are asked about.
    pub introspection_endpoint: String,
    /// Where the keys are; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What people read.
    pub service_documentation: String,
    /// What `POST /token` takes.
    pub grant_types_supported: Vec<&'static str>,
    /// Nothing here redirects with a code.
    pub response_types_supported: Vec<&'static str>,
    /// Clients need no credentials of their own.
    pub token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Likewise.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
}

/// Find the endpoints
///
/// For client libraries that are told nothing but this address.
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

/// Leads to the form for a new password; password managers send people here (W3C "A Well-Known URL for Changing Passwords").
pub async fn change_password() -> Redirect {
    Redirect::to(paths::CHANGE_PASSWORD)
}
