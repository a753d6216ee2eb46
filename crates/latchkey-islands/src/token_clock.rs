//! How long the access token of this page still lives. The server says how many seconds are left, so a clock that is wrong
//! here does no harm; here they are only counted down.

use std::cell::Cell;

use leptos::prelude::window;

use super::dom;

/// Both clocks of the browser, in milliseconds. One that stands still while the machine sleeps, and one that the visitor can
/// set.
#[derive(Clone, Copy)]
struct Clocks {
    steady: f64,
    wall: f64,
}

/// What the server said, and when.
#[derive(Clone, Copy)]
struct Told {
    left: i32,
    at: Clocks,
}

thread_local! {
    static TOLD: Cell<Option<Told>> = const { Cell::new(None) };
}

/// Seconds until the access token ends, by the clock that is further ahead: one that was set back or stood still does not
/// keep a page open.
pub fn seconds_left() -> Option<i32> {
    let told = told()?;
    Some(told.left.saturating_sub(passed(told.at, Clocks::now()?)))
}

/// Takes note of how many seconds the server says are left. Returns whether it speaks of another token, that lives longer. Only
/// the steady clock tells: setting the other makes no token newer.
pub fn renewed(left: i32) -> bool {
    let Some(now) = Clocks::now() else { return false };
    let longer = told().is_some_and(|told| {
        let known = told.left.saturating_sub(whole_seconds(now.steady - told.at.steady));
        left > known.saturating_add(1)
    });
    TOLD.set(Some(Told { left, at: now }));
    longer
}

/// What the server said last: on the page itself, if nothing since.
fn told() -> Option<Told> {
    if TOLD.get().is_none() {
        let now = Clocks::now()?;
        // The steady clock begins when the page is asked for.
        let at = Clocks {
            steady: 0.0,
            wall: now.wall - now.steady,
        };
        TOLD.set(Some(Told {
            left: dom::page_attribute("data-ends-in")?.parse().ok()?,
            at,
        }));
    }
    TOLD.get()
}

impl Clocks {
    fn now() -> Option<Self> {
        Some(Self {
            steady: window().performance()?.now(),
            wall: js_sys::Date::now(),
        })
    }
}

fn passed(from: Clocks, to: Clocks) -> i32 {
    whole_seconds((to.steady - from.steady).max(to.wall - from.wall))
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, decades away")]
fn whole_seconds(milliseconds: f64) -> i32 {
    (milliseconds / 1000.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_is_further_ahead_counts() {
        let began = Clocks { steady: 0.0, wall: 1e12 };
        for (steady, wall, seconds) in [
            (5000.0, 1e12 + 5000.0, 5),
            // The machine slept.
            (5000.0, 1e12 + 3_605_000.0, 3605),
            // The visitor's clock was set back an hour.
            (5000.0, 1e12 - 3_595_000.0, 5),
        ] {
            assert_eq!(passed(began, Clocks { steady, wall }), seconds);
        }
    }
}
