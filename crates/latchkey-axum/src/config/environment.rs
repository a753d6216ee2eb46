//! The values of the environment and of `.env`, by the names of their variables.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::{env, fs, io};

use super::setting::PREFIX;
use super::settings::{ADDR, DATABASE_URL, SETTINGS};
use super::{ConfigError, dotenv};

/// Names that people try, without the prefix, and that are spelled too differently from the setting they mean.
static ALIASES: [(&str, &str); 3] = [("PORT", ADDR.variable), ("HOST", ADDR.variable), ("DB_URL", DATABASE_URL.variable)];

/// Why the environment or `.env` cannot be used, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The file exists and cannot be read.
    #[error(".env: it cannot be read: {0}.")]
    File(io::Error),
    /// One of its lines is malformed.
    #[error(".env, line {}: {}.", .0.line, .0.reason)]
    Line(dotenv::LineError),
    /// A variable with the prefix is not a setting.
    #[error("{name}: it is not a setting; {hint}.")]
    Unknown {
        /// The variable.
        name: String,
        /// What to do.
        hint: String,
    },
    /// The value of a setting is not text.
    #[error(transparent)]
    Value(#[from] ConfigError),
    /// A flag shows a password.
    #[error("{0}: the URL holds a password, and other users of this machine can see it in a flag; {1}.")]
    PasswordInFlag(&'static str, &'static str),
}

struct Found {
    value: OsString,
    /// Where it stands in `.env`.
    line: Option<usize>,
}

/// The variables that begin with `LATCHKEY_`. Each setting takes its own; what is left over is unknown.
pub struct Environment {
    found: BTreeMap<String, Found>,
}

impl Environment {
    /// Reads the environment of the process, and `.env` in the current directory.
    ///
    /// # Errors
    /// When the file exists and cannot be used.
    pub fn read() -> Result<Self, EnvironmentError> {
        let file = match fs::read(".env") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            file => file.map_err(EnvironmentError::File)?,
        };
        Self::new(env::vars_os(), &file)
    }

    /// A variable wins over the file, unless it is empty.
    fn new(variables: impl Iterator<Item = (OsString, OsString)>, file: &[u8]) -> Result<Self, EnvironmentError> {
        let mut found = BTreeMap::new();
        for entry in dotenv::parse(file, PREFIX).map_err(EnvironmentError::Line)? {
            let (value, line) = (entry.value.into(), Some(entry.line));
            found.insert(entry.name, Found { value, line });
        }
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            // A name that is not text is no setting, and is not one after its replacement either.
            let name = name.to_string_lossy();
            if name.starts_with(PREFIX) {
                found.insert(name.into_owned(), Found { value, line: None });
            }
        }
        found.retain(|_, found| !found.value.is_empty());
        Ok(Self { found })
    }

    /// Removes and returns the value of a setting's variable.
    pub(super) fn take(&mut self, variable: &str) -> Option<OsString> {
        self.found.remove(variable).map(|found| found.value)
    }

    /// Refuses variables that no setting took: `LATCHKEY_SIGN_UP=closed` must not leave sign-up open.
    ///
    /// # Errors
    /// Names the first of them, and the setting that was probably meant.
    pub fn refuse_unknown(&self) -> Result<(), EnvironmentError> {
        let unknown = self.found.iter().find(|(name, found)| !is_set_by_kubernetes(name, &found.value));
        let Some((name, found)) = unknown else { return Ok(()) };
        let place = found.line.map(|line| format!(" in line {line} of .env")).unwrap_or_default();
        let hint = Self::meant_by(name).map_or_else(
            || format!("remove it{place}; `latchkey --help` lists the settings"),
            |setting| format!("{setting} was probably meant{place}"),
        );
        Err(EnvironmentError::Unknown {
            name: name.escape_debug().to_string(),
            hint,
        })
    }

    /// The setting whose name differs in the fewest letters, unless more than a third of them differ.
    fn meant_by(name: &str) -> Option<&'static str> {
        let rest = name.strip_prefix(PREFIX)?;
        if let Some((_, setting)) = ALIASES.iter().find(|(alias, _)| *alias == rest) {
            return Some(setting);
        }
        let names = SETTINGS.iter().map(|setting| setting.variable());
        let distances = names.map(|setting| (strsim::damerau_levenshtein(name, setting), setting));
        let (distance, setting) = distances.min()?;
        (distance * 3 <= rest.chars().count()).then_some(setting)
    }
}

/// Whether Kubernetes sets a variable like this one for a service called latchkey, or for one whose name begins so.
fn is_set_by_kubernetes(name: &str, value: &OsStr) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let words: Vec<&str> = rest.split('_').collect();
    let is_service = rest.starts_with("SERVICE_") || rest.contains("_SERVICE_");
    let is_port = rest.starts_with("PORT") || rest.contains("_PORT");
    let is_address = |value: &str| ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_family = match words.as_slice() {
        [.., "PORT", number, protocol] | [.., "PORT", number, protocol, "ADDR" | "PORT" | "PROTO"] => {
            number.parse::<u16>().is_ok() && matches!(*protocol, "TCP" | "UDP" | "SCTP")
        }
        _ => false,
    };
    is_service || (is_port && (is_family || value.to_str().is_some_and(is_address)))
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn environment(variables: &[(&str, &str)], file: &str) -> Environment {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Environment::new(variables, file.as_bytes()).expect("good")
    }

    #[test]
    fn a_flag_wins_over_a_variable_and_a_variable_over_the_file_unless_it_is_empty() {
        let environment = environment(
            &[("LATCHKEY_ADDR", "variable"), ("LATCHKEY_LOG", "variable"), ("LATCHKEY_SIGNUP", "")],
            "LATCHKEY_ADDR=file\nLATCHKEY_LOG=file\nLATCHKEY_SIGNUP=file",
        );
        let flags = Settings {
            addr: Some("flag".into()),
            ..Settings::default()
        };
        let settings = flags.with_environment(environment).expect("good");
        assert_eq!(settings.addr.as_deref(), Some("flag"));
        assert_eq!(settings.log.as_deref(), Some("variable"));
        assert_eq!(settings.signup.as_deref(), Some("file"));
        assert_eq!(settings.log_format, None);
    }

    #[test]
    fn the_nearest_setting_is_named_and_none_where_no_name_is_near() {
        for (unknown, named) in [
            ("LATCHKEY_SIGN_UP", "LATCHKEY_SIGNUP"),
            ("LATCHKEY_SIGNUPS", "LATCHKEY_SIGNUP"),
            ("LATCHKEY_ACESS_TTL", "LATCHKEY_ACCESS_TTL"),
            ("LATCHKEY_HOST", "LATCHKEY_ADDR"),
            ("LATCHKEY_WHATEVER", "`latchkey --help`"),
            ("LATCHKEY_", "`latchkey --help`"),
        ] {
            let refused = Settings::default().with_environment(environment(&[(unknown, "x")], "")).err();
            let sentence = refused.expect(unknown).to_string();
            assert!(
                sentence.starts_with(&format!("{unknown}: ")) && sentence.contains(named) && sentence.ends_with('.'),
                "{sentence}"
            );
        }
    }
}
