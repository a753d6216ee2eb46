//! The hint beside the field of a new password while it is typed. It never rates how easy the password is to guess, because only the
//! server checks that.

use super::password::MIN;
use super::{Password, Problem, Username};

/// A hint beside the field of a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordHint {
    /// The field is empty.
    Empty,
    /// The password is this many characters too short.
    TooShort(usize),
    /// The password is long enough.
    LongEnough,
    /// The password breaks a rule, and typing more characters cannot fix it.
    Bad(Problem),
}

impl PasswordHint {
    /// Returns the hint for what was typed so far.
    pub fn of(typed: &str, owner: Option<&Username>) -> Self {
        match Password::parse(typed, owner) {
            Err(Problem::Missing) => Self::Empty,
            Err(Problem::PasswordTooShort) => Self::TooShort(MIN - typed.chars().count()),
            Ok(_) => Self::LongEnough,
            Err(problem) => Self::Bad(problem),
        }
    }

    /// Returns the value of `data-state` for the style sheet: none, `ok` or `wrong`.
    pub fn state(self) -> Option<&'static str> {
        match self {
            Self::Empty | Self::TooShort(_) => None,
            Self::LongEnough => Some("ok"),
            Self::Bad(_) => Some("wrong"),
        }
    }

    /// Returns the sentence of the hint.
    pub fn sentence(self) -> String {
        match self {
            Self::Empty => "8 to 128 characters. Longer is better.".to_owned(),
            Self::TooShort(1) => "1 more character.".to_owned(),
            Self::TooShort(missing) => format!("{missing} more characters."),
            Self::LongEnough => "Long enough. Longer is better.".to_owned(),
            Self::Bad(problem) => problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_mentions_only_the_length() {
        for (typed, sentence) in [
            ("", "8 to 128 characters. Longer is better."),
            ("q", "7 more characters."),
            ("éééééé", "2 more characters."),
            ("quiet h", "1 more character."),
            ("quiet ha", "Long enough. Longer is better."),
            ("aaaaaaaa", "Long enough. Longer is better."),
            ("passwordpassword1", "Long enough. Longer is better."),
            ("Password123!Password", "Long enough. Longer is better."),
            ("qwertyuiopasdfghjklzxcvbnm", "Long enough. Longer is better."),
            ("letmeinplease2024", "Long enough. Longer is better."),
        ] {
            assert_eq!(PasswordHint::of(typed, None).sentence(), sentence, "{typed}");
        }
    }

    #[test]
    fn a_problem_that_more_characters_cannot_fix_is_shown_at_once() {
        let owner = Username::parse("ada.lovelace").expect("a name");
        for (typed, problem) in [
            ("Ada.Lovelace", Problem::PasswordIsName),
            (&*"e".repeat(129), Problem::PasswordTooLong),
            ("a\tb", Problem::PasswordControl),
        ] {
            let hint = PasswordHint::of(typed, Some(&owner));
            assert_eq!((hint, hint.state()), (PasswordHint::Bad(problem), Some("wrong")), "{typed}");
        }
    }
}
