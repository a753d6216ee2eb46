//! Derives a separate key for each use from the one secret (HKDF-SHA256, RFC 5869), so that no key works in place of another.

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::secret::Secret;

/// What a key is used for. Never change a label: existing tokens and cookies were signed with the keys derived from it.
#[derive(Clone, Copy, Debug)]
pub enum Use {
    /// Signs access tokens with HMAC-SHA256.
    AccessToken,
    /// The seed of the Ed25519 key that signs access tokens.
    AccessTokenSeed,
    /// Authenticates refresh tokens.
    RefreshToken,
    /// Authenticates the cookie of a known device.
    Device,
    /// Derives the names of limits in the database.
    Throttle,
    /// Signs the flash cookie.
    Flash,
    /// Names the secret in a token's `kid`. This is not a key.
    KeyId,
}

impl Use {
    const fn label(self) -> &'static [u8] {
        match self {
            Use::AccessToken => b"latchkey access token HS256",
            Use::AccessTokenSeed => b"latchkey access token EdDSA",
            Use::RefreshToken => b"latchkey refresh token",
            Use::Device => b"latchkey known device",
            Use::Throttle => b"latchkey throttle",
            Use::Flash => b"latchkey flash cookie",
            Use::KeyId => b"latchkey key id",
        }
    }
}

/// 32 derived bytes.
pub type Key = Zeroizing<[u8; 32]>;

/// Derives the key for one use.
///
/// # Panics
/// Never, because HKDF-SHA256 can output 32 bytes.
pub fn derive(secret: &Secret, purpose: Use) -> Key {
    struct Bytes32;
    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    #[expect(clippy::expect_used, reason = "32 bytes are within HKDF's limit of 255 blocks")]
    Salt::new(HKDF_SHA256, b"latchkey")
        .extract(secret.expose())
        .expand(&[purpose.label()], Bytes32)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .expect("HKDF-SHA256 outputs 32 bytes");
    key
}

/// Returns the public name of a secret. It tells tokens of the current secret from those of the previous one.
pub fn key_id(secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(&derive(secret, Use::KeyId)[..8])
}

/// Derives a key for HMAC-SHA256.
pub fn mac_key(secret: &Secret, purpose: Use) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, derive(secret, purpose).as_slice())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::secret::generate;

    const USES: [Use; 7] = [
        Use::AccessToken,
        Use::AccessTokenSeed,
        Use::RefreshToken,
        Use::Device,
        Use::Throttle,
        Use::Flash,
        Use::KeyId,
    ];

    #[test]
    fn every_use_and_every_secret_has_its_own_key() {
        let secrets = [(); 2].map(|()| Secret::parse(&generate()).expect("a strong secret"));
        let keys: HashSet<[u8; 32]> = secrets
            .iter()
            .flat_map(|secret| USES.map(|purpose| *derive(secret, purpose)))
            .collect();
        assert_eq!(keys.len(), secrets.len() * USES.len(), "all keys differ");
        assert_eq!(*derive(&secrets[0], Use::Flash), *derive(&secrets[0], Use::Flash));
        assert_ne!(key_id(&secrets[0]), key_id(&secrets[1]));
    }
}
