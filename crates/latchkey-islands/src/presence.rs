//! Tabs of one browser tell each other who is signed in.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{BroadcastChannel, MessageEvent};

use super::dom;

/// Tells the other tabs which session this page was rendered for, now and when it comes back from
/// the back/forward cache.
pub fn announce() {
    let Some(session) = dom::session() else { return };
    tell(&session);
    dom::on(&window(), "pageshow", move |_| tell(&session));
}

/// Calls back with the session of every other page that loads, for the life of this one.
pub fn on_announcement(heard: impl Fn(String) + 'static) {
    let Some(channel) = open() else { return };
    let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        if let Some(session) = event.data().as_string() {
            heard(session);
        }
    });
    channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    listener.forget();
    // A channel nobody holds may be collected, and would fall silent.
    std::mem::forget(channel);
}

fn tell(session: &str) {
    if let Some(channel) = open() {
        // A browser that refuses leaves the other tabs to their next request.
        let _ = channel.post_message(&JsValue::from_str(session));
        channel.close();
    }
}

/// The channel of the tabs of this app: another app on the same address has another one.
fn open() -> Option<BroadcastChannel> {
    BroadcastChannel::new(&dom::channel()?).ok()
}
