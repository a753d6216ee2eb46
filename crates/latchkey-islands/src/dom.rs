//! How islands use the page: they look elements up, listen to events, and set attributes and text.
//!
//! A test limits the size of the WASM. An `Effect` costs one kilobyte for each of its closures, and the parser of fractional
//! numbers costs fourteen. So islands act in their event handlers, and numbers from the page are integers.

use leptos::prelude::document;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, Event, EventTarget, HtmlInputElement};

/// Returns the id of the session that this page was rendered for: empty if the visitor was anonymous, `None` if the server
/// could not determine it.
pub fn session() -> Option<String> {
    page_attribute("data-session")
}

/// Returns the name of the channel on which the tabs of this app tell each other who is signed in.
pub fn channel() -> Option<String> {
    page_attribute("data-channel")
}

/// Returns an attribute of the root element, where the server puts facts about the page.
pub fn page_attribute(name: &str) -> Option<String> {
    document().document_element()?.get_attribute(name)
}

/// Returns the first element of the page that matches a selector.
pub fn find(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

/// Returns every element of the page that matches a selector.
pub fn find_all(selector: &str) -> impl Iterator<Item = Element> {
    let list = document().query_selector_all(selector).ok();
    let length = list.as_ref().map_or(0, web_sys::NodeList::length);
    (0..length).filter_map(move |n| list.as_ref()?.item(n)?.dyn_into().ok())
}

/// Returns the first element within an island that matches a selector.
pub fn find_in(island: &Element, selector: &str) -> Option<Element> {
    island.query_selector(selector).ok().flatten()
}

/// Listens to an event for the life of the page.
pub fn on(target: &EventTarget, kind: &str, handler: impl Fn(Event) + 'static) {
    let handler = Closure::<dyn Fn(Event)>::new(handler);
    // No browser refuses this.
    let _ = target.add_event_listener_with_callback(kind, handler.as_ref().unchecked_ref());
    handler.forget();
}

/// Sets an attribute, or removes it.
pub fn set_attribute(element: &Element, name: &str, value: Option<&str>) {
    // Fails only for invalid attribute names.
    let _ = match value {
        Some(value) => element.set_attribute(name, value),
        None => element.remove_attribute(name),
    };
}

/// Shows or hides an element.
pub fn set_hidden(element: &Element, hidden: bool) {
    set_attribute(element, "hidden", hidden.then_some(""));
}

/// Returns the input that fired the event, if it has a name. Inputs without a name are not from this app, for example those of
/// a browser extension.
pub fn input_of(event: &Event) -> Option<HtmlInputElement> {
    let input: HtmlInputElement = event.target()?.dyn_into().ok()?;
    (!input.name().is_empty()).then_some(input)
}

/// Writes a hint into its element. It replaces the whole content, because a page translator may have replaced the text nodes.
pub fn show_hint(element: &str, state: Option<&str>, sentence: &str) {
    if let Some(element) = find(element) {
        set_attribute(&element, "data-state", state);
        element.set_text_content(Some(sentence));
    }
}

/// Clears the server's error message for a field once the visitor types something else there.
pub fn forget_error(input: &Element) {
    set_attribute(input, "aria-invalid", None);
    if let Some(error) = find(&format!("#{}-error", input.id())) {
        error.set_text_content(None);
    }
}
