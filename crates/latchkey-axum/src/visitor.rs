//! Identifies who sends a request. The session middleware resolves the cookies and puts a [`Visitor`] into the request. A handler
//! that needs a signed-in user takes the extractor [`SignedIn`] or [`Bearer`], and does not run without one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{Extensions, HeaderMap, header};

use super::cookies::CookieKind;
use super::state::AppState;
use crate::client_ip;
use crate::errors::HttpRefusal;
use crate::errors::{ApiError, cannot_tell};
use latchkey_core::accounts::Refusal;
use latchkey_core::sessions::{Denied, RefreshError, Tokens};
use latchkey_core::tokens::Claims;
use latchkey_store::{Client, ClientKind, EndReason, StoreError, UnixSeconds};
use latchkey_types::{Next, User};

/// Maximum seconds before its expiry at which an access token in a cookie is renewed. Renewing early saves an open page the wait.
const RENEWED_BEFORE: i64 = 30;

/// A user whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The decoded user.
    pub user: User,
    /// All claims of the token.
    pub claims: Arc<Claims>,
}

impl From<Arc<Claims>> for SignedIn {
    fn from(claims: Arc<Claims>) -> Self {
        Self {
            user: claims.user(),
            claims,
        }
    }
}

/// Who sends a request with cookies. A [`Visitor`] is always present, so that no code has to interpret its absence.
#[derive(Clone, Debug, Default)]
pub enum Visitor {
    /// A signed-in user.
    SignedIn(Arc<SignedIn>),
    /// A visitor without a session.
    #[default]
    Anonymous,
    /// The session has ended, for this reason.
    Ended(EndReason),
    /// The session cannot be checked, because the database is unavailable or a rate limit was reached. Access is denied, but the
    /// user is not signed out.
    Unknown,
}

impl Visitor {
    /// Returns the user if one is signed in.
    pub fn signed_in(self) -> Option<SignedIn> {
        match self {
            Visitor::SignedIn(signed_in) => Some(Arc::unwrap_or_clone(signed_in)),
            Visitor::Anonymous | Visitor::Ended(_) | Visitor::Unknown => None,
        }
    }
}

impl From<Arc<Claims>> for Visitor {
    fn from(claims: Arc<Claims>) -> Self {
        Self::SignedIn(Arc::new(claims.into()))
    }
}

/// The result of [`resolve`].
pub struct Resolved {
    /// Who sends the request.
    pub visitor: Visitor,
    /// New tokens for the browser, if its tokens were renewed.
    pub renewed: Option<Tokens>,
}

impl From<Visitor> for Resolved {
    fn from(visitor: Visitor) -> Self {
        Self { visitor, renewed: None }
    }
}

/// Resolves the visitor from the cookies: by the access token or, if that is missing, expired, stale or about to expire, by the
/// refresh token. Invalid tokens make the visitor anonymous.
pub async fn resolve(state: &AppState, headers: &HeaderMap, extensions: &Extensions) -> Resolved {
    let access = match state.cookies.read(headers, CookieKind::Access) {
        Some(jwt) => state.sessions.verify(jwt).await,
        None => Err(Denied::Invalid),
    };
    let access = match access {
        Ok(claims) if state.clock.now() < renewed_at(state, &claims) => return Visitor::from(claims).into(),
        Err(Denied::Unavailable(error)) => return unknown(error).into(),
        access => access.ok(),
    };
    let Some(refresh) = state.cookies.read(headers, CookieKind::Refresh) else {
        return access.map_or(Visitor::Anonymous, Visitor::from).into();
    };
    let client = client(state, ClientKind::Browser, headers, extensions);
    match (state.sessions.refresh(refresh, &client).await, access) {
        (Ok(tokens), _) => Resolved {
            visitor: Visitor::from(Arc::new(tokens.access.claims.clone())),
            renewed: Some(tokens),
        },
        (Err(RefreshError::Ended(reason)), _) => Visitor::Ended(reason).into(),
        // The early renewal failed, but the access token is still valid: keep it.
        (Err(_), Some(claims)) => Visitor::from(claims).into(),
        (Err(RefreshError::Store(error)), _) => unknown(error).into(),
        // Rate-limited, maybe because of others at this address: do not sign this user out.
        (Err(RefreshError::Throttled(_)), _) => Visitor::Unknown.into(),
        (Err(RefreshError::Invalid), _) => Visitor::Anonymous.into(),
    }
}

/// Returns when the access token of a browser is renewed: a little before it expires. A token that is shorter because its session
/// ends is not renewed early.
pub fn renewed_at(state: &AppState, claims: &Claims) -> UnixSeconds {
    let life = state.sessions.tokens.life();
    let cut_short = claims.exp - claims.iat < life;
    claims.exp - if cut_short { 0 } else { RENEWED_BEFORE.min(life / 4) }
}

fn unknown(error: StoreError) -> Visitor {
    Refusal::Store(error).log();
    Visitor::Unknown
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Visitor>().cloned().unwrap_or_default())
    }
}

/// The extractor for pages. Redirects a visitor who is not signed in to the sign-in page, which leads back after the sign-in.
impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let Ok(visitor) = Visitor::from_request_parts(parts, state).await;
        match visitor {
            Visitor::SignedIn(signed_in) => Ok(Arc::unwrap_or_clone(signed_in)),
            Visitor::Unknown => Err(cannot_tell()),
            Visitor::Anonymous | Visitor::Ended(_) => {
                let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                Err(Redirect::to(&with_query("/login", &Next::parse(wanted))).into_response())
            }
        }
    }
}

impl OptionalFromRequestParts<AppState> for SignedIn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, Infallible> {
        let visitor = <Visitor as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        Ok(visitor.signed_in())
    }
}

/// Adds `next` to a path, unless it is the default.
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

/// The extractor for the API: the claims of a verified bearer token (RFC 6750). Cookies are not read.
#[derive(Clone, Debug)]
pub struct Bearer(pub Arc<Claims>);

impl FromRequestParts<AppState> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers)?;
        Ok(Self(state.sessions.verify(token).await?))
    }
}

/// Returns the token of the `Authorization` header. More than one header is ambiguous and refused.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next().ok_or(Refusal::NotSignedIn)?;
    if values.next().is_some() {
        return Err(Refusal::InvalidToken);
    }
    let (scheme, token) = std::str::from_utf8(value.as_bytes())
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or(Refusal::InvalidToken)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim_matches(' '))
    } else {
        Err(Refusal::InvalidToken)
    }
}

/// Returns the client of a request: its address and, as far as the request names them, its user agent and known devices.
pub fn client(state: &AppState, kind: ClientKind, headers: &HeaderMap, extensions: &Extensions) -> Client {
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let address = client_ip::address(&state.config.trusted_proxies, headers, extensions);
    let device = state.cookies.read(headers, CookieKind::Device);
    let device = device.filter(|_| kind == ClientKind::Browser);
    Client {
        devices: device.map(|value| state.devices.read(value)).unwrap_or_default(),
        ..Client::new(kind, user_agent.unwrap_or_default(), address)
    }
}
