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

use leptos::server_fn::ServerFn;

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

/// Returns the page where the form of a server function is, by the function's path.
pub fn page_of_form(path: &str) -> Option<&'static str> {
    let forms = [
        (LogIn::PATH, LogIn::PAGE),
        (SignUp::PATH, SignUp::PAGE),
        (LogOut::PATH, LogOut::PAGE),
        (EndSession::PATH, EndSession::PAGE),
        (EndOtherSessions::PATH, EndSession::PAGE),
        (ChangePassword::PATH, ChangePassword::PLACE.page),
        (ChangeEmail::PATH, ChangeEmail::PLACE.page),
        (RemoveAccount::PATH, RemoveAccount::PLACE.page),
    ];
    forms.into_iter().find(|(known, _)| *known == path).map(|(_, page)| page)
}
