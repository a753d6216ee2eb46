//! What islands do to the page: they look elements up, listen, and set attributes and text.
//!
//! WASM is weighed: an `Effect` costs a kilobyte for each of its closures, the parser of fractions
//! fourteen. So islands act in their event handlers, and numbers from the page are whole.

use leptos::prelude::document;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event, EventTarget, HtmlInputElement};

/// The id of the session that this page was rendered for: empty when nobody is signed in, nothing
/// when the server could not tell.
pub fn session() -> Option<String> {
    page_attribute("data-session")
}

/// The name of the channel on which the tabs of this app tell each other who is signed in.
pub fn channel() -> Option<String> {
    page_attribute("data-channel")
}

/// An attribute of the root element, where the server states facts about the page.
pub fn page_attribute(name: &str) -> Option<String> {
    document().document_element()?.get_attribute(name)
}

/// The first element of the page that a selector finds.
pub fn find(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

/// Every element of the page that a selector finds.
pub fn find_all(selector: &str) -> impl Iterator<Item = Element> {
    let list = document().query_selector_all(selector).ok();
    let length = list.as_ref().map_or(0, web_sys::NodeList::length);
    (0..length).filter_map(move |n| list.as_ref()?.item(n)?.dyn_into().ok())
}

/// The first element within an island that a selector finds.
pub fn find_in(island: &Element, selector: &str) -> Option<Element> {
    island.query_selector(selector).ok().flatten()
}

/// Listens to an event for the life of the page.
pub fn on(target: &EventTarget, kind: &str, handler: impl Fn(Event) + 'static) {
    let handler = Closure::<dyn Fn(Event)>::new(handler);
    // Refused by no browser.
    let _ = target.add_event_listener_with_callback(kind, handler.as_ref().unchecked_ref());
    handler.forget();
}

/// Sets an attribute, or removes it.
pub fn set_attribute(element: &Element, name: &str, value: Option<&str>) {
    // Refused only for names that no attribute can have.
    let _ = match value {
        Some(value) => element.set_attribute(name, value),
        None => element.remove_attribute(name),
    };
}

/// Shows or hides an element.
pub fn set_hidden(element: &Element, hidden: bool) {
    set_attribute(element, "hidden", hidden.then_some(""));
}

/// The named input that an event is about. Others, such as an extension's, are not ours.
pub fn input_of(event: &Event) -> Option<HtmlInputElement> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    (!input.name().is_empty()).then_some(input)
}

/// Writes a hint into its element. The text itself may be in nodes of a translator by now.
pub fn show_hint(element: &str, state: Option<&str>, sentence: &str) {
    if let Some(element) = find(element) {
        set_attribute(&element, "data-state", state);
        element.set_text_content(Some(sentence));
    }
}

/// Clears what the server said of a field, once something else is typed there.
pub fn forget_error(input: &Element) {
    set_attribute(input, "aria-invalid", None);
    if let Some(error) = find(&format!("#{}-error", input.id())) {
        error.set_text_content(None);
    }
}
