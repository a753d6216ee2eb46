//! `90s`, `15m`, `12h`, `30d`.

/// Longest duration: ten years. Sums with it cannot overflow.
const MAX: i64 = 3650 * 24 * 3600;

/// Parses a duration to seconds. The error is the end of a sentence that begins with the setting's name.
pub fn parse(text: &str) -> Result<i64, String> {
    let not_one = || format!("\"{text}\" is not a duration; write one such as 90s, 15m, 12h or 30d");
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 24 * 3600,
        _ => return Err(not_one()),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_one());
    }
    match digits.parse::<i64>().ok().and_then(|count| count.checked_mul(unit)) {
        Some(0) => Err(format!("\"{text}\" is no time at all; 1s is the least")),
        Some(seconds) if seconds <= MAX => Ok(seconds),
        _ => Err(format!("\"{text}\" is longer than ten years")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        assert_eq!(parse("1s"), Ok(1));
        assert_eq!(parse("15m"), Ok(900));
        assert_eq!(parse("12h"), Ok(43_200));
        assert_eq!(parse("30d"), Ok(2_592_000));
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
            "4000d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
