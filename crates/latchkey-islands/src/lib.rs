//! Islands: the parts of pages that are interactive in the browser. Every page works without them.
//!
//! The server renders an island as plain elements whose root has the attribute `data-island`. In the browser, `attach` only
//! listens to events and changes elements that it looks up at that moment. It does not walk the rendered tree, so elements that an
//! extension inserts or a translator replaces cannot break it, and a missing part stops only that island. An island reads its data
//! from `data-` attributes of the page.

pub mod copy_button;
pub mod countdown;
mod dom;
pub mod guard;
mod page;
pub mod password_field;
pub mod pending_form;
mod presence;
mod session_stream;
mod token_clock;
pub mod username_field;

pub use copy_button::CopyButton;
pub use countdown::Countdown;
pub use guard::Guard;
pub use password_field::{NewPasswordField, PasswordField};
pub use pending_form::PendingForm;
pub use username_field::UsernameField;

/// Attaches every island of the page, then tells the other tabs which session this page was rendered for.
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
