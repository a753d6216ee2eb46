//! Who is asking. The middleware decodes the cookie and puts a [`Visitor`] into the request; what needs
//! somebody signed in asks for [`SignedIn`] or [`Bearer`] and cannot run without.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::convert::Infallible;

use super::cookies::Cookie;
use super::errors::detail;
use super::state::AppState;
use super::tokens::Claims;
use crate::domain::{Next, User};

/// Somebody whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The decoded user.
    pub user: User,
    /// All that the token says.
    pub claims: Claims,
}

impl From<Claims> for SignedIn {
    fn from(claims: Claims) -> Self {
        Self {
            user: claims.user(),
            claims,
        }
    }
}

/// Who a request with cookies comes from: always there, so that nothing is ever concluded from absence.
#[derive(Clone, Debug, Default)]
pub struct Visitor(pub Option<SignedIn>);

impl Visitor {
    /// Decodes the access cookie. Whatever is wrong with it, the visitor is anonymous.
    pub fn decode(state: &AppState, headers: &HeaderMap) -> Self {
        let token = state.cookies.read(headers, Cookie::Access);
        let claims = token.and_then(|token| state.tokens.verify(token, state.clock.now()).ok());
        Self(claims.map(SignedIn::from))
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Visitor>().cloned().unwrap_or_default())
    }
}

/// On a page: nobody signed in is led to the sign-in page, and from there back.
impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Redirect> {
        let Ok(Visitor(signed_in)) = Visitor::from_request_parts(parts, state).await;
        signed_in.ok_or_else(|| {
            let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            Redirect::to(&with_query("/login", &Next::parse(wanted)))
        })
    }
}

impl OptionalFromRequestParts<AppState> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, Infallible> {
        let Visitor(signed_in) = <Visitor as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        Ok(signed_in)
    }
}

/// A path that carries `next` along, unless it is where one goes anyway.
pub fn with_next(path: &str, next: &Next) -> String {
    if next.is_default() {
        path.to_owned()
    } else {
        with_query(path, next)
    }
}

fn with_query(path: &str, next: &Next) -> String {
    let encoded = percent_encoding::utf8_percent_encode(next.as_str(), percent_encoding::NON_ALPHANUMERIC);
    format!("{path}?next={encoded}")
}

/// On the API: the user of a bearer token (RFC 6750). Cookies are not looked at.
#[derive(Clone, Debug)]
pub struct Bearer(pub SignedIn);

/// Why a bearer token was not accepted; the same for every defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerRejection {
    /// There is no `Authorization` header.
    Absent,
    /// There is one, and it is not a good one.
    Invalid,
}

impl IntoResponse for BearerRejection {
    fn into_response(self) -> Response {
        let sentence = match self {
            BearerRejection::Absent => "Not authenticated",
            BearerRejection::Invalid => "Could not validate credentials",
        };
        let mut response = detail(StatusCode::UNAUTHORIZED, sentence);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }
}

impl FromRequestParts<AppState> for Bearer {
    type Rejection = BearerRejection;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, BearerRejection> {
        let token = bearer_token(&parts.headers)?;
        let claims = state
            .tokens
            .verify(token, state.clock.now())
            .map_err(|_| BearerRejection::Invalid)?;
        Ok(Self(claims.into()))
    }
}

/// The token of the one `Authorization` header. Two headers are none of them ours.
fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerRejection> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next().ok_or(BearerRejection::Absent)?;
    if values.next().is_some() {
        return Err(BearerRejection::Invalid);
    }
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(BearerRejection::Invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_matches(' '))
    } else {
        Err(BearerRejection::Invalid)
    }
}

/// What the client calls itself; nothing if that is not text.
pub fn user_agent(headers: &HeaderMap) -> &str {
    headers
        .get(header::USER_AGENT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
