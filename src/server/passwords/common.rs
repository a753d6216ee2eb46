//! The passwords that attackers try first.

use zxcvbn::zxcvbn;

/// Longest password that could be on a list of common ones, in bytes.
const LONGEST: usize = 40;

/// A guesser who knows the lists and the patterns is held off for at least this many tries. zxcvbn's list
/// has 30,000 common passwords, the 3,000 most common of at least 8 characters among them (ASVS 6.2.4).
const FEWEST_GUESSES: u64 = 40_000;

/// Whether the password is one of those: a listed password or word in any case, a keyboard run, a date, or little more than
/// one of the words that this account and this site suggest (ASVS 6.2.11).
pub fn is_common(password: &str, suggested: &[&str]) -> bool {
    password.len() <= LONGEST && zxcvbn(password, suggested).guesses() < FEWEST_GUESSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_passwords_are_known_in_any_case() {
        for password in [
            "password",
            "Password",
            "12345678",
            "qwertyuiop",
            "iloveyou",
            "1q2w3e4r",
            "baseball",
            "sunshine",
            "aaaaaaaa",
            "password1",
            "abcdefgh",
        ] {
            assert!(is_common(password, &[]), "{password}");
        }
    }

    #[test]
    fn others_are_not() {
        for password in ["correct horse battery", "zugvogel-7", "password of ada", "tr0ub4dor&3"] {
            assert!(!is_common(password, &[]), "{password}");
        }
    }

    #[test]
    fn what_the_account_and_the_site_suggest_is_common_there_alone() {
        for password in ["zugvogel1", "Zugvogel2026", "zugvogel!", "zugvogel-7"] {
            assert!(is_common(password, &["zugvogel"]), "{password}");
            assert!(!is_common(password, &["ada"]), "{password}");
        }
        assert!(!is_common("zugvogel on a quiet lake", &["zugvogel"]));
    }
}
