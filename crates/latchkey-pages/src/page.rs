//! What every page is made with.

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
    /// Set with the page once its flash was shown.
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
    /// A page that says nothing of any visitor.
    pub(crate) fn anonymous() -> Self {
        Self {
            visit: Visit::anonymous(),
            flash: Flash::default(),
            cookie: None,
            flash_is_shown: false,
        }
    }

    /// Takes what the last post of a form on this page had to say. The page that shows it also removes it from the browser.
    pub fn take_flash(&mut self) -> Flash {
        self.flash_is_shown = true;
        std::mem::take(&mut self.flash)
    }

    /// Renders a page that anybody may see. `main` is what stands between header and footer, its `<h1>` first.
    pub fn public<V: IntoView + 'static>(self, title: &str, main: impl FnOnce() -> V) -> Response {
        self.render(title, "stack", main)
    }

    /// Renders a page that only a signed-in user sees. Asking for a [`SignedIn`] is the server's half of the
    /// guard: nobody has one without a verified token. The [`Guard`] island is the browser's half.
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

    /// Renders a page of one narrow column, for forms.
    pub(super) fn narrow<V: IntoView + 'static>(self, title: &str, main: impl FnOnce() -> V) -> Response {
        self.render(title, "narrow stack", main)
    }

    fn render<V: IntoView + 'static>(self, title: &str, class: &'static str, main: impl FnOnce() -> V) -> Response {
        // Everything a page shows is there before this begins, so rendering is one synchronous call: no stream
        // that could be left half read, and no inline scripts for the policy to allow.
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
