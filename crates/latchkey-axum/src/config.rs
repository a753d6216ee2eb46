//! The settings: flag, or environment variable, or `.env`, in that order.

mod cookie_name;
mod dotenv;
mod duration;
mod environment;
mod kinds;
mod networks;
mod public_url;
mod secrets;
mod setting;
pub(crate) mod settings;

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

pub use environment::{Environment, EnvironmentError};
pub use latchkey_store::DatabaseUrl;
pub use latchkey_store::database_url::holds_password;
pub use public_url::PublicUrl;
pub use settings::Settings;

use self::settings::{
    ACCESS_TTL, ADDR, COOKIE_NAME, DATA_DIR, DATABASE_CONNECTIONS, DATABASE_URL, JWT_ALG, METRICS_ADDR, PASSWORD_GRANT, PLAIN_HTTP,
    PUBLIC_URL, PlainHttp, REFRESH_GRACE, REFRESH_TTL, REVOCATION_LAG, SECRET, SECURITY_CONTACT, SESSION_MAX, SIGNUP, TLS_CERT, TLS_KEY,
    TRUSTED_PROXIES,
};
use latchkey_core::Rules;
use latchkey_core::secret::Secrets;
use latchkey_core::sessions::Lifetimes;
use latchkey_core::tokens::Algorithm;

/// A setting that cannot be used: names the variable and says why, in one sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the environment variable.
    pub variable: &'static str,
    /// What is wrong with it and what to do.
    pub reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.variable, self.reason)
    }
}

impl std::error::Error for ConfigError {}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The settings, checked and typed.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub addr: SocketAddr,
    /// The only source of links, cookie security and the expected Host and Origin.
    pub public_url: PublicUrl,
    /// Where the data is.
    pub database: DatabaseUrl,
    /// Connections to PostgreSQL that answer requests.
    pub database_connections: usize,
    /// Everything that signs is derived from the current one.
    pub secrets: Secrets,
    /// Whether there was no secret and none was to be made: the current one is a random one that nothing was signed with.
    pub secret_missing: bool,
    /// How access tokens are signed.
    pub jwt_alg: Algorithm,
    /// Life of an access token, in seconds.
    pub access_ttl: i64,
    /// Life of a session that is not used, in seconds.
    pub refresh_ttl: i64,
    /// Longest life of a session, in seconds.
    pub session_max: i64,
    /// How long the predecessor of a refresh token gets the same successor, in seconds.
    pub refresh_grace: i64,
    /// How long access tokens count without news from the database, in seconds.
    pub revocation_lag: i64,
    /// Whether people can make accounts themselves.
    pub signup_open: bool,
    /// Whether `POST /token` takes a password.
    pub password_grant: bool,
    /// To serve https itself.
    pub tls: Option<TlsFiles>,
    /// Stem of the names of our cookies, and the name of the channel between tabs.
    pub cookie_name: String,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Whom to tell of a weakness: a URL.
    pub security_contact: Option<String>,
    /// Where to show metrics, if anywhere.
    pub metrics_addr: Option<SocketAddr>,
    /// What is unwise in the settings but does not stop the start: sentences for the operator.
    pub warnings: Vec<String>,
}

/// Whether the data directory and the secret are made where they are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewFiles {
    /// They are, the first time.
    Make,
    /// They are not.
    Leave,
}

impl Config {
    /// Checks every setting, makes the data directory and, the first time, the secret in it.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Self::read(settings, NewFiles::Make)
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn read(settings: &Settings, new_files: NewFiles) -> Result<Self, ConfigError> {
        let addr = ADDR.required(settings)?;
        let metrics_addr = METRICS_ADDR.optional(settings)?;
        let tls = tls(settings)?;
        let plain_anywhere = PLAIN_HTTP.required(settings)? == PlainHttp::Anywhere;
        let public_url = public_url(settings, addr, tls.is_some(), plain_anywhere)?;
        let data_dir = DATA_DIR.required(settings)?;
        let database = database(settings, &data_dir)?;
        let secret_given = settings.secret.is_some() || settings.secret_file.is_some();
        match &database {
            DatabaseUrl::Postgres(_) if !secret_given => {
                return Err(
                    SECRET.refused("it has to be given with PostgreSQL, the same to every node; `latchkey secret` prints a new one")
                );
            }
            // Nothing is kept on this machine.
            DatabaseUrl::Postgres(_) => {}
            DatabaseUrl::Sqlite(_) if new_files == NewFiles::Leave => {}
            DatabaseUrl::Sqlite(_) => make_data_dir(&data_dir)?,
        }
        let secret_missing = new_files == NewFiles::Leave && !secret_given && !data_dir.join("secret").exists();
        let refresh_ttl = REFRESH_TTL.required(settings)?;
        let session_max = SESSION_MAX.required(settings)?;
        if session_max < refresh_ttl {
            return Err(shorter_than_refresh_ttl(settings));
        }
        Ok(Self {
            addr,
            public_url,
            database,
            database_connections: DATABASE_CONNECTIONS.required(settings)?,
            secrets: secrets::read(settings, &data_dir, secret_missing)?,
            secret_missing,
            jwt_alg: JWT_ALG.required(settings)?,
            access_ttl: ACCESS_TTL.required(settings)?,
            refresh_ttl,
            session_max,
            refresh_grace: REFRESH_GRACE.required(settings)?,
            revocation_lag: REVOCATION_LAG.required(settings)?,
            signup_open: SIGNUP.required(settings)?,
            password_grant: PASSWORD_GRANT.required(settings)?,
            tls,
            cookie_name: COOKIE_NAME.required(settings)?,
            trusted_proxies: TRUSTED_PROXIES.optional(settings)?.unwrap_or_default(),
            security_contact: SECURITY_CONTACT.optional(settings)?,
            metrics_addr,
            warnings: secrets::warning(settings, &data_dir).into_iter().collect(),
        })
    }
}

impl Config {
    /// What the rules depend on.
    pub fn rules(&self) -> Rules {
        Rules {
            issuer: self.public_url.origin().to_owned(),
            host: self.public_url.host().to_owned(),
            secrets: self.secrets.clone(),
            algorithm: self.jwt_alg,
            access_ttl: self.access_ttl,
            lifetimes: Lifetimes {
                refresh_ttl: self.refresh_ttl,
                session_max: self.session_max,
                refresh_grace: self.refresh_grace,
            },
            revocation_lag: self.revocation_lag,
            signup_open: self.signup_open,
        }
    }
}

fn shorter_than_refresh_ttl(settings: &Settings) -> ConfigError {
    let max = SESSION_MAX.written(settings).unwrap_or_default();
    let ttl = REFRESH_TTL.written(settings).unwrap_or_default();
    SESSION_MAX.refused(format!(
        "{max} is shorter than LATCHKEY_REFRESH_TTL, which is {ttl}; raise it, or set LATCHKEY_REFRESH_TTL to {max} or less"
    ))
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    match (TLS_CERT.optional(settings)?, TLS_KEY.optional(settings)?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (Some(_), None) => Err(TLS_KEY.refused("it is needed beside LATCHKEY_TLS_CERT")),
        (None, Some(_)) => Err(TLS_CERT.refused("it is needed beside LATCHKEY_TLS_KEY")),
    }
}

fn public_url(settings: &Settings, addr: SocketAddr, tls: bool, plain_anywhere: bool) -> Result<PublicUrl, ConfigError> {
    let scheme = if tls { "https" } else { "http" };
    let default = || format!("{scheme}://localhost:{}", addr.port());
    let text = PUBLIC_URL.optional(settings)?.unwrap_or_else(default);
    let url = PublicUrl::parse(&text, plain_anywhere).map_err(|reason| PUBLIC_URL.refused(reason))?;
    if tls && !url.is_https() {
        return Err(PUBLIC_URL.refused(format!(
            "{url} is not https, and LATCHKEY_TLS_CERT makes this server speak nothing else"
        )));
    }
    if !url.is_https() && !addr.ip().is_loopback() && !plain_anywhere {
        return Err(PUBLIC_URL.refused(format!(
            "{url} is not https, and {addr} can be reached from other machines: passwords would cross the network in the open; set the https address that people use, or listen on 127.0.0.1, or set LATCHKEY_PLAIN_HTTP=anywhere if this network is yours"
        )));
    }
    Ok(url)
}

fn make_data_dir(dir: &Path) -> Result<(), ConfigError> {
    let unusable = |error: std::io::Error| DATA_DIR.refused(format!("{} cannot be used: {error}", dir.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    tempfile_probe(dir).map_err(unusable)
}

/// Finds out now, and not at the first sign-up, that nothing can be written.
fn tempfile_probe(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".probe.{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

fn database(settings: &Settings, data_dir: &Path) -> Result<DatabaseUrl, ConfigError> {
    if let Some(database) = DATABASE_URL.optional(settings)? {
        return Ok(database);
    }
    let file = latchkey_store::database_url::regular_file(data_dir.join("latchkey.db"));
    file.map(DatabaseUrl::Sqlite).map_err(|reason| DATA_DIR.refused(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a change to otherwise good settings is refused with.
    fn refusal(change: impl FnOnce(&mut Settings)) -> Option<String> {
        let dir = tempfile::tempdir().expect("a directory");
        let mut settings = Settings {
            data_dir: Some(dir.path().to_owned()),
            ..Settings::default()
        };
        change(&mut settings);
        Config::from_settings(&settings).err().map(|error| error.to_string())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let dir = tempfile::tempdir().expect("a directory");
        let settings = Settings {
            data_dir: Some(dir.path().join("new/data")),
            ..Settings::default()
        };
        let config = Config::from_settings(&settings).expect("good");
        assert_eq!(config.addr.to_string(), "127.0.0.1:3000");
        assert_eq!(config.public_url.to_string(), "http://localhost:3000");
        assert_eq!(
            (config.access_ttl, config.refresh_ttl, config.session_max),
            (900, 2_592_000, 7_776_000)
        );
        assert_eq!((config.refresh_grace, config.revocation_lag), (10, 10));
        assert!(config.signup_open && config.password_grant);
        assert!(dir.path().join("new/data/secret").exists());
    }

    #[test]
    fn a_bad_value_is_refused_with_one_sentence_that_names_the_variable() {
        type Change = fn(&mut Settings);
        let cases: [(&str, Change); 32] = [
            ("LATCHKEY_ADDR", |s| s.addr = Some("3000".into())),
            ("LATCHKEY_ADDR", |s| s.addr = Some("127.0.0.1:0".into())),
            ("LATCHKEY_PUBLIC_URL", |s| s.public_url = Some("example.org".into())),
            ("LATCHKEY_DATABASE_URL", |s| s.database_url = Some("mysql://x".into())),
            ("LATCHKEY_SECRET", |s| {
                s.database_url = Some("postgres://db.example.org/accounts".into());
            }),
            ("LATCHKEY_DATABASE_CONNECTIONS", |s| s.database_connections = Some("0".into())),
            ("LATCHKEY_DATABASE_CONNECTIONS", |s| s.database_connections = Some("many".into())),
            ("LATCHKEY_SECRET", |s| s.secret = Some("secret".into())),
            ("LATCHKEY_SECRET", |s| s.secret = Some("changeme".into())),
            ("LATCHKEY_SECRET", |s| s.secret = Some("your-secret-key".into())),
            ("LATCHKEY_SECRET_FILE", |s| s.secret_file = Some("/nonexistent/secret".into())),
            ("LATCHKEY_ACCESS_TTL", |s| s.access_ttl = Some("5 minutes".into())),
            ("LATCHKEY_SECRET_PREVIOUS", |s| s.secret_previous = Some("changeme".into())),
            ("LATCHKEY_JWT_ALG", |s| s.jwt_alg = Some("none".into())),
            ("LATCHKEY_REFRESH_TTL", |s| s.refresh_ttl = Some("0s".into())),
            ("LATCHKEY_SESSION_MAX", |s| s.session_max = Some("forever".into())),
            ("LATCHKEY_REFRESH_GRACE", |s| s.refresh_grace = Some("10".into())),
            ("LATCHKEY_REVOCATION_LAG", |s| s.revocation_lag = Some("-1s".into())),
            ("LATCHKEY_TLS_KEY", |s| s.tls_cert = Some("cert.pem".into())),
            ("LATCHKEY_TLS_CERT", |s| s.tls_key = Some("key.pem".into())),
            ("LATCHKEY_PUBLIC_URL", |s| {
                s.tls_cert = Some("cert.pem".into());
                s.tls_key = Some("key.pem".into());
                s.public_url = Some("http://localhost:3000".into());
            }),
            ("LATCHKEY_TRUSTED_PROXIES", |s| s.trusted_proxies = Some("10.0.0.0/33".into())),
            ("LATCHKEY_COOKIE_NAME", |s| s.cookie_name = Some("app-refresh".into())),
            ("LATCHKEY_ACCESS_TTL", |s| s.access_ttl = Some("25h".into())),
            ("LATCHKEY_SESSION_MAX", |s| s.session_max = Some("29d".into())),
            ("LATCHKEY_SESSION_MAX", |s| s.refresh_ttl = Some("91d".into())),
            ("LATCHKEY_PLAIN_HTTP", |s| s.plain_http = Some("everywhere".into())),
            ("LATCHKEY_SECURITY_CONTACT", |s| {
                s.security_contact = Some("security@example.org".into());
            }),
            ("LATCHKEY_METRICS_ADDR", |s| s.metrics_addr = Some("9000".into())),
            ("LATCHKEY_SIGNUP", |s| s.signup = Some("yes".into())),
            ("LATCHKEY_PASSWORD_GRANT", |s| s.password_grant = Some(String::new())),
            ("LATCHKEY_DATA_DIR", |s| s.data_dir = Some("/dev/null/data".into())),
        ];
        for (variable, change) in cases {
            let sentence = refusal(change).expect(variable);
            assert!(
                sentence.starts_with(&format!("{variable}: ")) && sentence.ends_with('.') && !sentence.contains('\n'),
                "{sentence}"
            );
        }
    }

    #[test]
    fn plain_http_is_refused_where_other_machines_could_listen_unless_it_is_forced_by_name() {
        assert!(refusal(|s| s.addr = Some("0.0.0.0:3000".into())).is_some());
        assert!(refusal(|s| s.public_url = Some("http://example.org".into())).is_some());
        let behind_a_proxy = refusal(|s| {
            s.addr = Some("0.0.0.0:3000".into());
            s.public_url = Some("https://example.org".into());
        });
        assert_eq!(behind_a_proxy, None);
        let forced = refusal(|s| {
            s.addr = Some("0.0.0.0:3000".into());
            s.public_url = Some("http://example.org".into());
            s.plain_http = Some("anywhere".into());
        });
        assert_eq!(forced, None);
    }
}
