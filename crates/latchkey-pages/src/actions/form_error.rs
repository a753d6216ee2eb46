//! The JSON of a refused post.

use std::collections::BTreeMap;

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use latchkey_axum::errors::HttpRefusal;
use latchkey_core::accounts::Refusal;

/// A sentence for the form, and one for each invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The sentence for the whole form.
    pub detail: String,
    /// A sentence for each invalid field, by field name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, String>,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let errors = match refusal {
            Refusal::Fields(errors) => errors
                .iter()
                .map(|error| (error.field.name().to_owned(), error.problem.to_string()))
                .collect(),
            _ => BTreeMap::new(),
        };
        Self {
            detail: refusal.sentence().into_owned(),
            errors,
        }
    }
}

/// Failures of the transport. The strict form reader comes first and prevents them; if one happens, only the log has its text.
impl FromServerFnError for Refused {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        tracing::error!(%error, "a server function failed");
        Self {
            detail: "Something went wrong on our side. Check whether your change was saved, then try again.".to_owned(),
            errors: BTreeMap::new(),
        }
    }
}
