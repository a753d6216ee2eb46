//! Page reloads during development with `cargo leptos watch`.

use std::env;
use std::sync::LazyLock;

/// Returns the port of the reload signal of `cargo leptos watch`. Always `None` in a release build, whatever the environment says.
pub fn port() -> Option<u16> {
    static PORT: LazyLock<Option<u16>> = LazyLock::new(|| {
        let watched = cfg!(debug_assertions) && env::var_os("LEPTOS_WATCH").is_some();
        watched.then(|| env::var("LEPTOS_RELOAD_PORT").ok()?.parse().ok())?
    });
    *PORT
}
