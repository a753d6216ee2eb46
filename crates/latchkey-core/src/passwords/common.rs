//! Detects passwords that attackers try first: with a list of common passwords, and with an estimate of the guesses they need.

use std::collections::HashSet;
use std::sync::LazyLock;

use zxcvbn::zxcvbn;

/// The 3,000 most common passwords of at least 8 characters (ASVS 6.2.4), most common first, in lower case. They come from the crate
/// zxcvbn (MIT), which took them from leaks.
const MOST_COMMON: &str = include_str!("most_common.txt");

/// Fewest guesses that an accepted password must withstand from an attacker who knows the lists and the patterns. zxcvbn's list has
/// 30,000 common passwords.
const FEWEST_GUESSES: u64 = 40_000;

/// Most characters that the estimator is given at a time, because its time grows with the cube of their number.
const MAX_WINDOW: usize = 40;

/// Most ways to read the signs in a window as letters, because the estimator tries each of them.
const MAX_READINGS: usize = 16;

/// Fewest characters of a window, whatever signs are among them: the length of the shortest allowed password.
const MIN_WINDOW: usize = latchkey_types::password::MIN;

/// For each letter, the signs that the estimator reads as that letter. Letters with a single sign are left out, because they can be
/// read in one way only.
const SIGNS: [&str; 7] = ["4@", "({[<", "69", "1!|", "1|7", "$5", "+7"];

/// Returns whether the password is one of the 3,000 most common ones, in upper or lower case. This is fast.
pub fn is_listed(password: &str) -> bool {
    static LISTED: LazyLock<HashSet<&str>> = LazyLock::new(|| MOST_COMMON.lines().collect());
    LISTED.contains(password.to_lowercase().as_str())
}

/// Returns whether the password is easy to guess: a listed password or word in upper or lower case, a keyboard run, a date, a
/// repetition, or little more than one of the words that this account and this site suggest (ASVS 6.2.11). This takes milliseconds, so
/// call it on a thread that may block.
pub fn is_guessable(password: &str, suggested: &[&str]) -> bool {
    let characters: Vec<char> = password.chars().collect();
    guesses(&characters, suggested) < FEWEST_GUESSES
}

/// Returns how many guesses find a password. A password that is too long for the estimator is judged by the part that it repeats. If
/// it repeats nothing, it is judged by its beginning and its end, because the whole needs at least as many guesses as either of them.
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

/// Returns how many of these characters, from the first on, the estimator can take within its bounds.
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

/// Returns an upper bound of the number of ways to read these characters as letters. A sign that stands for two letters counts twice
/// for the second one.
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

/// Returns the smallest distance at which every character equals the one that far before it, or the length if nothing is repeated.
fn period(password: &[char]) -> usize {
    // For each prefix, the length of its longest proper prefix that is also its suffix (Knuth, Morris and Pratt).
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
    fn common_passwords_are_detected_in_upper_and_lower_case() {
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
    fn uncommon_passwords_are_not_easy_to_guess() {
        for password in [
            "correct horse battery",
            "zugvogel-7",
            "password of ada",
            "tr0ub4dor&3",
            // These have too many readings for one window.
            "k4@8({[<69!1|7035$+%2",
            "4@69$517",
        ] {
            assert!(!is_guessable(password, &[]), "{password}");
        }
    }

    #[test]
    fn words_that_the_account_suggests_are_easy_to_guess_only_for_that_account() {
        for password in ["zugvogel1", "Zugvogel2026", "zugvogel!", "zugvogel-7"] {
            assert!(is_guessable(password, &["zugvogel"]), "{password}");
            assert!(!is_guessable(password, &["ada"]), "{password}");
        }
        assert!(!is_guessable("zugvogel on a quiet lake", &["zugvogel"]));
    }

    #[test]
    fn a_long_password_that_only_repeats_a_short_one_is_easy_to_guess() {
        for unit in ["a", "ab", "abc", "1234567890", "password", "zugvogel"] {
            for length in [41, 64, 100, 128] {
                let password: String = unit.chars().cycle().take(length).collect();
                assert!(is_guessable(&password, &["zugvogel"]), "{password}");
            }
        }
        let alphabet: String = (' '..='~').collect();
        assert!(is_guessable(&alphabet, &[]), "a long run is easy to guess too");
        assert!(is_guessable(&format!("{}1", "a".repeat(60)), &[]));
    }

    #[test]
    fn a_long_password_is_not_easy_to_guess_when_one_part_of_it_is_not() {
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
    fn each_window_stays_within_the_bounds_of_the_estimator() {
        for text in ["a", "4@8({[<69!1|7035$+%2", "1/1/91", "!1|7+l", "p4ssw0rd", "€uro"] {
            let text: Vec<char> = text.chars().cycle().take(128).collect();
            for window in [&text[..window(text.iter())], &text[text.len() - window(text.iter().rev())..]] {
                let text: String = window.iter().collect();
                assert!((MIN_WINDOW..=MAX_WINDOW).contains(&window.len()), "{text}");
                assert!(window.len() == MIN_WINDOW || readings(&text) <= MAX_READINGS, "{text}");
            }
        }
        assert_eq!(readings("!@#$%^&*()_+"), 1, "each of these signs has one reading");
        assert_eq!(readings("4@8({[<69!1|7035$+%2"), 2 * 4 * 2 * 3 * 5 * 2 * 3);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_password_of_up_to_forty_characters_with_few_signs_is_estimated_as_a_whole(password in "[a-z0 -]{8,40}") {
            let whole = zxcvbn(&password, &["ada"]).guesses() < FEWEST_GUESSES;
            prop_assert_eq!(is_guessable(&password, &["ada"]), whole);
        }

        #[test]
        fn no_password_makes_the_estimator_fail(password in "[\\PC]{8,128}|[aİßΣ1!|4@({<]{8,128}|(😀|e\u{301}|/1){4,60}") {
            is_guessable(&password, &["ada"]);
        }
    }
}
