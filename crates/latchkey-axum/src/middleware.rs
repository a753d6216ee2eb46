//! What every request passes, one file each. `router.rs` says in which order and why.

pub mod host;
pub mod same_origin;
pub mod security_headers;
pub mod session;
pub mod size;
