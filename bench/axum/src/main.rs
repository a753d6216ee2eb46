//! `bare-axum PORT constant|jwt`: `GET /protected` answers with the same JSON each time, or with the name in a verified token
//! (HS256 with the key `KEY`, issuer and audience as in Latchkey's tokens).

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

const KEY: &[u8] = b"a key of the measurements and of nothing else";
const ISSUER: &str = "http://localhost";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    exp: u64,
    username: String,
    roles: Vec<String>,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
}

static VERIFYING: LazyLock<(DecodingKey, Validation)> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[ISSUER]);
    (DecodingKey::from_secret(KEY), validation)
});

async fn constant() -> Json<Greeting> {
    Json(Greeting {
        message: "Hello, ada! This is a protected route.".into(),
    })
}

async fn verified(headers: HeaderMap) -> Result<Json<Greeting>, StatusCode> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .ok_or(StatusCode::UNAUTHORIZED)?;
    let (key, validation) = &*VERIFYING;
    let claims = decode::<Claims>(token, key, validation)
        .map_err(|_| StatusCode::UNAUTHORIZED)?
        .claims;
    Ok(Json(Greeting {
        message: format!("Hello, {}! This is a protected route.", claims.username),
    }))
}

/// Issues a token for the requests.
async fn token() -> String {
    let claims = Claims {
        iss: ISSUER.into(),
        aud: ISSUER.into(),
        sub: "019a0000-0000-7000-8000-000000000000".into(),
        sid: "019a0000-0000-7000-8000-000000000001".into(),
        exp: 4_000_000_000,
        username: "ada".into(),
        roles: vec!["user".into()],
    };
    encode(&Header::default(), &claims, &EncodingKey::from_secret(KEY)).expect("a token")
}

#[tokio::main]
async fn main() {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next().and_then(|word| word.parse().ok()).expect("a port");
    let protected = match words.next().as_deref() {
        Some("constant") => get(constant),
        Some("jwt") => get(verified),
        _ => panic!("constant or jwt"),
    };
    let app = Router::new().route("/protected", protected).route("/token", get(token));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("a free port");
    axum::serve(listener, app).await.expect("served");
}
