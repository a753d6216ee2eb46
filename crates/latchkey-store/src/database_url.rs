//! The URL of the database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// A SQLite file or a PostgreSQL database. Its `Display` leaves out the password.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The path of the file; it is best in a directory of its own.
    Sqlite(PathBuf),
    /// Host, port, database, user, and how to connect.
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    /// Parses `sqlite:<path>` or `postgres://user:password@host:port/database`. Without a password in the URL, `PGPASSWORD` or
    /// the file that `PGPASSFILE` names provides it. The error says what is wrong, as the end of a sentence, and never repeats
    /// the URL, which may contain a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('?') || path == ":memory:" {
                return Err("write sqlite: followed by the path of a file and nothing else".into());
            }
            return regular_file(PathBuf::from(path)).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text)
                .map_err(|error| format!("this URL cannot be read ({error}); write postgres://user:password@host:port/database"))?;
            return Ok(Self::Postgres(Box::new(options.application_name("latchkey"))));
        }
        Err("it begins neither with sqlite: nor with postgres://".into())
    }
}

/// Returns whether a URL contains a password, either in its user part or as the query parameter `password`.
pub fn holds_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password"))
}

/// Rejects a path to an existing thing that is not a regular file, because SQLite would take /dev/null for an empty database. A
/// path to nothing is allowed.
pub fn regular_file(path: PathBuf) -> Result<PathBuf, String> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(format!("{} is not a regular file", path.display())),
        // Opening the file reports all other errors.
        _ => Ok(path),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(options) => {
                let host = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => options.get_host().to_owned(),
                };
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "postgres://{host}:{}/{database}", options.get_port())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_path_names_a_regular_file_or_a_missing_one() {
        let dir = tempfile::tempdir().expect("create a temporary directory");
        let file = dir.path().join("latchkey.db");
        let url = format!("sqlite:{}", file.display());
        assert!(DatabaseUrl::parse(&url).is_ok(), "a file that does not exist yet");
        std::fs::write(&file, "").expect("write the file");
        assert!(DatabaseUrl::parse(&url).is_ok(), "an existing file");
        for other in ["/dev/null", "/proc/self/fd", "/"] {
            let reason = DatabaseUrl::parse(&format!("sqlite:{other}")).map(|_| ()).expect_err(other);
            assert!(reason.contains("not a regular file"), "{reason}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_detected() {
        for url in [
            "postgres://ada:x@db/accounts",
            "postgres://db/accounts?user=ada&password=x",
            "postgresql://:x@db",
        ] {
            assert!(holds_password(url), "{url}");
        }
        for url in [
            "postgres://ada@db/accounts?sslmode=require",
            "postgres:///accounts",
            "sqlite:data/a.db",
        ] {
            assert!(!holds_password(url), "{url}");
        }
    }

    #[test]
    fn both_kinds_of_url_are_parsed_and_displayed_without_the_password() {
        let file = DatabaseUrl::parse("sqlite:/var/lib/latchkey/latchkey.db").expect("parse the URL");
        assert_eq!(file.to_string(), "/var/lib/latchkey/latchkey.db");
        for text in [
            "postgres://ada:s%2Fcret@db.example.org:5433/accounts",
            "postgresql://ada:s%2Fcret@db.example.org:5433/accounts",
        ] {
            let server = DatabaseUrl::parse(text).expect("parse the URL");
            assert_eq!(server.to_string(), "postgres://db.example.org:5433/accounts");
        }
    }

    #[test]
    fn other_urls_are_rejected_and_no_error_repeats_the_password() {
        for text in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a.db?mode=memory",
            "mysql://ada:secret@db/accounts",
            "postgres://ada:secret@db:port/accounts",
            "postgres://ada:secret@[db/accounts",
            "postgres://ada:secret@db/accounts?sslmode=secret",
        ] {
            let reason = DatabaseUrl::parse(text).map(|_| ()).expect_err(text);
            assert!(!reason.contains("secret@"), "{reason}");
        }
    }
}
