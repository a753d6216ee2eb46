//! The button that copies a block of code.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::Element;

use super::dom;

/// Wraps a `<pre>` and adds a button that copies its text.
#[component]
pub fn CopyButton(children: Children) -> impl IntoView {
    view! {
        <div class="copyable" data-island="CopyButton">
            {children()}
            <button type="button" class="copy">
                "Copy"
            </button>
        </div>
    }
}

/// Copies the text on a click, and shows "Copied" for two seconds.
pub fn attach(island: Element) {
    let Some(button) = dom::find_in(&island, "button.copy") else {
        return;
    };
    let target = button.clone();
    dom::on(&target, "click", move |_| {
        if let Some(text) = dom::find_in(&island, "pre").and_then(|code| code.text_content()) {
            // The browser may refuse. Then the visitor can still select the text by hand.
            let _ = window().navigator().clipboard().write_text(&text);
            button.set_text_content(Some("Copied"));
            let button = button.clone();
            set_timeout(move || button.set_text_content(Some("Copy")), Duration::from_secs(2));
        }
    });
}
