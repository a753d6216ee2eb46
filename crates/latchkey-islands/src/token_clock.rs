//! The remaining lifetime of this page's access token. The server tells how many seconds are left and the browser only counts
//! them down, so a wrong clock in the browser does no harm.

use std::cell::Cell;

use leptos::prelude::window;

use super::dom;

/// Both clocks of the browser, in milliseconds. The steady clock may stop while the machine sleeps, and the visitor can change the
/// wall clock.
#[derive(Clone, Copy)]
struct Clocks {
    steady: f64,
    wall: f64,
}

/// The seconds that the server said are left, and when it said so.
#[derive(Clone, Copy)]
struct Told {
    left: i32,
    at: Clocks,
}

thread_local! {
    static TOLD: Cell<Option<Told>> = const { Cell::new(None) };
}

/// Returns the seconds until the access token expires, by the clock that is further ahead. So a clock that was set back or that
/// stopped does not keep a page open.
pub fn seconds_left() -> Option<i32> {
    let told = told()?;
    Some(told.left.saturating_sub(passed(told.at, Clocks::now()?)))
}

/// Records how many seconds the server says are left. Returns whether this is a new token, which expires later than the old one.
/// Only the steady clock is used for that, because changing the wall clock must not make the token look newer.
pub fn renewed(left: i32) -> bool {
    let Some(now) = Clocks::now() else { return false };
    let longer = told().is_some_and(|told| {
        let known = told.left.saturating_sub(whole_seconds(now.steady - told.at.steady));
        left > known.saturating_add(1)
    });
    TOLD.set(Some(Told { left, at: now }));
    longer
}

/// Returns what the server said last. Before the first event, that is what the page itself says.
fn told() -> Option<Told> {
    if TOLD.get().is_none() {
        let now = Clocks::now()?;
        // The steady clock starts at zero when the page is requested.
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

#[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the limit is decades away")]
fn whole_seconds(milliseconds: f64) -> i32 {
    (milliseconds / 1000.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_that_is_further_ahead_is_used() {
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
