//! Who is asking. The middleware resolves the cookies and puts a [`Visitor`] into the request; what needs
//! somebody signed in asks for [`SignedIn`] or [`Bearer`] and cannot run without.

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

/// Longest before its end that a token in a cookie is renewed, in seconds: so an open page need not wait for it.
const RENEWED_BEFORE: i64 = 30;

/// Somebody whose token was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The decoded user.
    pub user: User,
    /// All that the token says.
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

/// Who a request with cookies comes from: always there, so that nothing is ever concluded from absence.
#[derive(Clone, Debug, Default)]
pub enum Visitor {
    /// Somebody.
    SignedIn(Arc<SignedIn>),
    /// There is no session.
    #[default]
    Anonymous,
    /// The session has ended, and this is why.
    Ended(EndReason),
    /// It cannot be told while the database is away: nobody gets in, and nobody is signed out.
    Unknown,
}

impl Visitor {
    /// Whoever is signed in.
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

/// What the cookies of a request come to.
pub struct Resolved {
    /// Who it is.
    pub visitor: Visitor,
    /// New tokens for the browser, where the old ones were used up.
    pub renewed: Option<Tokens>,
}

impl From<Visitor> for Resolved {
    fn from(visitor: Visitor) -> Self {
        Self { visitor, renewed: None }
    }
}

/// Finds out who a browser belongs to: by its access token; when that has ended, is stale or about to end, by its
/// refresh token. Whatever is wrong with them, the visitor is nobody.
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
        // Too early is not too late: what is still good stays so.
        (Err(_), Some(claims)) => Visitor::from(claims).into(),
        (Err(RefreshError::Store(error)), _) => unknown(error).into(),
        // Neighbours who guess sign nobody out.
        (Err(RefreshError::Throttled(_)), _) => Visitor::Unknown.into(),
        (Err(RefreshError::Invalid), _) => Visitor::Anonymous.into(),
    }
}

/// When a good token of a browser is renewed: a little before its end. One cut short by the end of its session is not.
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

/// On a page: nobody signed in is led to the sign-in page, and from there back.
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

/// On the API: what a bearer token says (RFC 6750). Cookies are not looked at.
#[derive(Clone, Debug)]
pub struct Bearer(pub Arc<Claims>);

impl FromRequestParts<AppState> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers)?;
        Ok(Self(state.sessions.verify(token).await?))
    }
}

/// The token of the one `Authorization` header. Two headers are none of them ours.
///
/// # Errors
/// When there is no such header, or it holds anything else.
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

/// Who a request comes from, as far as it says.
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
