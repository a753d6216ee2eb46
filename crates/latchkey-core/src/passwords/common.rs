//! The passwords that attackers try first: a list, and what an estimator of guesses finds.

use std::collections::HashSet;
use std::sync::LazyLock;

use zxcvbn::zxcvbn;

/// The 3,000 most common passwords of at least 8 characters (ASVS 6.2.4), most common first, in lower case. From the crate
/// zxcvbn (MIT), which has them from leaks.
const MOST_COMMON: &str = include_str!("most_common.txt");

/// A guesser who knows the lists and the patterns is held off for at least this many tries. zxcvbn's list
/// has 30,000 common passwords.
const FEWEST_GUESSES: u64 = 40_000;

/// Characters that the estimator is given at a time: its time grows with their cube.
const MAX_WINDOW: usize = 40;

/// Readings of the signs in a window that stand for letters: the estimator tries each one.
const MAX_READINGS: usize = 16;

/// Characters that are read together whatever the signs among them: the whole of a shortest password.
const MIN_WINDOW: usize = latchkey_types::password::MIN;

/// Letters, and the signs that the estimator reads as each. Letters with a single sign have one reading.
const SIGNS: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];

/// Whether the password is one of the 3,000 most common, in any case. Takes no time worth mentioning.
pub fn is_listed(password: &str) -> bool {
    static LISTED: LazyLock<HashSet<&str>> = LazyLock::new(|| MOST_COMMON.lines().collect());
    LISTED.contains(password.to_lowercase().as_str())
}

/// Whether few guesses find the password: a listed password or word in any case, a keyboard run, a date, a repetition, or little
/// more than one of the words that this account and this site suggest (ASVS 6.2.11). Takes milliseconds: belongs on a thread that may block.
pub fn is_guessable(password: &str, suggested: &[&str]) -> bool {
    let characters: Vec<char> = password.chars().collect();
    guesses(&characters, suggested) < FEWEST_GUESSES
}

/// Guesses that find a password. One that is too long for the estimator is judged by what it repeats, or else by its beginning and
/// its end: whatever either of them needs, the whole needs too.
fn guesses(password: &[char], suggested: &[&str]) -> u64 {
    let beginning = window(password.iter());
    if beginning == password.len() {
        return estimate(password, suggested);
    }
    let period = period(password);
    if period <= password.len() / 2 {
        let times = password.len().div_ceil(period);
        return guesses(&password[..period], suggested).saturating_mul(times as u64);
    }
    let end = password.len() - window(password.iter().rev());
    estimate(&password[..beginning], suggested).max(estimate(&password[end..], suggested))
}

fn estimate(window: &[char], suggested: &[&str]) -> u64 {
    zxcvbn(&window.iter().collect::<String>(), suggested).guesses()
}

/// How many of these characters, from the first on, the estimator can read within its bounds.
fn window<'c>(characters: impl Iterator<Item = &'c char>) -> usize {
    let mut signs = String::new();
    characters
        .take(MAX_WINDOW)
        .enumerate()
        .take_while(|(before, character)| {
            if !signs.contains(**character) {
                signs.push(**character);
            }
            *before < MIN_WINDOW || readings(&signs) <= MAX_READINGS
        })
        .count()
}

/// In how many ways these characters can be read as letters, at most. A sign of two letters counts twice for the second one.
fn readings(characters: &str) -> usize {
    let ways = |letter: usize| {
        let of = |sign| {
            if SIGNS[..letter].iter().any(|earlier| earlier.contains(sign)) {
                2
            } else {
                1
            }
        };
        SIGNS[letter]
            .chars()
            .filter(|sign| characters.contains(*sign))
            .map(of)
            .sum::<usize>()
    };
    (0..SIGNS.len()).map(|letter| ways(letter).max(1)).product()
}

/// The smallest distance at which each character equals the one before it; the length, when nothing is repeated.
fn period(password: &[char]) -> usize {
    // The longest proper beginning of each part that is also its end (Knuth, Morris and Pratt).
    let mut borders = vec![0; password.len()];
    for end in 1..password.len() {
        let mut border: usize = borders[end - 1];
        while border > 0 && password[border] != password[end] {
            border = borders[border - 1];
        }
        borders[end] = border + usize::from(password[border] == password[end]);
    }
    password.len() - borders.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            assert!(is_guessable(password, &[]), "{password}");
            assert_eq!(is_listed(password), is_listed(&password.to_uppercase()), "{password}");
        }
        assert!(is_listed("Password") && is_listed("12345678") && !is_listed("zugvogel-7"));
    }

    #[test]
    fn the_list_holds_three_thousand_passwords_and_the_estimator_knows_them_too() {
        let all: Vec<&str> = MOST_COMMON.lines().collect();
        assert_eq!(all.len(), 3000);
        for password in &all {
            assert!(password.chars().count() >= 8 && *password == password.to_lowercase(), "{password}");
        }
        for password in all.iter().step_by(10) {
            assert!(is_guessable(password, &[]), "{password}");
        }
    }

    #[test]
    fn others_are_not() {
        for password in [
            "correct horse battery",
            "zugvogel-7",
            "password of ada",
            "tr0ub4dor&3",
            // Too many readings for one window.
            "k4@8({[<69!1|7035$+%2",
            "4@69$517",
        ] {
            assert!(!is_guessable(password, &[]), "{password}");
        }
    }

    #[test]
    fn what_the_account_and_the_site_suggest_is_common_there_alone() {
        for password in ["zugvogel1", "Zugvogel2026", "zugvogel!", "zugvogel-7"] {
            assert!(is_guessable(password, &["zugvogel"]), "{password}");
            assert!(!is_guessable(password, &["ada"]), "{password}");
        }
        assert!(!is_guessable("zugvogel on a quiet lake", &["zugvogel"]));
    }

    #[test]
    fn a_long_password_that_only_repeats_something_is_found_however_often_it_does() {
        for unit in ["a", "ab", "abc", "1234567890", "password", "zugvogel"] {
            for length in [41, 64, 100, 128] {
                let password: String = unit.chars().cycle().take(length).collect();
                assert!(is_guessable(&password, &["zugvogel"]), "{password}");
            }
        }
        let alphabet: String = (' '..='~').collect();
        assert!(is_guessable(&alphabet, &[]), "a run, too");
        assert!(is_guessable(&format!("{}1", "a".repeat(60)), &[]));
    }

    #[test]
    fn a_long_password_is_none_of_them_when_one_part_of_it_is_none() {
        let sentence = "quiet harbour lantern by the old mill";
        for password in [
            format!("{}{sentence}", "a".repeat(60)),
            format!("{sentence}{}", "a".repeat(60)),
            sentence.repeat(3),
            "correct horse battery staple ".repeat(4),
        ] {
            assert!(!is_guessable(&password, &[]), "{password}");
        }
    }

    #[test]
    fn the_estimator_reads_no_more_than_its_window() {
        for text in ["a", "4@8({[<69!1|7035$+%2", "1/1/91", "!1|7+l", "p4ssw0rd", "€uro"] {
            let text: Vec<char> = text.chars().cycle().take(128).collect();
            for window in [&text[..window(text.iter())], &text[text.len() - window(text.iter().rev())..]] {
                let text: String = window.iter().collect();
                assert!((MIN_WINDOW..=MAX_WINDOW).contains(&window.len()), "{text}");
                assert!(window.len() == MIN_WINDOW || readings(&text) <= MAX_READINGS, "{text}");
            }
        }
        assert_eq!(readings("!@#$%^&*()_+"), 1, "each letter has one sign");
        assert_eq!(readings("4@8({[<69!1|7035$+%2"), 2 * 4 * 2 * 3 * 5 * 2 * 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn up_to_forty_characters_without_many_signs_the_estimate_is_that_of_the_whole(password in "[a-z0 -]{8,40}") {
            let whole = zxcvbn(&password, &["ada"]).guesses() < FEWEST_GUESSES;
            prop_assert_eq!(is_guessable(&password, &["ada"]), whole);
        }

        #[test]
        fn no_password_makes_the_estimator_fail(password in "[\\PC]{8,128}|[aİßΣ1!|4@({<]{8,128}|(😀|e\u{301}|/1){4,60}") {
            is_guessable(&password, &["ada"]);
        }
    }
}
