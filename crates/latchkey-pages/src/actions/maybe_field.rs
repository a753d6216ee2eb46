//! A field that may be absent, where that is not the same as empty.

use serde::{Deserialize, Serialize};

/// The value of a field, if it was sent. An `Option` would not do: the form decoder makes an empty value none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Sent(pub Option<String>);

impl From<String> for Sent {
    fn from(value: String) -> Self {
        Self(Some(value))
    }
}

impl From<Sent> for String {
    fn from(Sent(value): Sent) -> Self {
        value.unwrap_or_default()
    }
}
