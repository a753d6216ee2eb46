//! The form fields and what can be wrong with their values: fixed sentences, each tied to the field it belongs to.

use std::fmt;

/// A field of one of the app's forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The public sign-in name.
    Username,
    /// The password.
    Password,
    /// The optional, private email address.
    Email,
    /// The current password, which is asked for before a change.
    CurrentPassword,
    /// The new password.
    NewPassword,
    /// A field of a form that the app adds, by its name.
    Own(&'static str),
}

impl Field {
    /// Every field of the built-in forms, in the order in which they show them.
    pub const ALL: [Field; 5] = [
        Field::Username,
        Field::Password,
        Field::Email,
        Field::CurrentPassword,
        Field::NewPassword,
    ];

    /// Returns the `name` of the input, which is also the key in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Field::Username => "username",
            Field::Password => "password",
            Field::Email => "email",
            Field::CurrentPassword => "current_password",
            Field::NewPassword => "new_password",
            Field::Own(name) => name,
        }
    }
}

/// Why a value was refused. Its `Display` is the sentence shown beside the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The field is empty.
    Missing,
    /// The name has fewer than [`crate::username::MIN`] characters.
    NameTooShort,
    /// The name has more than [`crate::username::MAX`] characters.
    NameTooLong,
    /// The name has a character outside `a-z 0-9 . _ -`.
    NameCharacters,
    /// The name has no letter or digit.
    NameOnlyPunctuation,
    /// The new name begins with a dot, a dash or an underscore.
    NameStart,
    /// The name is reserved for the system.
    NameReserved,
    /// Another account has this name.
    NameTaken,
    /// The password has fewer than [`crate::password::MIN`] characters.
    PasswordTooShort,
    /// The password has more than [`crate::password::MAX`] characters.
    PasswordTooLong,
    /// The password equals the sign-in name.
    PasswordIsName,
    /// The password is one of those that attackers try first.
    PasswordCommon,
    /// The password has a NUL or another control character.
    PasswordControl,
    /// The password is not the password of the account.
    PasswordWrong,
    /// The password must be given again, because it was last given too long ago.
    PasswordNeeded,
    /// The name is not the name of the account.
    NameDiffers,
    /// The hash is neither argon2 nor bcrypt, cannot be verified here, or costs too much.
    HashUnknown,
    /// The value does not have the shape of an email address.
    EmailShape,
}

impl Problem {
    /// Every problem with its code, which is a stable word for JSON and for the flash cookie.
    const CODES: [(Problem, &'static str); 18] = [
        (Problem::Missing, "missing"),
        (Problem::NameTooShort, "name_too_short"),
        (Problem::NameTooLong, "name_too_long"),
        (Problem::NameCharacters, "name_characters"),
        (Problem::NameOnlyPunctuation, "name_only_punctuation"),
        (Problem::NameStart, "name_start"),
        (Problem::NameReserved, "name_reserved"),
        (Problem::NameTaken, "name_taken"),
        (Problem::PasswordTooShort, "password_too_short"),
        (Problem::PasswordTooLong, "password_too_long"),
        (Problem::PasswordIsName, "password_is_name"),
        (Problem::PasswordCommon, "password_common"),
        (Problem::PasswordControl, "password_control"),
        (Problem::PasswordWrong, "password_wrong"),
        (Problem::PasswordNeeded, "password_needed"),
        (Problem::NameDiffers, "name_differs"),
        (Problem::HashUnknown, "hash_unknown"),
        (Problem::EmailShape, "email_shape"),
    ];

    /// Returns the code of this problem.
    pub fn code(self) -> &'static str {
        Self::CODES
            .iter()
            .find(|(problem, _)| *problem == self)
            .map_or("", |(_, code)| code)
    }

    /// Returns the problem with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::CODES.iter().find(|(_, known)| *known == code).map(|(problem, _)| *problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Missing => "This field is required.",
            Problem::NameTooShort => "Use at least 3 characters.",
            Problem::NameTooLong => "Use at most 32 characters.",
            Problem::NameCharacters => "Use only letters a to z, digits, dots, dashes and underscores.",
            Problem::NameOnlyPunctuation => "Use at least one letter or digit.",
            Problem::NameStart => "Begin with a letter or a digit.",
            Problem::NameReserved => "This name is reserved. Choose another one.",
            Problem::NameTaken => "This name is taken. Choose another one.",
            Problem::PasswordTooShort => "Use at least 8 characters.",
            Problem::PasswordTooLong => "Use at most 128 characters.",
            Problem::PasswordIsName => "The password must not be the sign-in name.",
            Problem::PasswordCommon => "This password is one of those that attackers try first. Choose another one.",
            Problem::PasswordControl => "Leave out characters that cannot be typed, such as a line break.",
            Problem::PasswordWrong => "This is not your password.",
            Problem::PasswordNeeded => "Enter your password to continue: you last entered it a while ago.",
            Problem::HashUnknown => "The hash is neither argon2 (of at most 64 MiB and 32 passes) nor bcrypt (of cost 4 to 14).",
            Problem::NameDiffers => "This is not your sign-in name.",
            Problem::EmailShape => "This does not look like an email address. Check it, or leave it out.",
        })
    }
}

/// A [`Problem`] and the field that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field that has the problem.
    pub field: Field,
    /// What is wrong with the value.
    pub problem: Problem,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_can_be_found_by_its_code() {
        for (problem, code) in Problem::CODES {
            assert_eq!(problem.code(), code);
            assert_eq!(Problem::from_code(code), Some(problem));
            assert!(problem.to_string().ends_with('.'));
        }
        assert_eq!(Problem::from_code("<script>"), None);
    }
}
