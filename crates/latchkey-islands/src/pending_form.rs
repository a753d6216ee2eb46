//! A form that shows when it has been sent and that cannot be sent twice.

use leptos::prelude::*;
use web_sys::Element;

use super::dom;

/// Wraps a form and marks its button busy from the submit until the next page.
#[component]
pub fn PendingForm(children: Children) -> impl IntoView {
    view! {
        <div class="live" data-island="PendingForm">
            {children()}
        </div>
    }
}

/// Marks the button busy when the form is sent, and prevents a second submit.
pub fn attach(island: Element) {
    const SUBMIT: &str = "button[type=submit]";
    let target = island.clone();
    let form = island.clone();
    dom::on(&target, "submit", move |event| {
        let Some(button) = dom::find_in(&form, SUBMIT) else { return };
        if button.has_attribute("aria-busy") {
            event.prevent_default();
        }
        dom::set_attribute(&button, "aria-busy", Some("true"));
    });
    // A page that comes back from the back/forward cache can be sent again.
    dom::on(&window(), "pageshow", move |_| {
        if let Some(button) = dom::find_in(&island, SUBMIT) {
            dom::set_attribute(&button, "aria-busy", None);
        }
    });
}
