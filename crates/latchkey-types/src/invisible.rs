//! Characters that are invisible, or that change how the text around them is displayed. An attacker could use them to imitate
//! the email address of another user, and a terminal executes some of them as commands.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Invisible letters and marks (Unicode's `Default_Ignorable_Code_Point` without the category `Format`), and the blank Braille
/// pattern.
const IGNORABLE: [RangeInclusive<char>; 9] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Returns whether a character is a control character, a format character (such as a direction mark), a space character other
/// than U+0020, for private use, unassigned, or invisible for another reason.
pub fn is_invisible(character: char) -> bool {
    let by_category = matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    );
    (by_category && character != ' ') || IGNORABLE.iter().any(|range| range.contains(&character))
}

/// Replaces each invisible character by an escape such as `\u{202e}`.
pub fn escape_invisible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_text_of_any_script_is_unchanged() {
        for text in [
            "ada@example.org",
            "o'brien \\ x",
            "jürgen",
            "אדה",
            "عادل",
            "आदा",
            "e\u{301}",
            "艾达",
            "🔑",
        ] {
            assert_eq!(escape_invisible(text), text);
        }
    }

    #[test]
    fn invisible_and_direction_changing_characters_are_escaped() {
        for (text, escaped) in [
            ("a\u{202e}b", r"a\u{202e}b"),
            ("\u{200b}", r"\u{200b}"),
            ("\u{2066}\u{2069}", r"\u{2066}\u{2069}"),
            ("\u{ad}", r"\u{ad}"),
            ("\u{feff}", r"\u{feff}"),
            ("\u{a0}", r"\u{a0}"),
            ("\u{2028}", r"\u{2028}"),
            ("\u{1b}[31m\n", r"\u{1b}[31m\u{a}"),
            ("\u{e0041}", r"\u{e0041}"),
            ("\u{e000}", r"\u{e000}"),
            ("\u{378}", r"\u{378}"),
            ("\u{3164}\u{fe0f}\u{34f}\u{2800}", r"\u{3164}\u{fe0f}\u{34f}\u{2800}"),
        ] {
            assert_eq!(escape_invisible(text), escaped);
        }
    }
}
