//! The settings as flags, environment variables and help.

use std::path::PathBuf;

use clap::Args;

/// The settings as they are written. [`super::Config::from_settings`] makes sense of them.
#[derive(Args, Clone, Debug, Default)]
pub struct Settings {
    /// Address to listen on
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_ADDR",
        value_name = "HOST:PORT",
        help = "Address to listen on [default: 127.0.0.1:3000]"
    )]
    pub addr: Option<String>,

    /// The address that people use
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_PUBLIC_URL",
        value_name = "URL",
        help = "The address people use: links, cookies and the expected Host come from it [default: http://localhost:<port>]"
    )]
    pub public_url: Option<String>,

    /// Directory of the data file and the generated secret
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_DATA_DIR",
        value_name = "DIR",
        help = "Directory of the data file and the generated secret [default: ./data]"
    )]
    pub data_dir: Option<PathBuf>,

    /// Database
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true,
        help = "Database: sqlite:<path>, or postgres://user:password@host:port/database [default: sqlite:<data dir>/latchkey.db]"
    )]
    pub database_url: Option<String>,

    /// Connections to PostgreSQL
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_DATABASE_CONNECTIONS",
        value_name = "NUMBER",
        help = "Connections to PostgreSQL that answer requests; two more carry the news of ended sessions [default: 8]"
    )]
    pub database_connections: Option<String>,

    /// The secret
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SECRET",
        value_name = "TEXT",
        hide_env_values = true,
        help = "The secret, at least 32 random bytes; see `latchkey secret` [default: generated into the data directory]"
    )]
    pub secret: Option<String>,

    /// File that holds the secret
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SECRET_FILE",
        value_name = "FILE",
        help = "File that holds the secret"
    )]
    pub secret_file: Option<PathBuf>,

    /// The secret before
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SECRET_PREVIOUS",
        value_name = "TEXT",
        hide_env_values = true,
        help = "The secret before this one: still verifies, never signs, so that a new one signs nobody out"
    )]
    pub secret_previous: Option<String>,

    /// How access tokens are signed
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_JWT_ALG",
        value_name = "HS256|EdDSA",
        help = "How access tokens are signed; EdDSA lets other services verify them with /.well-known/jwks.json [default: HS256]"
    )]
    pub jwt_alg: Option<String>,

    /// How long an access token lives
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_ACCESS_TTL",
        value_name = "DURATION",
        help = "How long an access token lives: 90s, 15m, 12h, 30d [default: 15m]"
    )]
    pub access_ttl: Option<String>,

    /// How long a session lives unless it is used
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_REFRESH_TTL",
        value_name = "DURATION",
        help = "How long a session lives without being used [default: 30d]"
    )]
    pub refresh_ttl: Option<String>,

    /// How long a session lives at most
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SESSION_MAX",
        value_name = "DURATION",
        help = "How long a session lives at most, however much it is used [default: 90d]"
    )]
    pub session_max: Option<String>,

    /// How long a used refresh token gets the same successor
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_REFRESH_GRACE",
        value_name = "DURATION",
        help = "How long a used refresh token gets the same successor again: for tabs and retries [default: 10s]"
    )]
    pub refresh_grace: Option<String>,

    /// How long to go on without news
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_REVOCATION_LAG",
        value_name = "DURATION",
        help = "How long access tokens count while the database is away; then what needs a session answers 503 [default: 10s]"
    )]
    pub revocation_lag: Option<String>,

    /// Whether people can make accounts themselves
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SIGNUP",
        value_name = "open|closed",
        help = "Whether people can make accounts themselves [default: open]"
    )]
    pub signup: Option<String>,

    /// Whether POST /token takes a password
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_PASSWORD_GRANT",
        value_name = "on|off",
        help = "Whether POST /token takes a password [default: on]"
    )]
    pub password_grant: Option<String>,

    /// Certificate for https
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_TLS_CERT",
        value_name = "FILE",
        help = "Certificate, with its chain, to serve https itself (PEM); read again when it is renewed"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Key of the certificate
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_TLS_KEY",
        value_name = "FILE",
        help = "Private key of the certificate (PEM)"
    )]
    pub tls_key: Option<PathBuf>,

    /// Proxies that are believed
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_TRUSTED_PROXIES",
        value_name = "NETWORKS",
        help = "Networks of proxies whose X-Forwarded-For counts, such as 127.0.0.1/32,10.0.0.0/8 [default: none]"
    )]
    pub trusted_proxies: Option<String>,

    /// Where plain http is served
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_PLAIN_HTTP",
        value_name = "loopback|anywhere",
        help = "Where passwords may cross the network in the open: nowhere but on this machine, or anywhere [default: loopback]"
    )]
    pub plain_http: Option<String>,

    /// Whom to tell of a weakness
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_SECURITY_CONTACT",
        value_name = "URL",
        help = "Whom to tell of a weakness, for /.well-known/security.txt: mailto:…, https://… or tel:… [default: none]"
    )]
    pub security_contact: Option<String>,

    /// Where to show metrics
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_METRICS_ADDR",
        value_name = "HOST:PORT",
        help = "Address to show Prometheus metrics on, at /metrics [default: off]"
    )]
    pub metrics_addr: Option<String>,

    /// What to log
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_LOG",
        value_name = "FILTER",
        help = "What to log: error, warn, info, debug, trace [default: info]"
    )]
    pub log: Option<String>,

    /// How to log
    #[arg(
        long,
        global = true,
        env = "LATCHKEY_LOG_FORMAT",
        value_name = "pretty|json",
        help = "How to log [default: pretty on a terminal, else json]"
    )]
    pub log_format: Option<String>,
}
