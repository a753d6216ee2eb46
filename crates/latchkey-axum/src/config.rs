//! The settings: flag, or environment variable, or `.env`, in that order.

mod cookie_name;
mod dotenv;
mod duration;
mod environment;
mod networks;
mod public_url;
mod secrets;
mod settings;

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

use latchkey_core::Rules;
use latchkey_core::secret::Secrets;
use latchkey_core::sessions::Lifetimes;
use latchkey_core::tokens::Algorithm;

/// Longest life of a session: sums with it cannot overflow, and browsers keep no cookie for longer.
const LONGEST: &str = "400d";

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

fn refused(variable: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError {
        variable,
        reason: reason.into(),
    }
}

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
        let addr = address("LATCHKEY_ADDR", settings.addr.as_deref().unwrap_or("127.0.0.1:3000"))?;
        let metrics_addr = settings
            .metrics_addr
            .as_deref()
            .map(|text| address("LATCHKEY_METRICS_ADDR", text))
            .transpose()?;
        let tls = tls(settings)?;
        let only_loopback = choice("LATCHKEY_PLAIN_HTTP", settings.plain_http.as_deref(), "loopback", "anywhere")?;
        let public_url = public_url(settings.public_url.as_deref(), addr, tls.is_some(), !only_loopback)?;
        let data_dir = settings.data_dir.clone().unwrap_or_else(|| PathBuf::from("./data"));
        let database = database(settings.database_url.as_deref(), &data_dir)?;
        let secret_given = settings.secret.is_some() || settings.secret_file.is_some();
        match &database {
            DatabaseUrl::Postgres(_) if !secret_given => {
                return Err(refused(
                    "LATCHKEY_SECRET",
                    "it has to be given with PostgreSQL, the same to every node; `latchkey secret` prints a new one",
                ));
            }
            // Nothing is kept on this machine.
            DatabaseUrl::Postgres(_) => {}
            DatabaseUrl::Sqlite(_) if new_files == NewFiles::Leave => {}
            DatabaseUrl::Sqlite(_) => make_data_dir(&data_dir)?,
        }
        let secret_missing = new_files == NewFiles::Leave && !secret_given && !data_dir.join("secret").exists();
        let refresh_ttl = seconds("LATCHKEY_REFRESH_TTL", settings.refresh_ttl.as_deref(), "30d", LONGEST)?;
        let session_max = seconds("LATCHKEY_SESSION_MAX", settings.session_max.as_deref(), "90d", LONGEST)?;
        if session_max < refresh_ttl {
            return Err(shorter_than_refresh_ttl(settings));
        }
        Ok(Self {
            addr,
            public_url,
            database,
            database_connections: connections(settings.database_connections.as_deref())?,
            secrets: secrets::read(settings, &data_dir, secret_missing)?,
            secret_missing,
            jwt_alg: match settings.jwt_alg.as_deref().unwrap_or("HS256") {
                "HS256" => Algorithm::Hs256,
                "EdDSA" => Algorithm::EdDsa,
                word => return Err(refused("LATCHKEY_JWT_ALG", format!("\"{word}\" is neither HS256 nor EdDSA"))),
            },
            access_ttl: seconds("LATCHKEY_ACCESS_TTL", settings.access_ttl.as_deref(), "15m", "24h")?,
            refresh_ttl,
            session_max,
            refresh_grace: seconds("LATCHKEY_REFRESH_GRACE", settings.refresh_grace.as_deref(), "10s", "5m")?,
            revocation_lag: seconds("LATCHKEY_REVOCATION_LAG", settings.revocation_lag.as_deref(), "10s", "5m")?,
            signup_open: choice("LATCHKEY_SIGNUP", settings.signup.as_deref(), "open", "closed")?,
            password_grant: choice("LATCHKEY_PASSWORD_GRANT", settings.password_grant.as_deref(), "on", "off")?,
            tls,
            cookie_name: cookie_name::parse(settings.cookie_name.as_deref().unwrap_or("latchkey"))
                .map_err(|reason| refused("LATCHKEY_COOKIE_NAME", reason))?,
            trusted_proxies: networks::parse(settings.trusted_proxies.as_deref().unwrap_or_default())
                .map_err(|reason| refused("LATCHKEY_TRUSTED_PROXIES", reason))?,
            security_contact: security_contact(settings.security_contact.as_deref())?,
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

fn seconds(variable: &'static str, text: Option<&str>, default: &str, longest: &str) -> Result<i64, ConfigError> {
    duration::parse(text.unwrap_or(default), longest).map_err(|reason| refused(variable, reason))
}

fn shorter_than_refresh_ttl(settings: &Settings) -> ConfigError {
    let (max, ttl) = (settings.session_max.as_deref(), settings.refresh_ttl.as_deref());
    let (max, ttl) = (max.unwrap_or("90d"), ttl.unwrap_or("30d"));
    refused(
        "LATCHKEY_SESSION_MAX",
        format!("{max} is shorter than LATCHKEY_REFRESH_TTL, which is {ttl}; raise it, or set LATCHKEY_REFRESH_TTL to {max} or less"),
    )
}

fn address(variable: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    let addr: SocketAddr = text
        .replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| refused(variable, format!("\"{text}\" is not an address and a port, such as 127.0.0.1:3000")))?;
    if addr.port() == 0 {
        return Err(refused(
            variable,
            "port 0 is no port that people could use; choose one from 1 to 65535",
        ));
    }
    Ok(addr)
}

fn tls(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    match (&settings.tls_cert, &settings.tls_key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        })),
        (Some(_), None) => Err(refused("LATCHKEY_TLS_KEY", "it is needed beside LATCHKEY_TLS_CERT")),
        (None, Some(_)) => Err(refused("LATCHKEY_TLS_CERT", "it is needed beside LATCHKEY_TLS_KEY")),
    }
}

fn public_url(text: Option<&str>, addr: SocketAddr, tls: bool, plain_anywhere: bool) -> Result<PublicUrl, ConfigError> {
    let scheme = if tls { "https" } else { "http" };
    let default = format!("{scheme}://localhost:{}", addr.port());
    let url = PublicUrl::parse(text.unwrap_or(&default), plain_anywhere).map_err(|reason| refused("LATCHKEY_PUBLIC_URL", reason))?;
    if tls && !url.is_https() {
        return Err(refused(
            "LATCHKEY_PUBLIC_URL",
            format!("{url} is not https, and LATCHKEY_TLS_CERT makes this server speak nothing else"),
        ));
    }
    if !url.is_https() && !addr.ip().is_loopback() && !plain_anywhere {
        return Err(refused(
            "LATCHKEY_PUBLIC_URL",
            format!(
                "{url} is not https, and {addr} can be reached from other machines: passwords would cross the network in the open; set the https address that people use, or listen on 127.0.0.1, or set LATCHKEY_PLAIN_HTTP=anywhere if this network is yours"
            ),
        ));
    }
    Ok(url)
}

fn make_data_dir(dir: &Path) -> Result<(), ConfigError> {
    let unusable = |error: std::io::Error| refused("LATCHKEY_DATA_DIR", format!("{} cannot be used: {error}", dir.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    tempfile_probe(dir).map_err(unusable)
}

/// Finds out now, and not at the first sign-up, that nothing can be written.
fn tempfile_probe(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".probe.{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

fn database(url: Option<&str>, data_dir: &Path) -> Result<DatabaseUrl, ConfigError> {
    match url {
        None => latchkey_store::database_url::regular_file(data_dir.join("latchkey.db"))
            .map(DatabaseUrl::Sqlite)
            .map_err(|reason| refused("LATCHKEY_DATA_DIR", reason)),
        Some(url) => DatabaseUrl::parse(url).map_err(|reason| refused("LATCHKEY_DATABASE_URL", reason)),
    }
}

fn connections(text: Option<&str>) -> Result<usize, ConfigError> {
    let text = text.unwrap_or("8");
    match text.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err(refused(
            "LATCHKEY_DATABASE_CONNECTIONS",
            format!("\"{}\" is not a number from 1 to 1000", text.escape_debug()),
        )),
    }
}

/// A URI by which people can be reached (RFC 9116 section 2.5.3).
fn security_contact(text: Option<&str>) -> Result<Option<String>, ConfigError> {
    let reachable = |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "mailto" | "https" | "tel"));
    match text {
        Some(text) if !reachable(text) => Err(refused(
            "LATCHKEY_SECURITY_CONTACT",
            format!("\"{}\" is not a URL such as mailto:security@example.org", text.escape_debug()),
        )),
        // Written as the parser understood it: it holds no line break.
        text => Ok(text.and_then(|text| url::Url::parse(text).ok()).map(String::from)),
    }
}

/// Whether a setting has its first word (also when it is not set) or its second.
fn choice(variable: &'static str, text: Option<&str>, yes: &str, no: &str) -> Result<bool, ConfigError> {
    match text.unwrap_or(yes) {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        word => Err(refused(variable, format!("\"{word}\" is neither {yes} nor {no}"))),
    }
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
