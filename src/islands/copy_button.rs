//! Copies a line of code.

use std::time::Duration;

use leptos::ev::MouseEvent;
use leptos::prelude::*;

use super::dom;

/// Around a `<pre>`: a button that copies its text.
#[island]
pub fn CopyButton(children: Children) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |event: MouseEvent| {
        if let Some(text) = dom::find_beside(&event, "pre").and_then(|code| code.text_content()) {
            // The browser may refuse; the text is there to be selected by hand.
            let _ = window().navigator().clipboard().write_text(&text);
            copied.set(true);
            set_timeout(move || copied.set(false), Duration::from_secs(2));
        }
    };
    view! {
        <div class="copyable">
            {children()}
            <button type="button" class="copy" on:click=copy>
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        </div>
    }
}
