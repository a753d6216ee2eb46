//! Latchkey: a sign-in app you own. Its sign-in is in the crates; what this app adds are its own pages.
//!
//! Compiled for the browser it is the islands alone, compiled for the server all the rest. The lines below are the only ones
//! that depend on that.

// A view's type nests as deep as its elements.
#![recursion_limit = "256"]

#[cfg(target_arch = "wasm32")]
mod hydrate;
#[cfg(not(target_arch = "wasm32"))]
pub mod pages;
#[cfg(not(target_arch = "wasm32"))]
pub mod router;
