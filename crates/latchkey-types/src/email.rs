//! The optional, private email address.

use std::fmt;

use super::Problem;
use super::invisible::is_invisible;

/// Longest address (RFC 5321 section 4.5.3.1.3 less the angle brackets).
pub const MAX: usize = 254;

/// An email address of plausible shape. It is not known whether it receives mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses what was typed. Returns `None` if the field is empty, and [`Problem::EmailShape`] unless the address has exactly
    /// one ASCII `@` with something plausible on both sides and consists of visible characters only.
    pub fn parse(typed: &str) -> Result<Option<Self>, Problem> {
        let address = typed.trim_matches([' ', '\t']);
        if address.is_empty() {
            return Ok(None);
        }
        let plausible = address.len() <= MAX
            && !address
                .chars()
                .any(|c| is_invisible(c) || c.is_whitespace() || "<>()[],;:\\\"".contains(c))
            && address.split_once('@').is_some_and(|(local, domain)| {
                !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !domain.starts_with('.') && !domain.ends_with('.')
            });
        if plausible {
            Ok(Some(Self(address.to_owned())))
        } else {
            Err(Problem::EmailShape)
        }
    }

    /// Returns the address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prints `[redacted]`, because addresses are private and must not appear in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_parses_as_no_address() {
        assert_eq!(Email::parse("  "), Ok(None));
    }

    #[test]
    fn plausible_addresses_are_accepted_and_trimmed() {
        let email = Email::parse(" Ada@Example.org ").expect("valid").expect("some");
        assert_eq!(email.as_str(), "Ada@Example.org");
    }

    #[test]
    fn addresses_of_implausible_shape_are_refused() {
        let long = format!("{}@example.org", "a".repeat(260));
        for typed in [
            "ada",
            "@example.org",
            "ada@",
            "a@b@c",
            "a b@c",
            "a@b\r\nBcc: x",
            "a@.org",
            "ada＠example.org",
            "<ada@x.org>",
            "ada\u{202e}gro@example.org",
            "ada\u{200b}@example.org",
            &long,
        ] {
            assert_eq!(Email::parse(typed), Err(Problem::EmailShape), "{typed:?}");
        }
    }
}
