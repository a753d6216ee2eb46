//! What comes alive in the browser. Every page works without these.
//!
//! Islands take no props (they would bring a JSON parser along): what one must know it reads from
//! its server-rendered children or from a `data-` attribute of the page.

pub mod copy_button;
pub mod countdown;
mod dom;
pub mod guard;
pub mod password_field;
pub mod pending_form;
pub mod presence;
mod session_events;
pub mod username_field;

pub use copy_button::CopyButton;
pub use countdown::Countdown;
pub use guard::Guard;
pub use password_field::{NewPasswordField, PasswordField};
pub use pending_form::PendingForm;
pub use username_field::UsernameField;
