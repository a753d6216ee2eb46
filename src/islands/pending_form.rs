//! A form that has been sent shows it, and is not sent twice.

use leptos::{ev, html, prelude::*};

/// Around a form: marks its button busy from the post until the next page.
#[island]
pub fn PendingForm(children: Children) -> impl IntoView {
    let place = NodeRef::<html::Div>::new();
    let sent = RwSignal::new(false);
    // A page that comes back from the back/forward cache can be sent again.
    Effect::new(move |_| {
        let _kept = window_event_listener(ev::pageshow, move |_| sent.set(false));
    });
    Effect::new(move |_| {
        let busy = if sent.get() { "true" } else { "false" };
        if let Some(button) = place
            .get()
            .and_then(|place| place.query_selector("button[type=submit]").ok().flatten())
        {
            let _ = button.set_attribute("aria-busy", busy);
        }
    });
    let on_submit = move |event: ev::SubmitEvent| {
        if sent.get_untracked() {
            event.prevent_default();
        }
        sent.set(true);
    };
    view! {
        <div class="live" node_ref=place on:submit=on_submit>
            {children()}
        </div>
    }
}
