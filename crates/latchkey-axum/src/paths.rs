//! The paths of pages that the HTTP layer redirects to.

/// The page with the sign-in form.
pub const LOG_IN: &str = "/login";

/// The page with the sign-up form.
pub const SIGN_UP: &str = "/signup";

/// The page with the form that changes the password, and the fragment of that form.
pub const CHANGE_PASSWORD: &str = "/account#change-password";
