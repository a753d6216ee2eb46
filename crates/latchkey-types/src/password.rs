//! A new password, checked against the rules that need no server.

use std::fmt;

use super::{Problem, Username};

/// Fewest characters in a new password.
pub const MIN: usize = 8;
/// Most characters in a password. Longer ones are never hashed.
pub const MAX: usize = 128;

/// A new password that follows the rules, exactly as it was sent. `Debug` is redacted and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Checks a new password for `owner` and returns the first [`Problem`] found. Nothing is trimmed or normalised (ASVS 6.2.8).
    /// The browser makes the same checks while the password is typed. Only the server checks the list of common passwords.
    pub fn parse(typed: &str, owner: Option<&Username>) -> Result<Self, Problem> {
        let length = typed.chars().count();
        if length == 0 {
            return Err(Problem::Missing);
        }
        if typed.chars().any(char::is_control) {
            return Err(Problem::PasswordControl);
        }
        if length < MIN {
            return Err(Problem::PasswordTooShort);
        }
        if length > MAX {
            return Err(Problem::PasswordTooLong);
        }
        if owner.is_some_and(|owner| typed.eq_ignore_ascii_case(owner.as_str())) {
            return Err(Problem::PasswordIsName);
        }
        Ok(Self(typed.to_owned()))
    }

    /// Returns the password itself. Use it only to hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(typed: &str) -> Option<Problem> {
        let owner = Username::parse("ada.lovelace").expect("valid");
        Password::parse(typed, Some(&owner)).err()
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(problem("1234567"), Some(Problem::PasswordTooShort));
        assert_eq!(problem("ééééééé"), Some(Problem::PasswordTooShort));
        assert_eq!(problem("éééééééé"), None);
        assert_eq!(problem(&"é".repeat(128)), None);
        assert_eq!(problem(&"e".repeat(129)), Some(Problem::PasswordTooLong));
        assert_eq!(problem(""), Some(Problem::Missing));
    }

    #[test]
    fn a_password_equal_to_the_name_is_refused_in_any_case() {
        assert_eq!(problem("Ada.Lovelace"), Some(Problem::PasswordIsName));
    }

    #[test]
    fn spaces_in_a_password_are_kept() {
        let password = Password::parse("  two words  ", None).expect("valid");
        assert_eq!(password.expose(), "  two words  ");
    }

    #[test]
    fn control_characters_are_refused() {
        assert_eq!(problem("12345678\0"), Some(Problem::PasswordControl));
    }

    #[test]
    fn debug_output_does_not_contain_the_password() {
        let password = Password::parse("correct horse", None).expect("valid");
        assert!(!format!("{password:?}").contains("horse"));
    }
}
