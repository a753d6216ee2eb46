//! What comes alive in the browser. Every page works without these.
//!
//! The server renders an island as plain elements whose root says `data-island`. In the browser its `attach` only listens to
//! events and changes elements that it looks up at that moment. It walks no rendered tree, so what an extension inserts or a
//! translator replaces cannot stop it, and a part that is missing stops that island alone. What an island must know it reads
//! from a `data-` attribute of the page.

pub mod copy_button;
pub mod countdown;
mod dom;
pub mod guard;
mod page;
pub mod password_field;
pub mod pending_form;
mod presence;
mod session_events;
mod token_clock;
pub mod username_field;

pub use copy_button::CopyButton;
pub use countdown::Countdown;
pub use guard::Guard;
pub use password_field::{NewPasswordField, PasswordField};
pub use pending_form::PendingForm;
pub use username_field::UsernameField;

/// Brings every island of the page to life, then tells the other tabs who this page was rendered for.
pub fn start() {
    for island in dom::find_all("[data-island]") {
        match island.get_attribute("data-island").unwrap_or_default().as_str() {
            "CopyButton" => copy_button::attach(island),
            "Countdown" => countdown::attach(island),
            "Guard" => guard::attach(island),
            "PasswordField" => password_field::attach_reveal(island),
            "NewPasswordField" => password_field::attach_hint(&island),
            "PendingForm" => pending_form::attach(island),
            "UsernameField" => username_field::attach(&island),
            _ => {}
        }
    }
    presence::announce();
}
