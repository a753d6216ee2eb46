//! What a setting is: its texts, its default and how its value is parsed. `settings.rs` lists them all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches};

use super::{ConfigError, Environment, Settings};

/// Prefix of the names of all environment variables.
pub const PREFIX: &str = "LATCHKEY_";

/// The value of a setting that is not set.
pub enum DefaultValue {
    /// This value, written as a person would write it.
    Value(&'static str),
    /// A value that the program works out. People read this description.
    Described(&'static str),
    /// No value.
    Nothing,
}

/// How the values of a setting are written, what they mean, and their bounds.
pub trait Kind: Sync + 'static {
    /// The form in which a value is kept before it is parsed.
    type Written: Written + ?Sized;
    /// The parsed value.
    type Value;

    /// Returns the placeholder for a value in `--help`.
    fn value_name(&self) -> String;

    /// Parses a value. The error is the end of a sentence that begins with the setting's name.
    fn parse(&self, written: &Self::Written) -> Result<Self::Value, String>;

    /// Describes the bounds, unless the placeholder or the help already does.
    fn bounds(&self) -> Option<String> {
        None
    }

    /// Returns whether there is a flag for it. Secrets have none, because other users of the machine can see flags.
    fn has_flag(&self) -> bool {
        true
    }
}

/// The form in which a value is kept before it is parsed: text, or a path, which need not be valid UTF-8.
pub trait Written: ToOwned<Owned: Clone + Send + Sync> + 'static {
    fn from_default(text: &'static str) -> &'static Self;
    fn from_variable(value: OsString) -> Result<Self::Owned, OsString>;
    fn flag_parser() -> ValueParser;
}

impl Written for str {
    fn from_default(text: &'static str) -> &'static Self {
        text
    }

    fn from_variable(value: OsString) -> Result<String, OsString> {
        value.into_string()
    }

    fn flag_parser() -> ValueParser {
        ValueParser::string()
    }
}

impl Written for Path {
    fn from_default(text: &'static str) -> &'static Self {
        Self::new(text)
    }

    fn from_variable(value: OsString) -> Result<PathBuf, OsString> {
        Ok(value.into())
    }

    fn flag_parser() -> ValueParser {
        ValueParser::path_buf()
    }
}

type Owned<K> = <<K as Kind>::Written as ToOwned>::Owned;

/// A setting. Texts may use Markdown's backticks; `--help` leaves them out.
pub struct Setting<K: Kind> {
    /// Name of the environment variable. The name of the flag follows from it.
    pub variable: &'static str,
    /// The heading under which it is listed.
    pub group: &'static str,
    /// How its values are parsed.
    pub kind: K,
    /// The value if it is not set.
    pub default: DefaultValue,
    /// What it does, in one sentence without a full stop.
    pub help: &'static str,
    /// Further sentences, for README.md only.
    pub details: &'static str,
    /// Its field.
    pub get: fn(&Settings) -> Option<&K::Written>,
    /// Its field, to set it.
    pub get_mut: fn(&mut Settings) -> &mut Option<Owned<K>>,
}

impl<K: Kind> Setting<K> {
    /// Returns the value, which is the default if the setting is not set, or `None` if it has no default either.
    pub fn optional(&self, settings: &Settings) -> Result<Option<K::Value>, ConfigError> {
        let parsed = self.written(settings).map(|written| self.kind.parse(written)).transpose();
        parsed.map_err(|reason| self.refused(reason))
    }

    /// Returns the value, or the default.
    pub fn required(&self, settings: &Settings) -> Result<K::Value, ConfigError> {
        self.optional(settings)?.ok_or_else(|| self.refused("it has to be set"))
    }

    /// Returns what was written for it, or the default, before it is parsed.
    pub fn written<'a>(&self, settings: &'a Settings) -> Option<&'a K::Written> {
        (self.get)(settings).or_else(|| match self.default {
            DefaultValue::Value(text) => Some(K::Written::from_default(text)),
            DefaultValue::Described(_) | DefaultValue::Nothing => None,
        })
    }

    /// Returns the error for a value that cannot be used. The reason is the end of a sentence that begins with the variable.
    pub fn refused(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError {
            variable: self.variable,
            reason: reason.into(),
        }
    }

    /// `access-ttl` for `LATCHKEY_ACCESS_TTL`.
    fn flag(&self) -> Option<String> {
        let name = self.variable.strip_prefix(PREFIX).filter(|_| self.kind.has_flag())?;
        Some(name.to_ascii_lowercase().replace('_', "-"))
    }

    fn default_text(&self) -> Option<String> {
        match self.default {
            DefaultValue::Value(text) => Some(format!("`{text}`")),
            DefaultValue::Described(text) => Some(text.to_owned()),
            DefaultValue::Nothing => None,
        }
    }
}

/// A setting of any kind, for the table of all settings.
pub trait AnySetting: Sync {
    /// Name of the environment variable.
    fn variable(&self) -> &'static str;

    /// The heading under which it is listed.
    fn group(&self) -> &'static str;

    /// Builds its flag, if it has one.
    fn argument(&self) -> Option<Arg>;

    /// Describes it on one line of `--help`, without its flag.
    fn help(&self) -> String;

    /// Describes it in one row of README.md's table: variable and flag, default and bounds, meaning.
    fn table_row(&self) -> String;

    /// Takes its value from the flags.
    fn set_from_flag(&self, settings: &mut Settings, flags: &ArgMatches);

    /// Takes its value from the environment or `.env`, unless a flag has set it.
    fn set_from_environment(&self, settings: &mut Settings, environment: &mut Environment) -> Result<(), ConfigError>;
}

impl<K: Kind> AnySetting for Setting<K> {
    fn variable(&self) -> &'static str {
        self.variable
    }

    fn group(&self) -> &'static str {
        self.group
    }

    fn argument(&self) -> Option<Arg> {
        let argument = Arg::new(self.variable)
            .long(self.flag()?)
            .global(true)
            .value_name(self.kind.value_name())
            .value_parser(K::Written::flag_parser())
            .help_heading(self.group)
            .help(self.help());
        Some(argument)
    }

    fn help(&self) -> String {
        let variable = self.kind.has_flag().then(|| format!(" [env: {}]", self.variable));
        let default = self.default_text().map(|text| format!(" [default: {text}]"));
        let bounds = self.kind.bounds().map(|text| format!(" [{text}]"));
        let notes = [variable, default, bounds].into_iter().flatten();
        format!("{}{}", self.help, notes.collect::<String>()).replace('`', "")
    }

    fn table_row(&self) -> String {
        let flag = self.flag().map_or_else(|| "no flag".to_owned(), |flag| format!("`--{flag}`"));
        let default = self.default_text().unwrap_or_else(|| "–".to_owned());
        let bounds = self.kind.bounds().map(|text| format!(" ({text})")).unwrap_or_default();
        let separator = if self.details.is_empty() { "" } else { ". " };
        format!(
            "| `{}` ({flag}) | {default}{bounds} | {}{separator}{} |",
            self.variable, self.help, self.details
        )
    }

    fn set_from_flag(&self, settings: &mut Settings, flags: &ArgMatches) {
        if self.kind.has_flag()
            && let Some(value) = flags.get_one::<Owned<K>>(self.variable)
        {
            *(self.get_mut)(settings) = Some(value.clone());
        }
    }

    fn set_from_environment(&self, settings: &mut Settings, environment: &mut Environment) -> Result<(), ConfigError> {
        let field = (self.get_mut)(settings);
        if let (Some(value), None) = (environment.take(self.variable), &field) {
            let value = K::Written::from_variable(value);
            *field = Some(value.map_err(|_| self.refused("its value is not valid UTF-8"))?);
        }
        Ok(())
    }
}
