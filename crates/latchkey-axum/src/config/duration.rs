//! `90s`, `15m`, `12h`, `30d`.

/// Parses a duration to seconds, from one second to `longest`. The error is the end of a sentence that begins with the
/// setting's name.
pub fn parse(text: &str, longest: &str) -> Result<i64, String> {
    match (seconds(text), seconds(longest)) {
        (None, _) => Err(format!(
            "\"{}\" is not a duration; write one such as 90s, 15m, 12h or 30d",
            text.escape_debug()
        )),
        (Some(0), _) => Err(format!("\"{text}\" is no time at all; 1s is the shortest")),
        (Some(count), Some(most)) if count > most => Err(format!("\"{text}\" is longer than {longest}, the longest that is allowed")),
        (Some(count), _) => Ok(count),
    }
}

/// The seconds of a duration. A number that is too large counts as the largest.
fn seconds(text: &str) -> Option<i64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 24 * 3600,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(i64::MAX).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        assert_eq!(parse("1s", "400d"), Ok(1));
        assert_eq!(parse("15m", "400d"), Ok(900));
        assert_eq!(parse("12h", "400d"), Ok(43_200));
        assert_eq!(parse("30d", "400d"), Ok(2_592_000));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "15",
            "15 m",
            "-1s",
            "+1s",
            "1.5h",
            "0s",
            "1w",
            "٣s",
            "99999999999999999999d",
            "401d",
        ] {
            assert!(parse(text, "400d").is_err(), "{text}");
        }
    }

    #[test]
    fn the_longest_is_allowed_and_a_second_more_is_not() {
        assert_eq!(parse("300s", "5m"), Ok(300));
        assert_eq!(
            parse("301s", "5m"),
            Err("\"301s\" is longer than 5m, the longest that is allowed".into())
        );
    }
}
