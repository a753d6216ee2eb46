//! The few facts that islands read from the page.

use leptos::prelude::document;

/// The id of the session that this page was rendered for: empty when nobody is signed in, nothing
/// when the server could not tell.
pub fn session() -> Option<String> {
    page_attribute("data-session")
}

/// When the access token ends, in milliseconds of this browser's clock. The server says how many
/// seconds were left, so a wrong clock here does no harm.
pub fn session_end() -> Option<f64> {
    let seconds_left: f64 = page_attribute("data-ends-in")?.parse().ok()?;
    let performance = leptos::prelude::window().performance()?;
    let page_asked_for_at = js_sys::Date::now() - performance.now();
    Some(page_asked_for_at + seconds_left * 1000.0)
}

fn page_attribute(name: &str) -> Option<String> {
    document().document_element()?.get_attribute(name)
}
