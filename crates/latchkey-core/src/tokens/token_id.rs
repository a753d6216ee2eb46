//! The id of an access token.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use latchkey_store::Counter;

/// The `jti` of an access token: the counter of the refresh token that was issued with it, then 12 random bytes. So a client that
/// presents the access token proves that it has received that refresh token too, and no additional claim is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    counter: Counter,
    random: [u8; 12],
}

impl TokenId {
    /// Returns a new id.
    ///
    /// # Panics
    /// If the system provides no random numbers. The program must not run without them.
    pub fn new(counter: Counter) -> Self {
        let mut random = [0; 12];
        #[expect(clippy::expect_used, reason = "the program must not run without random numbers")]
        rand::fill(&mut random).expect("the system provides random numbers");
        Self { counter, random }
    }

    /// Returns the counter of the refresh token that was issued with this access token.
    pub const fn counter(self) -> Counter {
        self.counter
    }
}

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.counter.to_be_bytes());
        bytes[4..].copy_from_slice(&self.random);
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => {
                let (counter, random) = bytes.split_at(4);
                let parts = counter.try_into().ok().zip(random.try_into().ok());
                parts
                    .map(|(counter, random)| Self {
                        counter: Counter::from_be_bytes(counter),
                        random,
                    })
                    .ok_or_else(|| D::Error::custom("not a token id"))
            }
            _ => Err(D::Error::custom("not a token id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_id_round_trips_through_json_and_malformed_ids_are_refused() {
        let id = TokenId::new(4_000_000_000);
        let json = serde_json::to_string(&id).expect("JSON");
        assert_eq!(serde_json::from_str::<TokenId>(&json).expect("an id"), id);
        assert_eq!(id.counter(), 4_000_000_000);
        for json in ["\"\"", "\"AAAA\"", "\"é\"", "7", "null", "[]"] {
            assert!(serde_json::from_str::<TokenId>(json).is_err(), "{json}");
        }
        let long = format!("\"{}\"", "A".repeat(100));
        assert!(serde_json::from_str::<TokenId>(&long).is_err());
    }
}
