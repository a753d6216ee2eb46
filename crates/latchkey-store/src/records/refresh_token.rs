//! What the database keeps about the refresh tokens of a session.

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The number of a refresh token within its session; the first one is 0.
pub type Counter = u32;

/// Random, for each session its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Salt(String);

impl Salt {
    /// 16 random bytes, in base64url.
    ///
    /// # Panics
    /// When the system has no randomness; nothing may run then.
    pub fn generate() -> Self {
        let mut bytes = [0_u8; 16];
        #[expect(clippy::expect_used, reason = "without randomness nothing may run")]
        rand::fill(&mut bytes).expect("the system's random numbers");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// As a row holds it.
    pub const fn from_row(text: String) -> Self {
        Self(text)
    }

    /// As a row holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
