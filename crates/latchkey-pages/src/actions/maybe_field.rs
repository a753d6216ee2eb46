//! A form field that tells an absent value from an empty one.

use serde::{Deserialize, Serialize};

/// The value of a field, if it was sent. A plain `Option` cannot tell, because the form decoder turns an empty value into `None`.
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
