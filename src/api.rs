//! The server functions: what the forms post to. Thin: one call into `server` each.
//!
//! Without JavaScript a post is answered by a redirect to a page (303), with `Accept: application/json` by JSON and a
//! proper status.

mod caller;
mod log_in;
mod log_out;
mod refused;
mod sign_up;

pub use caller::Destination;
pub use log_in::LogIn;
pub use log_out::LogOut;
pub use refused::Refused;
pub use sign_up::SignUp;
