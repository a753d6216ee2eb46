//! Listens to `/session/events`, on which the server tells when the session is over and renews its token.
//!
//! Only the visible tab listens, because browsers allow six connections to a host. A hidden tab asks when it becomes visible.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{document, set_timeout, window};
use wasm_bindgen::JsCast;
use web_sys::{EventSource, MessageEvent};

use super::dom::{self, on};
use super::{page, token_clock};

const ADDRESS: &str = "/session/events";

/// Seconds to wait after the server first refuses the stream. The wait doubles with each further refusal, up to the remaining
/// lifetime of the token.
const TRY_AGAIN: i32 = 2;

/// How long to wait for the answer to a form before listening again on this page.
const RESUME_AFTER: Duration = Duration::from_secs(20);

/// An event from the server.
pub enum SessionEvent {
    /// The session of this page is alive.
    Alive,
    /// The session is over or has changed: reload the page.
    Over,
}

type Handler = Rc<dyn Fn(SessionEvent)>;

thread_local! {
    static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
    /// Seconds to wait after the next refusal.
    static WAIT: Cell<i32> = const { Cell::new(TRY_AGAIN) };
}

/// Listens whenever this tab is visible, for the life of the page. Returns a function that asks the server at once.
pub fn follow(handler: impl Fn(SessionEvent) + 'static) -> impl Fn() + Clone {
    let handler: Handler = Rc::new(handler);
    listen(&handler);
    on(&window(), "submit", {
        let handler = Rc::clone(&handler);
        move |event| pause(event.default_prevented(), &handler)
    });
    on(&document(), "visibilitychange", {
        let handler = Rc::clone(&handler);
        move |_| listen(&handler)
    });
    move || ask(&handler)
}

/// Reopens the stream, because its first event tells how long the token is still valid. A closed stream is left alone: it is
/// opened elsewhere when it is time.
fn ask(handler: &Handler) {
    if SOURCE.with_borrow(Option::is_some) {
        stop();
        listen(handler);
    }
}

/// Closes the stream while a form is being sent. The form may end this session, and its answer leads to the next page: an event
/// of the stream must not reload the page before that.
fn pause(held_back: bool, handler: &Handler) {
    if !held_back {
        stop();
        let handler = Rc::clone(handler);
        set_timeout(move || listen(&handler), RESUME_AFTER);
    }
}

fn listen(handler: &Handler) {
    if document().hidden() {
        stop();
    } else if SOURCE.with_borrow(Option::is_none)
        && let Ok(source) = EventSource::new(ADDRESS)
    {
        on(&source, "session", {
            let handler = Rc::clone(handler);
            move |event| on_session(event.unchecked_ref(), &handler)
        });
        on(&source, "over", {
            let handler = Rc::clone(handler);
            move |_| {
                stop();
                handler(SessionEvent::Over);
            }
        });
        // Browsers reconnect by themselves after most failures. After some they give up.
        on(&source, "error", {
            let handler = Rc::clone(handler);
            move |_| {
                if SOURCE.with_borrow(|source| source.as_ref().is_some_and(|source| source.ready_state() == EventSource::CLOSED)) {
                    stop();
                    retry_later(&handler);
                }
            }
        });
        SOURCE.set(Some(source));
    }
}

/// Tries again later when the server answered the request for the stream with an error, for example because too many streams
/// are open. Once the token has expired, the page is reloaded instead.
fn retry_later(handler: &Handler) {
    let left = token_clock::seconds_left().unwrap_or_default();
    if left <= 0 {
        handler(SessionEvent::Over);
    } else {
        let wait = WAIT.replace(WAIT.get().saturating_mul(2)).min(left);
        let handler = Rc::clone(handler);
        set_timeout(move || listen(&handler), Duration::from_secs(wait.unsigned_abs().into()));
    }
}

/// Handles the event `session`, which contains the session id and the seconds until its token expires.
fn on_session(event: &MessageEvent, handler: &Handler) {
    let data = event.data().as_string().unwrap_or_default();
    let Some((session, left)) = data.split_once(' ') else { return };
    if dom::session().as_deref() != Some(session) {
        stop();
        handler(SessionEvent::Over);
    } else if let Ok(left) = left.parse() {
        WAIT.set(TRY_AGAIN);
        // A page that shows the token itself is reloaded to show the new token.
        if token_clock::renewed(left) && dom::find("[data-countdown]").is_some() {
            page::reload();
        }
        page::allow_reload();
        handler(SessionEvent::Alive);
    }
}

fn stop() {
    if let Some(source) = SOURCE.take() {
        source.close();
    }
}
