//! Latchkey: a sign-in app you own. The crates implement sign-in; this app adds its own pages.
//!
//! For the browser (wasm32) this crate contains only the islands, for the server everything else. Only the lines below depend on
//! the target.

// The type of a view is nested as deeply as its elements.
#![recursion_limit = "256"]

#[cfg(target_arch = "wasm32")]
mod hydrate;
#[cfg(not(target_arch = "wasm32"))]
pub mod pages;
#[cfg(not(target_arch = "wasm32"))]
pub mod router;
