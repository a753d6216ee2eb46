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
const LONG_ANSWER: Duration = Duration::from_secs(20);

/// An event from the server.
pub enum News {
    /// The session of this page is alive.
    Lives,
    /// The session is over or has changed: reload the page.
    Over,
}

type Heard = Rc<dyn Fn(News)>;

thread_local! {
    static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
    /// Seconds to wait after the next refusal.
    static WAIT: Cell<i32> = const { Cell::new(TRY_AGAIN) };
}

/// Listens whenever this tab is visible, for the life of the page. Returns a function that asks the server at once.
pub fn follow(heard: impl Fn(News) + 'static) -> impl Fn() + Clone {
    let heard: Heard = Rc::new(heard);
    listen(&heard);
    on(&window(), "submit", {
        let heard = Rc::clone(&heard);
        move |event| pause(event.default_prevented(), &heard)
    });
    on(&document(), "visibilitychange", {
        let heard = Rc::clone(&heard);
        move |_| listen(&heard)
    });
    move || ask(&heard)
}

/// Reopens the stream, because its first event tells how long the token is still valid. A closed stream is left alone: it is
/// opened elsewhere when it is time.
fn ask(heard: &Heard) {
    if SOURCE.with_borrow(Option::is_some) {
        stop();
        listen(heard);
    }
}

/// Closes the stream while a form is being sent. The form may end this session, and its answer leads to the next page: an event
/// of the stream must not reload the page before that.
fn pause(held_back: bool, heard: &Heard) {
    if !held_back {
        stop();
        let heard = Rc::clone(heard);
        set_timeout(move || listen(&heard), LONG_ANSWER);
    }
}

fn listen(heard: &Heard) {
    if document().hidden() {
        stop();
    } else if SOURCE.with_borrow(Option::is_none)
        && let Ok(source) = EventSource::new(ADDRESS)
    {
        on(&source, "session", {
            let heard = Rc::clone(heard);
            move |event| lives(event.unchecked_ref(), &heard)
        });
        on(&source, "over", {
            let heard = Rc::clone(heard);
            move |_| {
                stop();
                heard(News::Over);
            }
        });
        // Browsers reconnect by themselves after most failures. After some they give up.
        on(&source, "error", {
            let heard = Rc::clone(heard);
            move |_| {
                if SOURCE.with_borrow(|source| source.as_ref().is_some_and(|source| source.ready_state() == EventSource::CLOSED)) {
                    stop();
                    refused(&heard);
                }
            }
        });
        SOURCE.set(Some(source));
    }
}

/// Tries again later when the server answered the request for the stream with an error, for example because too many streams
/// are open. Once the token has expired, the page is reloaded instead.
fn refused(heard: &Heard) {
    let left = token_clock::seconds_left().unwrap_or_default();
    if left <= 0 {
        heard(News::Over);
    } else {
        let wait = WAIT.replace(WAIT.get().saturating_mul(2)).min(left);
        let heard = Rc::clone(heard);
        set_timeout(move || listen(&heard), Duration::from_secs(wait.unsigned_abs().into()));
    }
}

/// Handles the event `session`, which contains the session id and the seconds until its token expires.
fn lives(event: &MessageEvent, heard: &Heard) {
    let data = event.data().as_string().unwrap_or_default();
    let Some((session, left)) = data.split_once(' ') else { return };
    if dom::session().as_deref() != Some(session) {
        stop();
        heard(News::Over);
    } else if let Ok(left) = left.parse() {
        WAIT.set(TRY_AGAIN);
        // A page that shows the token itself is reloaded to show the new token.
        if token_clock::renewed(left) && dom::find("[data-countdown]").is_some() {
            page::reload();
        }
        page::allow_reload();
        heard(News::Lives);
    }
}

fn stop() {
    if let Some(source) = SOURCE.take() {
        source.close();
    }
}
