//! Copies a line of code.

use std::time::Duration;

use leptos::{html, prelude::*};

/// Around a `<pre>`: a button that copies its text.
#[island]
pub fn CopyButton(children: Children) -> impl IntoView {
    let place = NodeRef::<html::Div>::new();
    let alive = RwSignal::new(false);
    let copied = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    let copy = move |_| {
        let text = place
            .get_untracked()
            .and_then(|place| place.query_selector("pre").ok().flatten())
            .and_then(|code| code.text_content());
        if let Some(text) = text {
            // The browser may refuse; the text is there to be selected by hand.
            let _ = window().navigator().clipboard().write_text(&text);
            copied.set(true);
            set_timeout(move || copied.set(false), Duration::from_secs(2));
        }
    };
    view! {
        <div class="copyable" node_ref=place>
            {children()}
            <button type="button" class="copy" hidden=move || !alive.get() on:click=copy>
                {move || if copied.get() { "Copied" } else { "Copy" }}
            </button>
        </div>
    }
}
