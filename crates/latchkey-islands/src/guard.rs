//! The browser's part of the guard of protected pages.

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, PageTransitionEvent};

use super::{dom, page, presence, session_stream, token_clock};

/// Shows a protected view only as long as the session it was rendered for is alive. When that session ends (here, in another
/// tab, on another device, or by expiry) or another user signs in, the guard hides the view at once and loads the page again.
/// Only the server decides, and it redirects to the sign-in page.
#[component]
pub fn Guard(children: Children) -> impl IntoView {
    view! {
        <div class="guarded" data-island="Guard">
            {children()}
        </div>
        <section class="panel ended" role="status" hidden>
            <h2>"Checking your session"</h2>
            <p>"Still waiting? Your session has probably ended. Sign in again to continue."</p>
            <p>
                <a class="button primary" href="/login">
                    "Sign in"
                </a>
            </p>
        </section>
    }
}

/// Guards the view for the life of the page.
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
    let ask = session_stream::follow(move |event| match event {
        // The token was renewed: show the view again if it was hidden while that was uncertain.
        session_stream::SessionEvent::Alive => here.set_shown(true),
        session_stream::SessionEvent::Over => here.close(),
    });

    // The server renews the token before it expires. If a renewal does not arrive, or a clock was changed, hide the view until
    // the server has answered.
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

/// The protected view. While it is hidden, a panel with the reason is shown in its place.
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

    /// Hides the view and reloads the page.
    fn close(&self) {
        self.set_shown(false);
        page::reload();
    }
}
