//! What crosses the wire when a post is refused.

use std::collections::BTreeMap;

use leptos::server_fn::codec::JsonEncoding;
use leptos::server_fn::error::{FromServerFnError, ServerFnErrorErr};
use serde::{Deserialize, Serialize};

use latchkey_axum::errors::HttpRefusal;
use latchkey_core::accounts::Refusal;

/// A sentence, and one more for each field that something is wrong with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// For the whole form.
    pub detail: String,
    /// By the name of the field.
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

/// Failures of the transport itself. The strict form reader in front lets none of them happen; if one does, its
/// text stays here.
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
