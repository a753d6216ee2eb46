//! The visitor for whom a page is rendered, and what the page says about their session.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::Visitor;

/// The visitor of a page, the path of the page, and what the islands need to know.
pub struct Visit {
    /// The path, which the navigation marks as the current page.
    pub path: String,
    /// The visitor.
    pub visitor: Visitor,
    /// Seconds until the visitor's access token expires.
    pub ends_in: Option<i64>,
    /// The name of the channel on which tabs tell each other who is signed in.
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
    /// Returns a visit that says nothing about the visitor, for answers given before the visitor is determined.
    pub fn anonymous() -> Self {
        Self {
            path: String::new(),
            visitor: Visitor::Unknown,
            ends_in: None,
            channel: None,
        }
    }
}
