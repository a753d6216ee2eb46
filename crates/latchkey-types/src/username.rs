//! The public sign-in name.

use std::fmt;

use super::Problem;

/// Fewest characters in a name.
pub const MIN: usize = 3;
/// Most characters in a name.
pub const MAX: usize = 32;

/// Names that users could mistake for the system or for a part of the site.
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

/// A sign-in name in its canonical form: 3 to 32 characters of `a-z 0-9 . _ -`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Parses the name of an existing account and returns the first [`Problem`] found. Surrounding spaces and tabs are dropped and
    /// the name is lowercased, so that the form, the API and the command line find the same account.
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

    /// Parses the name of a new account and returns the first [`Problem`] found. A new name must begin with a letter or a digit,
    /// because commands could mistake a name such as `-ada` for an option and `.ada` for a hidden file. Older accounts may have
    /// such a name, so [`Username::parse`] still accepts it.
    pub fn parse_new(typed: &str) -> Result<Self, Problem> {
        let name = Self::parse(typed)?;
        if name.0.starts_with(|first: char| first.is_ascii_alphanumeric()) {
            Ok(name)
        } else {
            Err(Problem::NameStart)
        }
    }

    /// Returns the canonical name.
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
    fn case_and_surrounding_spaces_are_ignored() {
        assert_eq!(parsed(" Ada.Lovelace "), Ok("ada.lovelace".into()));
        assert_eq!(parsed("ada.lovelace"), Ok("ada.lovelace".into()));
    }

    #[test]
    fn the_length_limits_are_inclusive() {
        assert_eq!(parsed("abc"), Ok("abc".into()));
        assert_eq!(parsed("ab"), Err(Problem::NameTooShort));
        assert_eq!(parsed(&"a".repeat(32)), Ok("a".repeat(32)));
        assert_eq!(parsed(&"a".repeat(33)), Err(Problem::NameTooLong));
    }

    #[test]
    fn only_ascii_letters_digits_dots_dashes_and_underscores_are_allowed() {
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
    fn only_a_new_name_must_begin_with_a_letter_or_a_digit() {
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
    fn parsing_a_canonical_name_returns_the_same_name() {
        let once = parsed("Grace_Hopper-1").expect("valid");
        assert_eq!(parsed(&once), Ok(once.clone()));
    }
}
