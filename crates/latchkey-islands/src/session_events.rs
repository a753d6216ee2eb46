//! Listens to `/session/events`: the server says when the session is over, and renews its token on the way.
//!
//! Only the visible tab listens: browsers allow six connections to a host, and one that is not looked at asks when it is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::{document, set_timeout, window};
use wasm_bindgen::JsCast;
use web_sys::{EventSource, MessageEvent};

use super::dom::{self, on};
use super::{page, token_clock};

const ADDRESS: &str = "/session/events";

/// How many seconds to wait when the server refuses the stream, the first time. Each time after that twice as long, and no
/// longer than the token lives.
const TRY_AGAIN: i32 = 2;

/// How long a form may take before the page is thought to stay.
const LONG_ANSWER: Duration = Duration::from_secs(20);

/// What the server says.
pub enum News {
    /// The session of this page lives.
    Lives,
    /// It is over, or its facts have changed: ask anew.
    Over,
}

type Heard = Rc<dyn Fn(News)>;

thread_local! {
    static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
    /// How many seconds to wait the next time that the server refuses.
    static WAIT: Cell<i32> = const { Cell::new(TRY_AGAIN) };
}

/// Listens whenever this tab is the visible one, for the life of the page. Returns what asks the server at once.
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

/// Opens the stream anew, because it begins with how long the token lives. One that is closed opens by itself when it should.
fn ask(heard: &Heard) {
    if SOURCE.with_borrow(Option::is_some) {
        stop();
        listen(heard);
    }
}

/// A form on its way may end this very session, and its answer leads on: the stream must not get in between.
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
        // Browsers come back by themselves after most failures, and give up after some.
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

/// Tries again later when the server answers the request for the stream with an error: too many are open, say. Once the token
/// has expired the page asks the server instead of the stream.
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

/// `session`: its id and the seconds that its token has left.
fn lives(event: &MessageEvent, heard: &Heard) {
    let data = event.data().as_string().unwrap_or_default();
    let Some((session, left)) = data.split_once(' ') else { return };
    if dom::session().as_deref() != Some(session) {
        stop();
        heard(News::Over);
    } else if let Ok(left) = left.parse() {
        WAIT.set(TRY_AGAIN);
        // A page that shows the token itself is loaded anew with the next one.
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
