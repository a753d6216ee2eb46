//! The pages: rendered on the server, whole, before the first byte is sent. There is no client router: each
//! address is a route of `server::router`, each navigation a page.

pub mod client_name;
pub mod error;
mod facts;
mod fields;
mod format;
mod page;
pub mod pages;
pub mod reload;
mod shell;

pub use page::Page;
