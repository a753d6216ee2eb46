//! The few facts that islands read from the page.
//!
//! WASM is weighed: an `Effect` costs a kilobyte for each of its closures, the parser of fractions
//! fourteen. So islands act in their event handlers, and numbers are whole.

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

/// The id of the session that this page was rendered for: empty when nobody is signed in, nothing
/// when the server could not tell.
pub fn session() -> Option<String> {
    page_attribute("data-session")
}

/// Seconds until the access token ends. The server says how many were left when it rendered the page, so
/// a wrong clock here does no harm.
#[expect(clippy::cast_possible_truncation, reason = "saturates, decades away")]
pub fn seconds_left() -> Option<i32> {
    let then: i32 = page_attribute("data-ends-in")?.parse().ok()?;
    let rendered_at = window().performance()?.time_origin();
    let passed = (js_sys::Date::now() - rendered_at) / 1000.0;
    Some(then.saturating_sub(passed as i32))
}

/// The first element that a selector finds.
pub fn find(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

/// The first element that a selector finds beside the one that handles an event.
pub fn find_beside(event: &Event, selector: &str) -> Option<Element> {
    let handler: Element = event.current_target()?.dyn_into().ok()?;
    handler.parent_element()?.query_selector(selector).ok().flatten()
}

/// What the server said of a field goes as soon as something else is typed there.
pub fn forget_error(input: &Element) {
    let _ = input.remove_attribute("aria-invalid");
    if let Some(error) = find(&format!("#{}-error", input.id())) {
        error.set_text_content(None);
    }
}

fn page_attribute(name: &str) -> Option<String> {
    document().document_element()?.get_attribute(name)
}
