//! What the database stores about the refresh tokens of a session.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The number of a refresh token within its session; the first token has number 0.
pub type Counter = u32;

/// The random salt of a session's refresh tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// Generates 16 random bytes, encoded in base64url.
    ///
    /// # Panics
    /// When the system provides no randomness; the program must not run then.
    pub fn generate() -> Self {
        let mut bytes = [0_u8; 16];
        #[expect(clippy::expect_used, reason = "without randomness the program must not run")]
        rand::fill(&mut bytes).expect("the system must provide random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Creates a salt from the text of a row.
    pub const fn from_row(text: String) -> Self {
        Self(text)
    }

    /// Returns the salt as the text of a row.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
