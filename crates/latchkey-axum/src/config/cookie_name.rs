//! The stem of our cookies' names.

use crate::cookies::SUFFIXES;

/// Longest stem, in bytes.
const MAX: usize = 32;

/// Checks a stem. Two apps on one host must not come to the same cookie name, so a stem does not end as our own names do;
/// names that begin with `__` have a meaning for browsers. The error is the end of a sentence that begins with the
/// setting's name.
pub fn parse(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if text.is_empty() || text.len() > MAX || !text.bytes().all(allowed) {
        return Err(format!("\"{}\" is not a name of 1 to {MAX} of a-z 0-9 _ -", text.escape_debug()));
    }
    if text.starts_with("__") {
        return Err(format!(
            "\"{text}\" begins with two underscores, as names do that browsers treat in a special way"
        ));
    }
    match SUFFIXES.into_iter().find(|suffix| !suffix.is_empty() && text.ends_with(suffix)) {
        Some(suffix) => Err(format!("\"{text}\" ends with {suffix}, as the name of a cookie of another app may")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_stem_is_a_short_name_that_cannot_be_mistaken_for_another_cookie() {
        for text in ["latchkey", "a", "my_app-2", "refresh"] {
            assert_eq!(parse(text), Ok(text.to_owned()));
        }
        let long = "a".repeat(33);
        for text in [
            "",
            "Latchkey",
            "two words",
            "a=b",
            "a;b",
            "naïve",
            "__host-a",
            "__secure-a",
            "app-refresh",
            "app-device",
            "app-flash",
            &long,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
