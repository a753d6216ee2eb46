//! HTTP around the rules: cookies and the visitor they stand for, the API for other programs, the layers around every route,
//! and the listener.
//!
//! | module | is |
//! |---|---|
//! | `layers` | what every request passes on its way to a route and back |
//! | `api` | the API for other programs: `/token` and the like |
//! | `visitor`, `cookies`, `flash` | who is asking, and what their browser keeps |
//! | `middleware`, `strict_form` | what is refused before a route sees it |
//! | `serve` | the listener and the limits of connections |
//! | `config`, `log`, `trace` | the settings, lines on standard error, and the span of each request |

pub mod api;
pub mod client_ip;
pub mod config;
pub mod cookie_check;
pub mod cookies;
pub mod dev_reload;
pub mod errors;
pub mod flash;
pub mod layers;
pub mod log;
pub mod metrics;
pub mod middleware;
pub mod network_quota;
pub mod paths;
pub mod serve;
pub mod session_stream;
pub mod state;
pub mod strict_form;
pub mod trace;
pub mod visitor;
