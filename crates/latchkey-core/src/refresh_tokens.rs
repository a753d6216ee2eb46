//! Refresh tokens: `base64url(version ‖ session id ‖ counter ‖ MAC)`.
//!
//! The MAC (HMAC-SHA256) covers the bytes before it and the session's random salt. The database stores id, counter and salt, but no
//! token and no hash of one. So a copy of the database cannot be used to forge tokens, and a token can be made again for a client
//! that did not receive the response.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::keys::{self, Use};
use super::secret::Secrets;
use latchkey_store::{Counter, Salt, SessionId};

const VERSION: u8 = 1;
const MESSAGE: usize = 1 + 16 + 4;
const MAC: usize = 32;
/// Length of a token, in characters.
const LENGTH: usize = (MESSAGE + MAC) * 8 / 6 + 1;

/// The parsed content of a token. Do not trust it before [`RefreshTokens::verify`] has accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The session it names.
    pub session: SessionId,
    /// The position of the token in its session's sequence of tokens.
    pub counter: Counter,
    mac: [u8; MAC],
}

impl Presented {
    /// Parses a token. Each token has exactly one encoding: padding, another alphabet and non-zero spare bits are refused.
    pub fn parse(token: &str) -> Option<Self> {
        if token.len() != LENGTH {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let (counter, mac) = rest.split_first_chunk::<4>()?;
        (*version == VERSION).then_some(())?;
        Some(Self {
            session: SessionId::from_bytes(*session),
            counter: Counter::from_be_bytes(*counter),
            mac: mac.try_into().ok()?,
        })
    }
}

/// Makes and verifies refresh tokens. The current secret makes and verifies them; the previous secret only verifies them.
pub struct RefreshTokens {
    keys: Vec<hmac::Key>,
}

impl RefreshTokens {
    /// Derives the MAC keys for refresh tokens.
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            keys: secrets.iter().map(|secret| keys::mac_key(secret, Use::RefreshToken)).collect(),
        }
    }

    /// Makes a token. The same session, counter and salt always give the same token.
    pub fn make(&self, session: SessionId, counter: Counter, salt: &Salt) -> String {
        let message = message(session, counter);
        let mac = hmac::sign(&self.keys[0], &salted(&message, salt));
        URL_SAFE_NO_PAD.encode([&message[..], mac.as_ref()].concat())
    }

    /// Returns whether a token is one of ours. Compares in constant time.
    pub fn verify(&self, token: &Presented, salt: &Salt) -> bool {
        let salted = salted(&message(token.session, token.counter), salt);
        self.keys.iter().any(|key| hmac::verify(key, &salted, &token.mac).is_ok())
    }
}

fn message(session: SessionId, counter: Counter) -> [u8; MESSAGE] {
    let mut message = [VERSION; MESSAGE];
    message[1..17].copy_from_slice(&session.to_bytes());
    message[17..].copy_from_slice(&counter.to_be_bytes());
    message
}

fn salted(message: &[u8], salt: &Salt) -> Vec<u8> {
    [message, salt.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use proptest::prelude::*;

    fn secret() -> Secret {
        Secret::parse(&crate::secret::generate()).expect("a strong secret")
    }

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&Secrets::of(secret()))
    }

    #[test]
    fn the_same_session_and_counter_give_the_same_valid_token() {
        let (tokens, session, salt) = (tokens(), SessionId::new(), Salt::generate());
        let token = tokens.make(session, 7, &salt);
        assert_eq!(token.len(), LENGTH);
        assert_eq!(token, tokens.make(session, 7, &salt));
        let presented = Presented::parse(&token).expect("well formed");
        assert_eq!((presented.session, presented.counter), (session, 7));
        assert!(tokens.verify(&presented, &salt));
    }

    #[test]
    fn a_token_is_invalid_with_another_secret_salt_session_or_counter() {
        let (tokens, session, salt) = (tokens(), SessionId::new(), Salt::generate());
        let presented = Presented::parse(&tokens.make(session, 7, &salt)).expect("well formed");
        assert!(!self::tokens().verify(&presented, &salt));
        assert!(!tokens.verify(&presented, &Salt::generate()));
        assert!(!tokens.verify(&Presented { counter: 8, ..presented }, &salt));
        assert!(!tokens.verify(
            &Presented {
                session: SessionId::new(),
                ..presented
            },
            &salt
        ));
    }

    #[test]
    fn the_previous_secret_still_verifies_tokens_and_never_makes_them() {
        let (old, new) = (secret(), secret());
        let before = RefreshTokens::new(&Secrets::of(old.clone()));
        let rotated = RefreshTokens::new(&Secrets {
            current: new.clone(),
            previous: Some(old),
        });
        let after = RefreshTokens::new(&Secrets::of(new));
        let (session, salt) = (SessionId::new(), Salt::generate());
        let old_token = Presented::parse(&before.make(session, 0, &salt)).expect("well formed");
        assert!(rotated.verify(&old_token, &salt) && !after.verify(&old_token, &salt));
        assert_eq!(rotated.make(session, 1, &salt), after.make(session, 1, &salt));
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in ".{0,200}") {
            let _ = Presented::parse(&text);
        }

        #[test]
        fn each_token_has_exactly_one_encoding(bytes in proptest::collection::vec(any::<u8>(), MESSAGE + MAC)) {
            let mut bytes = bytes;
            bytes[0] = VERSION;
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            let parsed = Presented::parse(&text).expect("well formed");
            prop_assert_eq!(&message(parsed.session, parsed.counter)[..], &bytes[..MESSAGE]);
            prop_assert_eq!(&parsed.mac[..], &bytes[MESSAGE..]);
        }

        #[test]
        fn every_token_can_be_parsed_and_verified(session in any::<[u8; 16]>(), counter in any::<u32>()) {
            let (tokens, session, salt) = (tokens(), SessionId::from_bytes(session), Salt::generate());
            let presented = Presented::parse(&tokens.make(session, counter, &salt)).expect("well formed");
            prop_assert_eq!((presented.session, presented.counter), (session, counter));
            prop_assert!(tokens.verify(&presented, &salt));
        }

        #[test]
        fn a_token_with_one_changed_character_is_invalid(at in 0..LENGTH, to in "[A-Za-z0-9_=+/ -]") {
            let (tokens, salt) = (tokens(), Salt::generate());
            let good = tokens.make(SessionId::new(), 3, &salt);
            let mut changed = good.clone();
            changed.replace_range(at..=at, &to);
            prop_assume!(changed != good);
            prop_assert!(!Presented::parse(&changed).is_some_and(|token| tokens.verify(&token, &salt)));
        }
    }
}
