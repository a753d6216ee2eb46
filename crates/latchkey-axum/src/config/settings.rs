//! The table of all settings, and [`Settings`] with a field for each. Flags, `--help`, the names of variables, defaults, bounds
//! and README.md's table come from here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use super::environment::{Environment, EnvironmentError};
use super::kinds::{ADDRESS, CONTACT, Choice, Duration, Number, PathOf, SecretText, Text, plain};
use super::setting::DefaultValue::{Described, Nothing, Value};
use super::setting::{AnySetting, Setting};
use super::{cookie_name, networks};
use latchkey_core::tokens::Algorithm;
use latchkey_store::DatabaseUrl;
use latchkey_store::database_url;

/// Where the password of a database goes.
const IN_THE_ENVIRONMENT: &str = "leave it out and give it in PGPASSWORD or in the file that PGPASSFILE names, or set the whole URL as LATCHKEY_DATABASE_URL in the environment or in .env";

/// Longest life of a session: sums with it cannot overflow, and browsers keep no cookie for longer.
const LONGEST_SESSION: Duration = Duration { longest: "400d" };

/// Makes of each row a field of `Settings`, a static with the setting, and an entry of `SETTINGS`, in this order.
macro_rules! settings {
    ($($group:literal {
        $($field:ident: $written:ty => $setting:ident: $kind:ty {
            variable: $variable:literal,
            kind: $parser:expr,
            default: $default:expr,
            help: $help:literal,
            $(details: $details:literal,)?
        })*
    })*) => {
        /// The settings as they are written. [`super::Config::from_settings`] checks and parses them.
        #[derive(Clone, Default)]
        pub struct Settings {
            $($(#[doc = $help] pub $field: Option<$written>,)*)*
        }

        $($(
            #[doc = $help]
            pub static $setting: Setting<$kind> = Setting {
                variable: $variable,
                group: $group,
                kind: $parser,
                default: $default,
                help: $help,
                details: concat!($($details)?),
                get: |settings| settings.$field.as_deref(),
                get_mut: |settings| &mut settings.$field,
            };
        )*)*

        /// All settings, in the order in which people read them.
        pub static SETTINGS: &[&dyn AnySetting] = &[$($(&$setting,)*)*];
    };
}

settings! {
    "Address and https" {
        addr: String => ADDR: Text<SocketAddr> {
            variable: "LATCHKEY_ADDR",
            kind: ADDRESS,
            default: Value("127.0.0.1:3000"),
            help: "Address to listen on",
        }
        public_url: String => PUBLIC_URL: Text<String> {
            variable: "LATCHKEY_PUBLIC_URL",
            kind: plain("URL"),
            default: Described("`http://localhost:<port>`"),
            help: "The address people use: links, cookie security and the expected Host and Origin come from it",
            details: "With a certificate the default begins with `https://`",
        }
        tls_cert: PathBuf => TLS_CERT: PathOf {
            variable: "LATCHKEY_TLS_CERT",
            kind: PathOf { value_name: "FILE" },
            default: Nothing,
            help: "Certificate with its chain (PEM), to serve https without a proxy; read again when it is renewed",
            details: "HTTP/2 is included",
        }
        tls_key: PathBuf => TLS_KEY: PathOf {
            variable: "LATCHKEY_TLS_KEY",
            kind: PathOf { value_name: "FILE" },
            default: Nothing,
            help: "Private key of the certificate (PEM)",
        }
        plain_http: String => PLAIN_HTTP: Choice<PlainHttp> {
            variable: "LATCHKEY_PLAIN_HTTP",
            kind: Choice([("loopback", PlainHttp::Loopback), ("anywhere", PlainHttp::Anywhere)]),
            default: Value("loopback"),
            help: "Where plain http is served: on this machine only, or anywhere",
            details: "With `anywhere`, passwords cross the network unencrypted",
        }
        trusted_proxies: String => TRUSTED_PROXIES: Text<Vec<IpNet>> {
            variable: "LATCHKEY_TRUSTED_PROXIES",
            kind: Text { value_name: "NETWORKS", parse: networks::parse },
            default: Described("none"),
            help: "Networks of proxies whose `X-Forwarded-For` is trusted, such as `127.0.0.1/32,10.0.0.0/8`",
            details: "Nothing wider than `/8` (IPv6: `/16`, `fc00::/7` or `fe80::/10`)",
        }
    }
    "Data and secrets" {
        data_dir: PathBuf => DATA_DIR: PathOf {
            variable: "LATCHKEY_DATA_DIR",
            kind: PathOf { value_name: "DIR" },
            default: Value("./data"),
            help: "Directory of the data file and the generated secret",
            details: "The server writes nowhere else, unless `LATCHKEY_DATABASE_URL` names another file",
        }
        database_url: String => DATABASE_URL: Text<DatabaseUrl> {
            variable: "LATCHKEY_DATABASE_URL",
            kind: Text { value_name: "URL", parse: DatabaseUrl::parse },
            default: Described("`sqlite:<data dir>/latchkey.db`"),
            help: "Database: `sqlite:<path>`, or `postgres://user@host:port/database` with the password in PGPASSWORD or PGPASSFILE",
            details: "PostgreSQL 13 or newer; `?sslmode=verify-full` encrypts the connection and checks the certificate. The variable may hold the password too: `postgres://user:password@host:port/database`. The flag refuses it, because other users of the machine can see flags",
        }
        database_connections: String => DATABASE_CONNECTIONS: Number {
            variable: "LATCHKEY_DATABASE_CONNECTIONS",
            kind: Number { least: 1, most: 1000 },
            default: Value("8"),
            help: "Connections to PostgreSQL for requests; each node uses two more to learn of ended sessions",
        }
        secret: String => SECRET: SecretText {
            variable: "LATCHKEY_SECRET",
            kind: SecretText,
            default: Described("generated into the data directory"),
            help: "The secret that signs tokens and cookies: at least 32 random bytes; the command `latchkey secret` prints some",
            details: "PostgreSQL needs it set, to the same value on every node",
        }
        secret_file: PathBuf => SECRET_FILE: PathOf {
            variable: "LATCHKEY_SECRET_FILE",
            kind: PathOf { value_name: "FILE" },
            default: Nothing,
            help: "File that contains the secret",
            details: "Refused if other users can write it; a warning if they can read it",
        }
        secret_previous: String => SECRET_PREVIOUS: SecretText {
            variable: "LATCHKEY_SECRET_PREVIOUS",
            kind: SecretText,
            default: Nothing,
            help: "The previous secret: it still verifies but never signs, so a new secret signs nobody out",
        }
    }
    "Tokens and sessions" {
        jwt_alg: String => JWT_ALG: Choice<Algorithm> {
            variable: "LATCHKEY_JWT_ALG",
            kind: Choice([("HS256", Algorithm::Hs256), ("EdDSA", Algorithm::EdDsa)]),
            default: Value("HS256"),
            help: "How access tokens are signed; with `EdDSA` other services can verify them with the keys at `/.well-known/jwks.json`",
        }
        access_ttl: String => ACCESS_TTL: Duration {
            variable: "LATCHKEY_ACCESS_TTL",
            kind: Duration { longest: "24h" },
            default: Value("15m"),
            help: "How long an access token is valid: `90s`, `15m`, `12h`",
        }
        refresh_ttl: String => REFRESH_TTL: Duration {
            variable: "LATCHKEY_REFRESH_TTL",
            kind: LONGEST_SESSION,
            default: Value("30d"),
            help: "How long an unused session lives",
        }
        session_max: String => SESSION_MAX: Duration {
            variable: "LATCHKEY_SESSION_MAX",
            kind: LONGEST_SESSION,
            default: Value("90d"),
            help: "How long any session lives, even if it is used",
            details: "It cannot be shorter than `LATCHKEY_REFRESH_TTL`",
        }
        refresh_grace: String => REFRESH_GRACE: Duration {
            variable: "LATCHKEY_REFRESH_GRACE",
            kind: Duration { longest: "5m" },
            default: Value("10s"),
            help: "How long a used refresh token still returns the same successor, for retries and other tabs",
        }
        revocation_lag: String => REVOCATION_LAG: Duration {
            variable: "LATCHKEY_REVOCATION_LAG",
            kind: Duration { longest: "5m" },
            default: Value("10s"),
            help: "How long access tokens are accepted while the database is unavailable; then requests that need a session are answered 503",
        }
        cookie_name: String => COOKIE_NAME: Text<String> {
            variable: "LATCHKEY_COOKIE_NAME",
            kind: Text { value_name: "NAME", parse: cookie_name::parse },
            default: Value("latchkey"),
            help: "What the names of all cookies begin with; two apps on one host need different names",
            details: "1 to 32 of `a-z 0-9 _ -`",
        }
    }
    "Accounts" {
        signup: String => SIGNUP: Choice<bool> {
            variable: "LATCHKEY_SIGNUP",
            kind: Choice([("open", true), ("closed", false)]),
            default: Value("open"),
            help: "Whether people can create accounts themselves",
            details: "`closed`: only `latchkey user add` and `latchkey user import` create accounts",
        }
        password_grant: String => PASSWORD_GRANT: Choice<bool> {
            variable: "LATCHKEY_PASSWORD_GRANT",
            kind: Choice([("on", true), ("off", false)]),
            default: Value("on"),
            help: "Whether `POST /token` accepts passwords",
            details: "`off`: it accepts refresh tokens only",
        }
        security_contact: String => SECURITY_CONTACT: Text<String> {
            variable: "LATCHKEY_SECURITY_CONTACT",
            kind: CONTACT,
            default: Nothing,
            help: "Where to report a vulnerability, for `/.well-known/security.txt`: `mailto:…`, `https://…` or `tel:…`",
        }
    }
    "Logs and metrics" {
        log: String => LOG: Text<EnvFilter> {
            variable: "LATCHKEY_LOG",
            kind: Text { value_name: "FILTER", parse: log_filter },
            default: Value("info"),
            help: "What to log: `error`, `warn`, `info`, `debug` or `trace`",
            details: "Or a [filter](https://docs.rs/tracing-subscriber/latest/tracing_subscriber/filter/struct.EnvFilter.html#directives)",
        }
        log_format: String => LOG_FORMAT: Choice<LogFormat> {
            variable: "LATCHKEY_LOG_FORMAT",
            kind: Choice([("pretty", LogFormat::Pretty), ("json", LogFormat::Json)]),
            default: Described("`pretty` on a terminal, otherwise `json`"),
            help: "How to log, on standard error",
        }
        metrics_addr: String => METRICS_ADDR: Text<SocketAddr> {
            variable: "LATCHKEY_METRICS_ADDR",
            kind: ADDRESS,
            default: Described("off"),
            help: "Address that serves Prometheus metrics, at `/metrics`",
        }
    }
}

/// Where plain http is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHttp {
    /// On this machine only.
    Loopback,
    /// On any network.
    Anywhere,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For programs: a JSON object on each line.
    Json,
}

fn log_filter(text: &str) -> Result<EnvFilter, String> {
    let filter = EnvFilter::builder().parse(text);
    filter.map_err(|_| format!("\"{text}\" is not a filter; write error, warn, info, debug or trace"))
}

impl Settings {
    /// Adds what the environment and `.env` set. Flags have precedence over both.
    ///
    /// # Errors
    /// When one of them cannot be used, or a flag contains a password.
    pub fn with_environment(mut self, mut environment: Environment) -> Result<Self, EnvironmentError> {
        if self.database_url.as_deref().is_some_and(database_url::holds_password) {
            return Err(EnvironmentError::PasswordInFlag("--database-url", IN_THE_ENVIRONMENT));
        }
        for setting in SETTINGS {
            setting.set_from_environment(&mut self, &mut environment)?;
        }
        environment.refuse_unknown()?;
        Ok(self)
    }

    /// Describes the settings that have no flag, one on each line, for the end of `--help`.
    pub fn help_without_flags() -> String {
        let without_flag = SETTINGS.iter().filter(|setting| setting.argument().is_none());
        let lines = without_flag.map(|setting| format!("{}: {}\n", setting.variable(), setting.help()));
        lines.collect()
    }

    /// Describes all settings in Markdown, with a table for each group.
    pub fn markdown() -> String {
        let groups = SETTINGS.chunk_by(|one, next| one.group() == next.group());
        let tables = groups.map(|group| {
            let heading = group.first().map(|setting| setting.group()).unwrap_or_default();
            let rows: String = group.iter().map(|setting| setting.table_row() + "\n").collect();
            format!("### {heading}\n\n| variable (flag) | default (bounds) | meaning |\n|---|---|---|\n{rows}")
        });
        tables.collect::<Vec<_>>().join("\n")
    }
}

/// The flags, without the variables: clap would take an empty variable for a value, and name the flag where a variable is wrong.
impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().filter_map(|setting| setting.argument()))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(flags: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(flags)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, flags: &ArgMatches) -> Result<(), clap::Error> {
        for setting in SETTINGS {
            setting.set_from_flag(self, flags);
        }
        Ok(())
    }
}
