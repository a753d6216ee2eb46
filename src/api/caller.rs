//! The one boundary between server functions and HTTP: who calls, and how they are answered.

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use leptos::prelude::expect_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};

use super::Refused;
use crate::app::error::wants_page;
use crate::domain::Next;
use crate::server::accounts::Refusal;
use crate::server::cookies::Cookie;
use crate::server::errors::RETRY_AFTER;
use crate::server::flash::{self, Flash, Notice};
use crate::server::session::{SignedIn, Visitor, user_agent, with_next};
use crate::server::sessions::{Client, ClientKind};
use crate::server::state::AppState;
use crate::server::tokens::AccessToken;

/// Where a post leads on to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Destination {
    /// A path on this site.
    pub next: String,
}

/// Whoever posted a form.
pub struct Caller {
    /// What every request needs.
    pub state: AppState,
    /// Who is signed in.
    pub signed_in: Option<SignedIn>,
    /// The browser.
    pub client: Client,
    wants_page: bool,
    response: ResponseOptions,
}

impl Caller {
    /// Reads the caller from the context that every server function runs in.
    pub fn from_context() -> Self {
        let parts: Parts = expect_context();
        let Visitor(signed_in) = parts.extensions.get().cloned().unwrap_or_default();
        Self {
            state: expect_context(),
            signed_in,
            client: Client::new(ClientKind::Browser, user_agent(&parts.headers)),
            wants_page: wants_page(&parts.headers),
            response: expect_context(),
        }
    }

    /// The session that the browser is in.
    pub fn session(&self) -> Option<&str> {
        self.signed_in.as_ref().map(|signed_in| signed_in.claims.sid.as_str())
    }

    /// Answers a form that signs somebody in: on to `next` with the token in its cookie, or back to the form.
    ///
    /// # Errors
    /// What the refusal says, for callers that want JSON.
    pub fn answer(&self, outcome: Result<AccessToken, Refusal>, next: Next, typed: Flash) -> Result<Destination, Refused> {
        match outcome {
            Ok(token) => {
                self.cookie(self.state.cookies.set(Cookie::Access, &token.jwt, self.state.tokens.life()));
                self.go(next.as_str());
                Ok(Destination { next: next.to_string() })
            }
            Err(refusal) => Err(self.refuse(&refusal, &next, typed)),
        }
    }

    /// Takes the token from the browser and leads to the sign-in page.
    pub fn signed_out(&self) -> Destination {
        self.cookie(self.state.cookies.clear(Cookie::Access));
        let page = super::LogIn::PAGE;
        if self.wants_page {
            self.flash(&Flash {
                page: page.to_owned(),
                notice: Some(Notice::SignedOut),
                ..Flash::default()
            });
        }
        self.go(page);
        Destination { next: page.to_owned() }
    }

    /// Answers with a status, or leads back to the form, which says what was wrong and keeps what was typed.
    pub fn refuse(&self, refusal: &Refusal, next: &Next, mut typed: Flash) -> Refused {
        refusal.log();
        if self.wants_page {
            let page = typed.page.clone();
            typed.notice = refusal.notice();
            if let Refusal::Fields(errors) = refusal {
                typed.problems = errors
                    .iter()
                    .map(|error| (error.field.name().to_owned(), error.problem.code().to_owned()))
                    .collect();
            }
            self.flash(&typed);
            self.go(&with_next(&page, next));
        } else {
            let status = refusal.status();
            self.response.set_status(status);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                self.response.insert_header(header::RETRY_AFTER, RETRY_AFTER);
            }
        }
        Refused::from(refusal)
    }

    /// For people only: a browser that asked for a page gets 303, whatever the function returns.
    fn go(&self, path: &str) {
        if let (true, Ok(location)) = (self.wants_page, HeaderValue::from_str(path)) {
            self.response.set_status(StatusCode::SEE_OTHER);
            self.response.insert_header(header::LOCATION, location);
        }
    }

    fn flash(&self, flash: &Flash) {
        let value = self.state.flash.seal(flash, self.state.clock.now());
        self.cookie(self.state.cookies.set(Cookie::Flash, &value, flash::LIFE));
    }

    fn cookie(&self, cookie: HeaderValue) {
        self.response.append_header(header::SET_COOKIE, cookie);
    }
}
