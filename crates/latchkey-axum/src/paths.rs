//! The addresses of pages that HTTP itself leads to.

/// The page with the sign-in form.
pub const LOG_IN: &str = "/login";

/// The page with the sign-up form.
pub const SIGN_UP: &str = "/signup";

/// The page with the form that changes a password, and the form's place on it.
pub const CHANGE_PASSWORD: &str = "/account#change-password";
