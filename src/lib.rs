//! Latchkey: a sign-in app you own.
//!
//! | module | is | built for |
//! |---|---|---|
//! | [`islands`] | what comes alive in the browser | both |
//! | `app` | the pages: shell, views and their handlers | the server |
//! | `api` | the server functions that forms post to | the server |
//! | `server` | everything behind them: accounts, sessions, tokens, store, HTTP | the server |
//!
//! The lines below are the only ones in the crate that depend on a feature.

// A view's type nests as deep as its elements.
#![recursion_limit = "256"]

pub mod islands;

#[cfg(feature = "ssr")]
pub mod api;
#[cfg(feature = "ssr")]
pub mod app;
#[cfg(feature = "ssr")]
pub mod server;

/// Called once by `public/boot.js` when the WASM has arrived.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    islands::start();
}
