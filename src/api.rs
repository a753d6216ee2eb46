//! The server functions: what the forms post to. Thin: one call into `server` each.
//!
//! Without JavaScript a post is answered by a redirect to a page (303), with `Accept: application/json` by JSON and a
//! proper status.

mod caller;
mod change_email;
mod change_password;
mod end_other_sessions;
mod end_session;
mod log_in;
mod log_out;
mod refused;
mod remove_account;
mod sent;
mod sign_up;

pub use caller::{Destination, FormPlace};
pub use change_email::ChangeEmail;
pub use change_password::ChangePassword;
pub use end_other_sessions::EndOtherSessions;
pub use end_session::EndSession;
pub use log_in::LogIn;
pub use log_out::LogOut;
pub use refused::Refused;
pub use remove_account::RemoveAccount;
pub use sent::Sent;
pub use sign_up::SignUp;
