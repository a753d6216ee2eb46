//! The browser's half of the guard.

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, PageTransitionEvent};

use super::{dom, page, presence, session_events, token_clock};

/// Keeps a protected view gated on the user it was rendered for, as long as the page lives. When
/// that session ends (here, in another tab, on another device, by its own end) or somebody else signs in, the view is
/// hidden at once and the server is asked again: it alone decides, and leads to the sign-in page.
#[component]
pub fn Guard(children: Children) -> impl IntoView {
    view! {
        <div class="guarded" data-island="Guard">
            {children()}
        </div>
        <section class="panel ended" role="status" hidden>
            <h2>"Checking your session"</h2>
            <p>"If this takes long, it is over: sign in again to go on where you were."</p>
            <p>
                <a class="button primary" href="/login">
                    "Sign in"
                </a>
            </p>
        </section>
    }
}

/// Watches over the view for the life of the page.
pub fn attach(island: Element) {
    let view = View(island);
    let rendered_for = dom::session().unwrap_or_default();
    let here = view.clone();
    presence::on_announcement(move |session| {
        if session != rendered_for {
            here.close();
        }
    });

    let here = view.clone();
    dom::on(&window(), "pageshow", move |event| {
        if event.dyn_ref::<PageTransitionEvent>().is_some_and(PageTransitionEvent::persisted) {
            page::allow_reload();
            here.close();
        }
    });

    let here = view.clone();
    let ask = session_events::follow(move |news| match news {
        // The token was renewed: what was hidden in doubt can be seen again.
        session_events::News::Lives => here.set_shown(true),
        session_events::News::Over => here.close(),
    });

    // Renewals come before the end. When one does not, or a clock was set, nothing is shown until the server has been heard.
    let check = move || {
        if view.is_shown() && token_clock::seconds_left().is_some_and(|left| left <= 0) {
            view.set_shown(false);
            ask();
        }
    };
    set_interval(check.clone(), Duration::from_secs(1));
    dom::on(&document(), "visibilitychange", move |_| {
        if !document().hidden() {
            page::allow_reload();
        }
        check();
    });
}

/// The protected view. In its place stands the word why it cannot be seen.
#[derive(Clone)]
struct View(Element);

impl View {
    fn is_shown(&self) -> bool {
        !self.0.has_attribute("hidden")
    }

    fn set_shown(&self, shown: bool) {
        dom::set_hidden(&self.0, !shown);
        if let Some(reason) = dom::find(".ended") {
            dom::set_hidden(&reason, shown);
        }
    }

    /// Hides the view and asks the server for the page anew.
    fn close(&self) {
        self.set_shown(false);
        page::reload();
    }
}
