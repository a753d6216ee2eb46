//! The server functions that the forms post to. Each one calls a function of `latchkey-core` and answers through `respond`.
//!
//! A browser gets a redirect to a page (303). A client that sends `Accept: application/json` gets JSON and a fitting status.

mod change_email;
mod change_password;
mod end_other_sessions;
mod end_session;
mod form_error;
mod log_in;
mod log_out;
mod maybe_field;
mod remove_account;
mod respond;
mod sign_up;

use axum::response::IntoResponse;
use leptos::server_fn::ServerFn;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
pub use change_email::ChangeEmail;
pub use change_password::ChangePassword;
pub use end_other_sessions::EndOtherSessions;
pub use end_session::EndSession;
pub use form_error::Refused;
use latchkey_axum::errors::refuse;
use latchkey_axum::state::AppState;
use latchkey_axum::strict_form;
use latchkey_axum::strict_form::{Form, FormError};
use leptos::context::provide_context;
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::handle_server_fns_with_context;
pub use log_in::LogIn;
pub use log_out::LogOut;
pub use maybe_field::Sent;
pub use remove_account::RemoveAccount;
pub use respond::{Caller, Destination, Done, FormPlace, TypedForm};
pub use sign_up::SignUp;

/// Returns the page that contains the form of the server function with this path.
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

/// Returns the routes of every `#[server]` function of the program, each at its own path.
pub fn routes() -> Router<AppState> {
    server_fn_paths().fold(Router::new(), |router, (path, _)| router.route(path, post(server_function)))
}

/// Parses the form strictly, then runs the server function.
async fn server_function(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = match strict_form::read_body(&parts.headers, body)
        .await
        .and_then(|bytes| Form::parse(&parts.headers, &bytes).map(|_| bytes))
    {
        Ok(bytes) => bytes,
        Err(FormError { status, sentence }) => return refuse(status, sentence),
    };
    let request = Request::from_parts(parts, Body::from(bytes));
    handle_server_fns_with_context(move || provide_context(state.clone()), request)
        .await
        .into_response()
}
