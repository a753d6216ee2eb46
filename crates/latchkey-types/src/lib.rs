//! Types that the server and the browser share. They are pure: no HTTP, no SQL, no clock, no randomness.
//!
//! Each type is validated once, by its `parse`. Code that holds the type need not check the value again.

pub mod email;
pub mod field;
pub mod invisible;
pub mod next;
pub mod password;
pub mod password_hint;
pub mod user;
pub mod username;

pub use crate::email::Email;
pub use crate::field::{Field, FieldError, Problem};
pub use crate::invisible::escape_invisible;
pub use crate::next::Next;
pub use crate::password::Password;
pub use crate::password_hint::PasswordHint;
pub use crate::user::{Role, User, UserId};
pub use crate::username::Username;
