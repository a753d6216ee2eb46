//! The rules of Latchkey: accounts, sessions, tokens, passwords, limits and revocations. Knows no HTTP and no SQL.
//!
//! [`Services`] builds all of them; each one holds the services that it uses. Time is passed in (`clock`).

pub mod accounts;
pub mod audit;
pub mod clock;
pub mod devices;
pub mod housekeeping;
pub mod keys;
pub mod metrics;
pub mod passwords;
pub mod refresh_tokens;
pub mod revocations;
pub mod secret;
mod services;
pub mod sessions;
pub mod throttle;
pub mod tokens;

pub use services::{Rules, Services};
