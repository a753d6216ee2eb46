//! A page that is rendered: its shell, its guard and its flash.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, header};
use hydration_context::SsrSharedContext;
use leptos::prelude::*;

use super::shell::shell;
use super::visit::Visit;
use latchkey_axum::cookies::CookieKind;
use latchkey_axum::flash::Flash;
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::SignedIn;
use latchkey_axum::{cookie_check, paths};
use latchkey_islands::Guard;

/// One page about to be rendered.
pub struct Page {
    pub(crate) visit: Visit,
    flash: Flash,
    /// The cookie to set once the flash was shown.
    cookie: Option<HeaderValue>,
    flash_is_shown: bool,
}

impl FromRequestParts<AppState> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let flash = state.cookies.read(&parts.headers, CookieKind::Flash);
        let flash = flash.and_then(|value| state.flash.open(value, &visit.path, state.clock.now()));
        let flash = flash.unwrap_or_default();
        let has_flash = flash != Flash::default();
        let cookie = if [paths::LOG_IN, paths::SIGN_UP].contains(&visit.path.as_str()) {
            cookie_check::after_sign_in_page(state, &parts.headers, has_flash)
        } else {
            has_flash.then(|| state.cookies.clear(CookieKind::Flash))
        };
        Ok(Self {
            visit,
            flash,
            cookie,
            flash_is_shown: false,
        })
    }
}

impl Page {
    /// Returns a page that shows nothing about the visitor.
    pub(crate) fn anonymous() -> Self {
        Self {
            visit: Visit::anonymous(),
            flash: Flash::default(),
            cookie: None,
            flash_is_shown: false,
        }
    }

    /// Takes the message that the last post of a form left for this page. Rendering the page then removes it from the browser.
    pub fn take_flash(&mut self) -> Flash {
        self.flash_is_shown = true;
        std::mem::take(&mut self.flash)
    }

    /// Renders a page that anybody may see. `main` is the content between header and footer and begins with the `<h1>`.
    pub fn public<V: IntoView + 'static>(self, title: &str, main: impl FnOnce() -> V) -> Response {
        self.render(title, "stack", main)
    }

    /// Renders a page that only a signed-in user sees. The [`SignedIn`] is the server's half of
    /// the guard: only a verified token produces one. The [`Guard`] island is the browser's half.
    pub fn guarded<V: IntoView + 'static>(self, title: &'static str, signed_in: SignedIn, view: impl FnOnce(SignedIn) -> V) -> Response {
        self.render(title, "stack", move || {
            let view = view(signed_in).into_any();
            view! {
                <h1>{title}</h1>
                <Guard>
                    <section class="stack" data-protected-view aria-label=title>
                        {view}
                    </section>
                </Guard>
            }
        })
    }

    /// Renders a page with one narrow column, for forms.
    pub(super) fn narrow<V: IntoView + 'static>(self, title: &str, main: impl FnOnce() -> V) -> Response {
        self.render(title, "narrow stack", main)
    }

    fn render<V: IntoView + 'static>(self, title: &str, class: &'static str, main: impl FnOnce() -> V) -> Response {
        // All data is loaded before this, so rendering is one synchronous call: no stream can be left half read, and there are
        // no inline scripts that the CSP would have to allow.
        let cookie = self.cookie.filter(|_| self.flash_is_shown);
        let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
        let html = owner.with(|| shell(self.visit, title, class, main().into_any()).to_html());
        owner.unset_with_forced_cleanup();
        let mut response = Html(html).into_response();
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}
