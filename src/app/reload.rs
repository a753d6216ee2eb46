//! Reloading while `cargo leptos watch` runs.

use std::env;
use std::sync::LazyLock;

/// The port of its reload signal; none anywhere else.
pub fn port() -> Option<u16> {
    static PORT: LazyLock<Option<u16>> = LazyLock::new(|| {
        env::var_os("LEPTOS_WATCH")?;
        env::var("LEPTOS_RELOAD_PORT").ok()?.parse().ok()
    });
    *PORT
}
