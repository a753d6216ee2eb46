//! The keys of access tokens, derived from the secret. One key serves one algorithm.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde::Serialize;

use crate::keys;
use crate::keys::Use;
use crate::secret::Secret;

/// RFC 9068 section 2.1: tells an access token from every other JWT.
const TYP: &str = "at+jwt";

/// How access tokens are signed. Fixed by configuration, never by what a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA256: verified by whoever has the secret, that is, by this program.
    Hs256,
    /// Ed25519 (RFC 8037): verified by anybody with the public key.
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
    /// Which key it is: the same word stands in the header of a token.
    pub kid: String,
    /// The key, in base64url.
    pub x: String,
}

/// Signs.
pub struct SigningKey {
    /// The header of every token.
    pub header: Header,
    /// The key.
    pub key: EncodingKey,
}

/// Verifies.
pub struct VerifyingKey {
    /// How a token of this key begins.
    pub encoded_header: String,
    /// The key.
    pub key: DecodingKey,
    /// The key as others get it.
    pub jwk: Option<Jwk>,
}

impl SigningKey {
    /// The key that a secret signs with.
    pub fn derive(secret: &Secret, algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Hs256 => EncodingKey::from_secret(keys::derive(secret, Use::AccessToken).as_slice()),
            Algorithm::EdDsa => {
                #[expect(clippy::expect_used, reason = "a key pair can be written down")]
                let document = key_pair(secret).to_pkcs8v1().expect("a document");
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
    /// The key that a secret's tokens are verified with.
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

#[expect(clippy::expect_used, reason = "every 32 bytes are a seed")]
fn key_pair(secret: &Secret) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(keys::derive(secret, Use::AccessTokenSeed).as_slice()).expect("a key pair")
}
