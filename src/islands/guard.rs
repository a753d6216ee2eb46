//! The browser's half of the guard.

use std::time::Duration;

use leptos::{ev, prelude::*};

use super::{dom, presence};

/// Keeps a protected view gated on the user it was rendered for, as long as the page lives. When
/// that session ends (the token expires, another tab signs out or signs somebody else in, the page
/// returns from the back/forward cache) the view is hidden at once and the server is asked again:
/// it alone decides, and leads to the sign-in page.
#[island]
pub fn Guard(children: Children) -> impl IntoView {
    let signed_in = RwSignal::new(true);
    if is_browser() {
        watch(signed_in);
    }
    view! {
        <div class="guarded" hidden=move || !signed_in.get()>
            {children()}
        </div>
        <section class="panel ended" role="status" hidden=move || signed_in.get()>
            <h2>"Your session has ended"</h2>
            <p>"Sign in again to go on where you were."</p>
            <p>
                <a class="button primary" href="/login">
                    "Sign in"
                </a>
            </p>
        </section>
    }
}

fn watch(signed_in: RwSignal<bool>) {
    let rendered_for = dom::session().unwrap_or_default();
    presence::on_announcement(move |session| {
        if session != rendered_for {
            close(signed_in);
        }
    });

    let _kept = window_event_listener(ev::pageshow, move |event| {
        if event.persisted() {
            close(signed_in);
        }
    });

    close_when_expired(signed_in);
    // Timers sleep with the machine: look again when the tab is seen again.
    let _kept = window_event_listener(ev::visibilitychange, move |_| close_if_expired(signed_in));
    let _kept = window_event_listener(ev::focus, move |_| close_if_expired(signed_in));
}

fn close_when_expired(signed_in: RwSignal<bool>) {
    let Some(left) = dom::seconds_left() else { return };
    if left <= 0 {
        close(signed_in);
    } else {
        // Timers count milliseconds in 32 bits: a token that lives longer is looked at again.
        let wait = Duration::from_secs(u64::from(left.unsigned_abs()).min(24 * 3600));
        set_timeout(move || close_when_expired(signed_in), wait);
    }
}

fn close_if_expired(signed_in: RwSignal<bool>) {
    if dom::seconds_left().is_some_and(|left| left <= 0) {
        close(signed_in);
    }
}

fn close(signed_in: RwSignal<bool>) {
    signed_in.set(false);
    // Nothing better can be done when the browser refuses: the view stays hidden.
    let _ = window().location().reload();
}
