//! The single layers and checks, one file each. `layers.rs` puts most of them in order; the app's router adds `session`.

pub mod host;
pub mod same_origin;
pub mod security_headers;
pub mod session;
pub mod size;
