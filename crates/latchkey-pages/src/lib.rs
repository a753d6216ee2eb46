//! The pages: rendered on the server, whole, before the first byte is sent. There is no client router: each address is a
//! route, each navigation a page. `actions` are the server functions that their forms post to.

// A view's type nests as deep as its elements.
#![recursion_limit = "256"]

pub mod actions;
pub mod assets;
pub mod client_name;
pub mod description_list;
pub mod error_pages;
pub mod fields;
pub mod page;
pub mod pages;
pub mod shell;
pub mod time;
mod visit;

pub use page::Page;
