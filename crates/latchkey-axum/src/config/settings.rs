//! The settings as flags, environment variables and help.

use std::path::PathBuf;

use clap::Args;

use super::environment::{Environment, EnvironmentError};
use latchkey_store::database_url;

/// Where a database's password goes.
const IN_THE_ENVIRONMENT: &str = "leave it out and give it in PGPASSWORD or in the file that PGPASSFILE names, or set the whole URL as LATCHKEY_DATABASE_URL in the environment or in .env";

/// The settings as they are written. [`super::Config::from_settings`] makes sense of them.
#[derive(Args, Clone, Default)]
pub struct Settings {
    /// Address to listen on
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        help = "Address to listen on [env: LATCHKEY_ADDR] [default: 127.0.0.1:3000]"
    )]
    pub addr: Option<String>,

    /// The address that people use
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "The address people use: links, cookies and the expected Host come from it [env: LATCHKEY_PUBLIC_URL] [default: http://localhost:<port>]"
    )]
    pub public_url: Option<String>,

    /// Directory of the data file and the generated secret
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Directory of the data file and the generated secret [env: LATCHKEY_DATA_DIR] [default: ./data]"
    )]
    pub data_dir: Option<PathBuf>,

    /// Database
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Database: sqlite:<path>, or postgres://user@host:port/database with the password in PGPASSWORD or PGPASSFILE [env: LATCHKEY_DATABASE_URL] [default: sqlite:<data dir>/latchkey.db]"
    )]
    pub database_url: Option<String>,

    /// Connections to PostgreSQL
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        help = "Connections to PostgreSQL that answer requests; two more carry the news of ended sessions [env: LATCHKEY_DATABASE_CONNECTIONS] [default: 8]"
    )]
    pub database_connections: Option<String>,

    /// The secret. It has no flag: other users of the machine can see flags
    #[arg(skip)]
    pub secret: Option<String>,

    /// File that holds the secret
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "File that holds the secret [env: LATCHKEY_SECRET_FILE]"
    )]
    pub secret_file: Option<PathBuf>,

    /// The secret before; it has no flag either
    #[arg(skip)]
    pub secret_previous: Option<String>,

    /// How access tokens are signed
    #[arg(
        long,
        global = true,
        value_name = "HS256|EdDSA",
        help = "How access tokens are signed; EdDSA lets other services verify them with /.well-known/jwks.json [env: LATCHKEY_JWT_ALG] [default: HS256]"
    )]
    pub jwt_alg: Option<String>,

    /// How long an access token lives
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help = "How long an access token lives: 90s, 15m, 12h, 30d [env: LATCHKEY_ACCESS_TTL] [default: 15m]"
    )]
    pub access_ttl: Option<String>,

    /// How long a session lives unless it is used
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help = "How long a session lives without being used [env: LATCHKEY_REFRESH_TTL] [default: 30d]"
    )]
    pub refresh_ttl: Option<String>,

    /// How long a session lives at most
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help = "How long a session lives at most, however much it is used [env: LATCHKEY_SESSION_MAX] [default: 90d]"
    )]
    pub session_max: Option<String>,

    /// How long a used refresh token gets the same successor
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help = "How long a used refresh token gets the same successor again: for tabs and retries [env: LATCHKEY_REFRESH_GRACE] [default: 10s]"
    )]
    pub refresh_grace: Option<String>,

    /// How long to go on without news
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        help = "How long access tokens count while the database is away; then what needs a session answers 503 [env: LATCHKEY_REVOCATION_LAG] [default: 10s]"
    )]
    pub revocation_lag: Option<String>,

    /// Whether people can make accounts themselves
    #[arg(
        long,
        global = true,
        value_name = "open|closed",
        help = "Whether people can make accounts themselves [env: LATCHKEY_SIGNUP] [default: open]"
    )]
    pub signup: Option<String>,

    /// Whether POST /token takes a password
    #[arg(
        long,
        global = true,
        value_name = "on|off",
        help = "Whether POST /token takes a password [env: LATCHKEY_PASSWORD_GRANT] [default: on]"
    )]
    pub password_grant: Option<String>,

    /// Certificate for https
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Certificate, with its chain, to serve https itself (PEM); read again when it is renewed [env: LATCHKEY_TLS_CERT]"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Key of the certificate
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help = "Private key of the certificate (PEM) [env: LATCHKEY_TLS_KEY]"
    )]
    pub tls_key: Option<PathBuf>,

    /// Proxies that are believed
    #[arg(
        long,
        global = true,
        value_name = "NETWORKS",
        help = "Networks of proxies whose X-Forwarded-For counts, such as 127.0.0.1/32,10.0.0.0/8 [env: LATCHKEY_TRUSTED_PROXIES] [default: none]"
    )]
    pub trusted_proxies: Option<String>,

    /// Where plain http is served
    #[arg(
        long,
        global = true,
        value_name = "loopback|anywhere",
        help = "Where passwords may cross the network in the open: nowhere but on this machine, or anywhere [env: LATCHKEY_PLAIN_HTTP] [default: loopback]"
    )]
    pub plain_http: Option<String>,

    /// Whom to tell of a weakness
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "Whom to tell of a weakness, for /.well-known/security.txt: mailto:…, https://… or tel:… [env: LATCHKEY_SECURITY_CONTACT] [default: none]"
    )]
    pub security_contact: Option<String>,

    /// Where to show metrics
    #[arg(
        long,
        global = true,
        value_name = "HOST:PORT",
        help = "Address to show Prometheus metrics on, at /metrics [env: LATCHKEY_METRICS_ADDR] [default: off]"
    )]
    pub metrics_addr: Option<String>,

    /// Stem of the cookies' names
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        help = "What the names of all cookies begin with; apps that share a host need different ones [env: LATCHKEY_COOKIE_NAME] [default: latchkey]"
    )]
    pub cookie_name: Option<String>,

    /// What to log
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        help = "What to log: error, warn, info, debug, trace [env: LATCHKEY_LOG] [default: info]"
    )]
    pub log: Option<String>,

    /// How to log
    #[arg(
        long,
        global = true,
        value_name = "pretty|json",
        help = "How to log [env: LATCHKEY_LOG_FORMAT] [default: pretty on a terminal, else json]"
    )]
    pub log_format: Option<String>,
}

impl Settings {
    /// Adds what the environment and `.env` set; a flag wins over both.
    ///
    /// # Errors
    /// When one of them cannot be used, or a flag shows a password.
    pub fn with_environment(self, mut environment: Environment) -> Result<Self, EnvironmentError> {
        if self.database_url.as_deref().is_some_and(database_url::holds_password) {
            return Err(EnvironmentError::PasswordInFlag("--database-url", IN_THE_ENVIRONMENT));
        }
        let settings = Self {
            addr: environment.text(self.addr, "LATCHKEY_ADDR")?,
            public_url: environment.text(self.public_url, "LATCHKEY_PUBLIC_URL")?,
            data_dir: environment.path(self.data_dir, "LATCHKEY_DATA_DIR"),
            database_url: environment.text(self.database_url, "LATCHKEY_DATABASE_URL")?,
            database_connections: environment.text(self.database_connections, "LATCHKEY_DATABASE_CONNECTIONS")?,
            secret: environment.text(None, "LATCHKEY_SECRET")?,
            secret_file: environment.path(self.secret_file, "LATCHKEY_SECRET_FILE"),
            secret_previous: environment.text(None, "LATCHKEY_SECRET_PREVIOUS")?,
            jwt_alg: environment.text(self.jwt_alg, "LATCHKEY_JWT_ALG")?,
            access_ttl: environment.text(self.access_ttl, "LATCHKEY_ACCESS_TTL")?,
            refresh_ttl: environment.text(self.refresh_ttl, "LATCHKEY_REFRESH_TTL")?,
            session_max: environment.text(self.session_max, "LATCHKEY_SESSION_MAX")?,
            refresh_grace: environment.text(self.refresh_grace, "LATCHKEY_REFRESH_GRACE")?,
            revocation_lag: environment.text(self.revocation_lag, "LATCHKEY_REVOCATION_LAG")?,
            signup: environment.text(self.signup, "LATCHKEY_SIGNUP")?,
            password_grant: environment.text(self.password_grant, "LATCHKEY_PASSWORD_GRANT")?,
            tls_cert: environment.path(self.tls_cert, "LATCHKEY_TLS_CERT"),
            tls_key: environment.path(self.tls_key, "LATCHKEY_TLS_KEY"),
            trusted_proxies: environment.text(self.trusted_proxies, "LATCHKEY_TRUSTED_PROXIES")?,
            plain_http: environment.text(self.plain_http, "LATCHKEY_PLAIN_HTTP")?,
            security_contact: environment.text(self.security_contact, "LATCHKEY_SECURITY_CONTACT")?,
            metrics_addr: environment.text(self.metrics_addr, "LATCHKEY_METRICS_ADDR")?,
            cookie_name: environment.text(self.cookie_name, "LATCHKEY_COOKIE_NAME")?,
            log: environment.text(self.log, "LATCHKEY_LOG")?,
            log_format: environment.text(self.log_format, "LATCHKEY_LOG_FORMAT")?,
        };
        environment.refuse_unknown()?;
        Ok(settings)
    }
}
