//! What the server and the browser both know. Pure: no HTTP, no SQL, no clock, no randomness.
//!
//! Each type has one `parse`; past it, code carries the type and need not check again.

pub mod email;
pub mod field;
pub mod invisible;
pub mod next;
pub mod password;
pub mod password_hint;
pub mod user;
pub mod username;

pub use email::Email;
pub use field::{Field, FieldError, Problem};
pub use invisible::escape_invisible;
pub use next::Next;
pub use password::Password;
pub use password_hint::PasswordHint;
pub use user::{Role, User, UserId};
pub use username::Username;
