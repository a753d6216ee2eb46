//! Reloading while `cargo leptos watch` runs.

use std::env;
use std::sync::LazyLock;

/// The port of its reload signal; none anywhere else, whatever the environment of a release says.
pub fn port() -> Option<u16> {
    static PORT: LazyLock<Option<u16>> = LazyLock::new(|| {
        let watched = cfg!(debug_assertions) && env::var_os("LEPTOS_WATCH").is_some();
        watched.then(|| env::var("LEPTOS_RELOAD_PORT").ok()?.parse().ok())?
    });
    *PORT
}
