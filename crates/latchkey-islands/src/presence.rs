//! The tabs of one browser tell each other who is signed in.

use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{BroadcastChannel, MessageEvent};

use super::dom;

/// Tells the other tabs which session this page was rendered for, now and when it is restored from the back/forward cache.
pub fn announce() {
    let Some(session) = dom::session() else { return };
    tell(&session);
    dom::on(&window(), "pageshow", move |_| tell(&session));
}

/// Calls `handler` with the session of every other page that loads, for the life of this page.
pub fn on_announcement(handler: impl Fn(String) + 'static) {
    let Some(channel) = open() else { return };
    let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        if let Some(session) = event.data().as_string() {
            handler(session);
        }
    });
    channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    listener.forget();
    // Keep the channel: the browser may garbage-collect an unreferenced one, and no messages would arrive.
    std::mem::forget(channel);
}

fn tell(session: &str) {
    if let Some(channel) = open() {
        // If the browser refuses, the other tabs notice with their next request.
        let _ = channel.post_message(&JsValue::from_str(session));
        channel.close();
    }
}

/// Opens the channel of this app's tabs. Another app on the same origin has another channel.
fn open() -> Option<BroadcastChannel> {
    BroadcastChannel::new(&dom::channel()?).ok()
}
