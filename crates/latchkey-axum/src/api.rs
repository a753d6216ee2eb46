//! The API for other programs. Its routes read the `Authorization` header and never a cookie.

pub mod health;
pub mod introspect;
pub mod me;
pub mod openapi;
pub mod protected;
pub mod revoke;
pub mod security_txt;
pub mod token;
pub mod well_known;
