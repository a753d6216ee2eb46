//! A form that has been sent shows it, and is not sent twice.

use leptos::ev::{self, SubmitEvent};
use leptos::prelude::*;

use super::dom;

/// Around a form: marks its button busy from the post until the next page.
#[island]
pub fn PendingForm(children: Children) -> impl IntoView {
    if is_browser() {
        // A page that comes back from the back/forward cache can be sent again.
        let _kept = window_event_listener(ev::pageshow, |_| {
            if let Some(button) = dom::find("button[aria-busy]") {
                let _ = button.remove_attribute("aria-busy");
            }
        });
    }
    view! {
        <div class="live" on:submit=send_once>
            {children()}
        </div>
    }
}

fn send_once(event: SubmitEvent) {
    let Some(button) = dom::find_beside(&event, "button[type=submit]") else {
        return;
    };
    if button.has_attribute("aria-busy") {
        event.prevent_default();
    }
    let _ = button.set_attribute("aria-busy", "true");
}
