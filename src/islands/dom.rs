//! The few facts that islands read from the page.
//!
//! WASM is weighed: an `Effect` costs a kilobyte for each of its closures, the parser of fractions
//! fourteen. So islands act in their event handlers, and numbers are whole.

use std::cell::Cell;

use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event};

/// The id of the session that this page was rendered for: empty when nobody is signed in, nothing
/// when the server could not tell.
pub fn session() -> Option<String> {
    page_attribute("data-session")
}

/// The name of the channel on which the tabs of this app tell each other who is signed in.
pub fn channel() -> Option<String> {
    page_attribute("data-channel")
}

thread_local! {
    /// When the access token ends, in seconds since the page was loaded; once the server said so again.
    static ENDS_AT: Cell<Option<i32>> = const { Cell::new(None) };
}

/// Seconds until the access token ends. The server says how many were left when it rendered the page, so
/// a wrong clock here does no harm.
pub fn seconds_left() -> Option<i32> {
    let ends_at = ENDS_AT.get().or_else(|| page_attribute("data-ends-in")?.parse().ok())?;
    Some(ends_at.saturating_sub(since_load()?))
}

/// Takes note of how long the token lives. Whether it is another one, that lives longer.
pub fn renewed(left: i32) -> bool {
    let longer = seconds_left().is_some_and(|known| left > known.saturating_add(1));
    ENDS_AT.set(since_load().map(|passed| passed.saturating_add(left)));
    longer
}

/// By the clock on the wall: the other one stands still while the machine sleeps.
#[expect(clippy::cast_possible_truncation, reason = "saturates, decades away")]
fn since_load() -> Option<i32> {
    let loaded_at = window().performance()?.time_origin();
    Some(((js_sys::Date::now() - loaded_at) / 1000.0) as i32)
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
