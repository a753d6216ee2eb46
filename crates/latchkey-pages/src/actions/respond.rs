//! The boundary between server functions and HTTP: who posted a form, and how they are answered.

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use leptos::prelude::expect_context;
use leptos_axum::ResponseOptions;
use serde::{Deserialize, Serialize};

use super::Refused;
use latchkey_axum::cookies::CookieKind;
use latchkey_axum::errors::{HttpRefusal, wants_page};
use latchkey_axum::flash::{Flash, Notice};
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::{SignedIn, Visitor, with_next};
use latchkey_axum::{cookie_check, flash, visitor};
use latchkey_core::accounts::Refusal;
use latchkey_core::devices;
use latchkey_core::sessions::Tokens;
use latchkey_store::{Client, ClientKind, SessionId};
use latchkey_types::Next;

/// Where a post leads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Destination {
    /// A path on this site.
    pub next: String,
}

/// A form on a page.
#[derive(Clone, Copy, Debug)]
pub struct FormPlace {
    /// The page.
    pub page: &'static str,
    /// The id of the form on that page; empty if it is the only form.
    pub form: &'static str,
}

impl FormPlace {
    /// Returns the place of the only form of a page.
    pub const fn page(page: &'static str) -> Self {
        Self { page, form: "" }
    }

    /// Returns a flash for this form that says nothing yet.
    pub fn flash(self) -> Flash {
        Flash {
            page: self.page.to_owned(),
            form: self.form.to_owned(),
            ..Flash::default()
        }
    }
}

/// A posted form.
pub struct TypedForm {
    /// The place of the form and what was typed into it, never a password.
    pub flash: Flash,
    /// The page to open after signing in.
    pub next: Next,
}

impl TypedForm {
    /// Returns a form with no typed values to show again.
    pub fn at(place: FormPlace) -> Self {
        place.flash().into()
    }
}

impl From<Flash> for TypedForm {
    fn from(flash: Flash) -> Self {
        Self {
            flash,
            next: Next::default(),
        }
    }
}

/// What posting a form did.
pub enum Done {
    /// A session began.
    SignedIn(Tokens),
    /// Something changed. If the session was renewed, the browser gets its new tokens.
    Changed {
        /// What the page says about it.
        notice: Notice,
        /// The new tokens.
        renewed: Option<Tokens>,
    },
    /// The browser's session ended.
    SignedOut(Notice),
}

impl Done {
    /// Something changed, and the session goes on as it is.
    pub const fn said(notice: Notice) -> Self {
        Self::Changed { notice, renewed: None }
    }
}

/// The sender of a form.
pub struct Caller {
    /// The state of the app.
    pub state: AppState,
    /// The browser that posted.
    pub client: Client,
    visitor: Visitor,
    wants_page: bool,
    cookie_check_is_due: bool,
    response: ResponseOptions,
}

impl Caller {
    /// Reads the caller from the context that every server function runs in.
    pub fn from_context() -> Self {
        let parts: Parts = expect_context();
        let state: AppState = expect_context();
        Self {
            client: visitor::client(&state, ClientKind::Browser, &parts.headers, &parts.extensions),
            visitor: parts.extensions.get().cloned().unwrap_or_default(),
            wants_page: wants_page(&parts.headers),
            cookie_check_is_due: cookie_check::is_due(&state, &parts.headers),
            response: expect_context(),
            state,
        }
    }

    /// Returns the signed-in user, for functions that need one.
    pub fn signed_in(&self) -> Result<&SignedIn, Refusal> {
        match &self.visitor {
            Visitor::SignedIn(signed_in) => Ok(signed_in),
            Visitor::Anonymous | Visitor::Ended(_) => Err(Refusal::NotSignedIn),
            Visitor::Unknown => Err(Refusal::Unavailable),
        }
    }

    /// Returns the session of the browser.
    pub fn session(&self) -> Option<SessionId> {
        self.signed_in().ok().map(|signed_in| signed_in.claims.sid)
    }

    /// Answers a form: with what was done, or with the form again, its errors and what was typed. The error is for callers that
    /// want JSON.
    pub fn respond(&self, outcome: Result<Done, Refusal>, form: TypedForm) -> Result<Destination, Refused> {
        match outcome {
            Ok(Done::SignedIn(tokens)) => {
                self.sign_in(&tokens);
                Ok(self.go(&self.marked(form.next.as_str())))
            }
            Ok(Done::Changed { notice, renewed }) => {
                if let Some(tokens) = renewed {
                    self.sign_in(&tokens);
                }
                Ok(self.done(form.flash, notice))
            }
            Ok(Done::SignedOut(notice)) => {
                for cookie in self.state.cookies.sign_out() {
                    self.cookie(cookie);
                }
                Ok(self.done(FormPlace::page(super::LogIn::PAGE).flash(), notice))
            }
            Err(refusal) => Err(self.refuse(&refusal, form)),
        }
    }

    /// Puts the tokens of a session into the browser and remembers the browser as a known device of the account.
    fn sign_in(&self, tokens: &Tokens) {
        for cookie in self.state.cookies.sign_in(tokens) {
            self.cookie(cookie);
        }
        let (user, generation) = (&tokens.access.claims.sub, tokens.password_generation);
        if let Some(devices) = self.state.devices.remember(user, generation, &self.client.devices) {
            self.cookie(self.state.cookies.set(CookieKind::Device, &devices, devices::LIFE));
        }
    }

    /// Leads to a page that says what was done.
    fn done(&self, mut place: Flash, notice: Notice) -> Destination {
        place.notice = Some(notice);
        if self.wants_page {
            self.flash(&place);
        }
        self.go(&anchored(&place.page, &place.form))
    }

    /// Answers a program with a status; leads a browser back to the form. This is the one boundary between rules and forms.
    fn refuse(&self, refusal: &Refusal, form: TypedForm) -> Refused {
        refusal.log();
        let TypedForm { mut flash, next } = form;
        if !self.wants_page {
            self.response.set_status(refusal.status());
            if let Some(when) = refusal.retry_after() {
                self.response.insert_header(header::RETRY_AFTER, when);
            }
        } else if matches!(refusal, Refusal::NotSignedIn) {
            self.go(&with_next(super::LogIn::PAGE, &Next::parse(&flash.page)));
        } else {
            let back = self.marked(&anchored(&with_next(&flash.page, &next), &flash.form));
            flash.notice = refusal.notice();
            if let Refusal::Fields(errors) = refusal {
                flash.problems = errors
                    .iter()
                    .map(|error| (error.field.name().to_owned(), error.problem.code().to_owned()))
                    .collect();
            }
            self.flash(&flash);
            self.go(&back);
        }
        Refused::from(refusal)
    }

    /// Adds the marker that checks whether the browser keeps cookies, if that check is due.
    fn marked(&self, path: &str) -> String {
        if self.cookie_check_is_due {
            cookie_check::mark(path)
        } else {
            path.to_owned()
        }
    }

    /// Redirects a browser with 303, whatever the function returns. A program gets the path in the answer.
    pub fn go(&self, path: &str) -> Destination {
        if let (true, Ok(location)) = (self.wants_page, HeaderValue::from_str(path)) {
            self.response.set_status(StatusCode::SEE_OTHER);
            self.response.insert_header(header::LOCATION, location);
        }
        Destination { next: path.to_owned() }
    }

    fn flash(&self, flash: &Flash) {
        let value = self.state.flash.seal(flash, self.state.clock.now());
        self.cookie(self.state.cookies.set(CookieKind::Flash, &value, flash::LIFE));
    }

    fn cookie(&self, cookie: HeaderValue) {
        self.response.append_header(header::SET_COOKIE, cookie);
    }
}

fn anchored(path: &str, form: &str) -> String {
    if form.is_empty() {
        path.to_owned()
    } else {
        format!("{path}#{form}")
    }
}
