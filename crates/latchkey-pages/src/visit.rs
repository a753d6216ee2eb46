//! Who a page is for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::Visitor;

/// Who a page is for and where it stands.
pub struct Visit {
    /// The address without its query, to mark it in the navigation.
    pub path: String,
    /// Who it is for.
    pub visitor: Visitor,
    /// Seconds until the visitor's access token ends.
    pub ends_in: Option<i64>,
    /// Name of the channel on which tabs tell each other who is signed in.
    pub channel: Option<String>,
}

impl FromRequestParts<AppState> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let visitor = Visitor::from_request_parts(parts, state).await?;
        Ok(Self {
            path: parts.uri.path().to_owned(),
            ends_in: match &visitor {
                Visitor::SignedIn(signed_in) => Some(signed_in.claims.exp - state.clock.now()),
                Visitor::Anonymous | Visitor::Ended(_) | Visitor::Unknown => None,
            },
            channel: Some(state.config.cookie_name.clone()),
            visitor,
        })
    }
}

impl Visit {
    /// Says nothing of any visitor, for answers given before anybody asked who it is.
    pub fn anonymous() -> Self {
        Self {
            path: String::new(),
            visitor: Visitor::Unknown,
            ends_in: None,
            channel: None,
        }
    }
}
