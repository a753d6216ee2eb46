//! Everything behind the pages. Rules (`accounts`, `sessions`, `tokens`, `passwords`) know no HTTP and
//! no SQL; `store` knows no rules; `rest`, `middleware` and `router` know HTTP.

pub mod assets;
pub mod cli;
pub mod config;
pub mod cookie_check;
pub mod cookies;
pub mod errors;
pub mod flash;
pub mod form;
pub mod log;
pub mod metrics;
pub mod middleware;
pub mod network_quota;
pub mod peer;
pub mod rest;
pub mod router;
pub mod serve;
pub mod session;
pub mod session_events;
pub mod state;
pub mod stop;
