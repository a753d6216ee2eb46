//! The pages. The server renders each page completely before it sends the first byte. There is no client-side router: each path
//! is a route, and each navigation loads a page. `actions` holds the server functions that the forms post to.

// The type of a view is nested as deeply as its elements.
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
