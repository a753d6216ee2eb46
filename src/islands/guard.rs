//! The browser's half of the guard.

use std::time::Duration;

use leptos::{ev, prelude::*};

use super::{dom, presence, session_events};

/// Keeps a protected view gated on the user it was rendered for, as long as the page lives. When
/// that session ends (here, in another tab, on another device, by its own end) or somebody else signs in, the view is
/// hidden at once and the server is asked again: it alone decides, and leads to the sign-in page.
#[island]
pub fn Guard(children: Children) -> impl IntoView {
    let shown = RwSignal::new(true);
    if is_browser() {
        watch(shown);
    }
    view! {
        <div class="guarded" hidden=move || !shown.get()>
            {children()}
        </div>
        <section class="panel ended" role="status" hidden=move || shown.get()>
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

fn watch(shown: RwSignal<bool>) {
    let rendered_for = dom::session().unwrap_or_default();
    presence::on_announcement(move |session| {
        if session != rendered_for {
            close(shown);
        }
    });

    let _kept = window_event_listener(ev::pageshow, move |event| {
        if event.persisted() {
            close(shown);
        }
    });

    session_events::follow(move |news| match news {
        // The token was renewed: what was hidden in doubt can be seen again.
        session_events::News::Lives => shown.set(true),
        session_events::News::Over => close(shown),
    });

    // Renewals come before the end. When one does not, nothing is shown until the server has been heard.
    set_interval(move || hide_if_expired(shown), Duration::from_secs(1));
    let _kept = window_event_listener(ev::visibilitychange, move |_| hide_if_expired(shown));
}

fn hide_if_expired(shown: RwSignal<bool>) {
    if shown.get_untracked() && dom::seconds_left().is_some_and(|left| left <= 0) {
        shown.set(false);
    }
}

fn close(shown: RwSignal<bool>) {
    shown.set(false);
    // Nothing better can be done when the browser refuses: the view stays hidden.
    let _ = window().location().reload();
}
