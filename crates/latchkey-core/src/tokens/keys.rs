//! The keys of access tokens, derived from the secret. One key serves one algorithm.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde::Serialize;

use crate::keys;
use crate::keys::Use;
use crate::secret::Secret;

/// The `typ` header, which distinguishes an access token from every other JWT (RFC 9068 section 2.1).
const TYP: &str = "at+jwt";

/// The algorithm that signs access tokens. The configuration sets it; the header of a token never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA256. Only this program can verify a token, because it alone has the secret.
    Hs256,
    /// Ed25519 (RFC 8037). Any service that has the public key can verify a token.
    EdDsa,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// A public key for other services (RFC 7517, RFC 8037 section 2).
#[derive(Clone, Debug, Serialize)]
pub struct Jwk {
    /// Always `OKP`.
    pub kty: &'static str,
    /// Always `Ed25519`.
    pub crv: &'static str,
    /// Always `EdDSA`.
    pub alg: &'static str,
    /// Always `sig`.
    pub r#use: &'static str,
    /// The id of the key, as in the header of a token.
    pub kid: String,
    /// The public key, in base64url.
    pub x: String,
}

/// The key that signs access tokens.
pub struct SigningKey {
    /// The header of every token.
    pub header: Header,
    /// The key.
    pub key: EncodingKey,
}

/// A key that verifies access tokens.
pub struct VerifyingKey {
    /// The encoded header, with which every token of this key begins.
    pub encoded_header: String,
    /// The key.
    pub key: DecodingKey,
    /// The public key for other services; `None` if the key is a shared secret.
    pub jwk: Option<Jwk>,
}

impl SigningKey {
    /// Derives the key that signs access tokens from a secret.
    pub fn derive(secret: &Secret, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Hs256 => EncodingKey::from_secret(keys::derive(secret, Use::AccessToken).as_slice()),
            Algorithm::EdDsa => {
                #[expect(clippy::expect_used, reason = "every key pair can be encoded")]
                let document = key_pair(secret).to_pkcs8v1().expect("a key pair can be encoded");
                EncodingKey::from_ed_der(document.as_ref())
            }
        };
        Self {
            header: header(secret, algorithm),
            key,
        }
    }
}

impl VerifyingKey {
    /// Derives the key that verifies the access tokens of a secret.
    pub fn derive(secret: &Secret, algorithm: Algorithm) -> Self {
        let (key, jwk) = match algorithm {
            Algorithm::Hs256 => (DecodingKey::from_secret(keys::derive(secret, Use::AccessToken).as_slice()), None),
            Algorithm::EdDsa => {
                let pair = key_pair(secret);
                let public = pair.public_key().as_ref();
                let jwk = Jwk {
                    kty: "OKP",
                    crv: "Ed25519",
                    alg: "EdDSA",
                    r#use: "sig",
                    kid: keys::key_id(secret),
                    x: URL_SAFE_NO_PAD.encode(public),
                };
                (DecodingKey::from_ed_der(public), Some(jwk))
            }
        };
        Self {
            encoded_header: super::encoded(&header(secret, algorithm)),
            key,
            jwk,
        }
    }
}

fn header(secret: &Secret, algorithm: Algorithm) -> Header {
    Header {
        typ: Some(TYP.to_owned()),
        kid: Some(keys::key_id(secret)),
        ..Header::new(algorithm.into())
    }
}

#[expect(clippy::expect_used, reason = "any 32 bytes are a valid seed")]
fn key_pair(secret: &Secret) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(keys::derive(secret, Use::AccessTokenSeed).as_slice()).expect("32 bytes are a valid seed")
}
