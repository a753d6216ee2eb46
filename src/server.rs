//! Everything behind the pages. Rules (`accounts`, `sessions`, `tokens`, `passwords`) know no HTTP and
//! no SQL; `store` knows no rules; `rest`, `middleware` and `router` know HTTP.

pub mod accounts;
pub mod assets;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cookie_check;
pub mod cookies;
pub mod devices;
pub mod errors;
pub mod flash;
pub mod form;
pub mod housekeeping;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod middleware;
pub mod network_quota;
pub mod news;
pub mod passwords;
pub mod peer;
pub mod refresh_tokens;
pub mod rest;
pub mod revocations;
pub mod router;
pub mod secret;
pub mod serve;
pub mod session;
pub mod session_events;
pub mod sessions;
pub mod state;
pub mod stop;
pub mod throttle;
pub mod tokens;
pub mod write_behind;
