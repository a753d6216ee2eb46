//! Loads the page anew, never twice for the same reason.

use std::cell::Cell;

use leptos::prelude::window;
use web_sys::PerformanceNavigation;

thread_local! {
    /// Whether something new has come since the page was last loaded anew.
    static MAY_RELOAD: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Allows one more reload: the server confirmed the session of this page, or the visitor came back to it.
pub fn allow_reload() {
    MAY_RELOAD.set(Some(true));
}

/// Asks the server for the page anew. A page that was itself loaded by a reload does not until [`allow_reload`]: if the
/// server's events contradict its pages, that ends with one reload and not in a loop.
pub fn reload() {
    let may = MAY_RELOAD.replace(Some(false)).unwrap_or_else(|| !was_reloaded());
    if may {
        // If the browser refuses, whatever is hidden stays hidden.
        let _ = window().location().reload();
    }
}

fn was_reloaded() -> bool {
    let performance = window().performance();
    performance.is_some_and(|performance| performance.navigation().type_() == PerformanceNavigation::TYPE_RELOAD)
}
