//! Reloads the page, and never twice for the same reason.

use std::cell::Cell;

use leptos::prelude::window;
use web_sys::PerformanceNavigation;

thread_local! {
    /// Whether another reload is allowed. `None` until [`allow_reload`] or [`reload`] is called for the first time.
    static MAY_RELOAD: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Allows one more reload: the server confirmed the session of this page, or the visitor came back to it.
pub fn allow_reload() {
    MAY_RELOAD.set(Some(true));
}

/// Reloads the page. A page that was itself loaded by a reload is not reloaded until [`allow_reload`] is called. So if the
/// server's events contradict its pages, there is one reload and not a loop.
pub fn reload() {
    let may = MAY_RELOAD.replace(Some(false)).unwrap_or_else(|| !was_reloaded());
    if may {
        // If the browser refuses, a hidden view stays hidden.
        let _ = window().location().reload();
    }
}

fn was_reloaded() -> bool {
    let performance = window().performance();
    performance.is_some_and(|performance| performance.navigation().type_() == PerformanceNavigation::TYPE_RELOAD)
}
