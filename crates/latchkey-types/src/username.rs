//! The public sign-in name.

use std::fmt;

use super::Problem;

/// Fewest characters in a name.
pub const MIN: usize = 3;
/// Most characters in a name.
pub const MAX: usize = 32;

/// Names that could be taken for the system or for a part of the site.
const RESERVED: [&str; 24] = [
    "abuse",
    "account",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "dashboard",
    "docs",
    "everyone",
    "help",
    "latchkey",
    "login",
    "logout",
    "me",
    "moderator",
    "null",
    "root",
    "security",
    "sessions",
    "signup",
    "superuser",
    "support",
    "system",
    "undefined",
];

/// A sign-in name in its one canonical form: 3 to 32 of `a-z 0-9 . _ -`, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Parses what was typed to name an account that is there: surrounding blanks are dropped and case is folded, so that every
    /// door (form, API, command line) reaches the same account.
    ///
    /// # Errors
    /// The first [`Problem`] with the name.
    pub fn parse(typed: &str) -> Result<Self, Problem> {
        let name = typed.trim_matches([' ', '\t']).to_ascii_lowercase();
        if name.is_empty() {
            return Err(Problem::Missing);
        }
        if !name.bytes().all(is_allowed) {
            return Err(Problem::NameCharacters);
        }
        if name.len() < MIN {
            return Err(Problem::NameTooShort);
        }
        if name.len() > MAX {
            return Err(Problem::NameTooLong);
        }
        if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Problem::NameOnlyPunctuation);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(Problem::NameReserved);
        }
        Ok(Self(name))
    }

    /// Parses the name of an account to be made. A name that begins with a mark would be taken for an option by commands, or
    /// for a hidden file; accounts of before may have one, so [`Username::parse`] still knows it.
    ///
    /// # Errors
    /// The first [`Problem`] with the name.
    pub fn parse_new(typed: &str) -> Result<Self, Problem> {
        let name = Self::parse(typed)?;
        if name.0.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            Ok(name)
        } else {
            Err(Problem::NameStart)
        }
    }

    /// The canonical name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &str) -> Result<String, Problem> {
        Username::parse(typed).map(|name| name.to_string())
    }

    #[test]
    fn case_and_surrounding_blanks_do_not_make_another_name() {
        assert_eq!(parsed(" Ada.Lovelace "), Ok("ada.lovelace".into()));
        assert_eq!(parsed("ada.lovelace"), Ok("ada.lovelace".into()));
    }

    #[test]
    fn the_limits_are_inclusive() {
        assert_eq!(parsed("abc"), Ok("abc".into()));
        assert_eq!(parsed("ab"), Err(Problem::NameTooShort));
        assert_eq!(parsed(&"a".repeat(32)), Ok("a".repeat(32)));
        assert_eq!(parsed(&"a".repeat(33)), Err(Problem::NameTooLong));
    }

    #[test]
    fn only_plain_letters_digits_and_three_marks_are_allowed() {
        for typed in ["ada lovelace", "ada@x", "аda", "ａda", "ada\0", "ada\n", "İada", "a/b", "a%41"] {
            assert_eq!(parsed(typed), Err(Problem::NameCharacters), "{typed:?}");
        }
        assert_eq!(parsed("..."), Err(Problem::NameOnlyPunctuation));
        assert_eq!(parsed("  "), Err(Problem::Missing));
    }

    #[test]
    fn reserved_names_are_refused_in_any_case() {
        assert_eq!(parsed("Admin"), Err(Problem::NameReserved));
        for name in RESERVED {
            assert!(parsed(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_new_name_begins_with_a_letter_or_a_digit_and_an_old_one_need_not() {
        for typed in ["--help", "-ada", ".profile", "_ada", " -ADA "] {
            assert_eq!(Username::parse_new(typed), Err(Problem::NameStart), "{typed:?}");
            assert!(Username::parse(typed).is_ok(), "{typed:?}");
        }
        for typed in ["ada", "1st", "a-._"] {
            assert_eq!(Username::parse_new(typed), Username::parse(typed), "{typed:?}");
        }
        assert_eq!(Username::parse_new("admin"), Err(Problem::NameReserved));
    }

    #[test]
    fn parsing_is_idempotent() {
        let once = parsed("Grace_Hopper-1").expect("valid");
        assert_eq!(parsed(&once), Ok(once.clone()));
    }
}
