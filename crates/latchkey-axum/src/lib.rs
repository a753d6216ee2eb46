//! The HTTP layer of Latchkey: cookies and the visitor they identify, the API for programs, the layers around every route, and
//! the listener.
//!
//! | module | contains |
//! |---|---|
//! | `layers` | the layers that every request and response passes, in order |
//! | `api` | the HTTP API for programs, such as `/token` |
//! | `visitor`, `cookies`, `flash` | who sends a request, and what the browser stores |
//! | `middleware`, `strict_form` | the single layers and checks; the parser of form bodies |
//! | `serve` | the listener and the limits of connections |
//! | `config`, `log`, `trace` | the settings, the log on standard error, and the span of each request |

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
