//! Where the data is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// A file of SQLite, or a database of PostgreSQL. Shown without its password.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The file; a directory of its own is best.
    Sqlite(PathBuf),
    /// Host, port, database, user, and how to connect.
    Postgres(Box<PgConnectOptions>),
}

impl DatabaseUrl {
    /// Reads `sqlite:<path>` or `postgres://user:password@host:port/database`. Without a password, that of `PGPASSWORD` or of the
    /// file that `PGPASSFILE` names counts.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence. It never repeats the URL, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('?') || path == ":memory:" {
                return Err("after sqlite: stands the path of a file, and nothing else".into());
            }
            return regular_file(PathBuf::from(path)).map(Self::Sqlite);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(text).map_err(|error| {
                format!("postgres://user:password@host:port/database is how it is written, and this cannot be read ({error})")
            })?;
            return Ok(Self::Postgres(Box::new(options.application_name("latchkey"))));
        }
        Err("it begins neither with sqlite: and the path of a file, nor with postgres://".into())
    }
}

/// Whether a URL shows a password, in one of the two places where one may stand.
pub fn holds_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.password().is_some() || url.query_pairs().any(|(key, _)| key == "password"))
}

/// Refuses a path to anything but a file, or to nothing yet: SQLite would take /dev/null for an empty database.
pub fn regular_file(path: PathBuf) -> Result<PathBuf, String> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => Err(format!("{} is not a regular file", path.display())),
        // What else is wrong with it shows when it is opened.
        _ => Ok(path),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(options) => {
                let place = match options.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => options.get_host().to_owned(),
                };
                let database = options.get_database().unwrap_or(options.get_username());
                write!(f, "postgres://{place}:{}/{database}", options.get_port())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_path_is_a_regular_file_or_nothing_yet() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("latchkey.db");
        let url = format!("sqlite:{}", file.display());
        assert!(DatabaseUrl::parse(&url).is_ok(), "nothing yet");
        std::fs::write(&file, "").expect("written");
        assert!(DatabaseUrl::parse(&url).is_ok(), "a file");
        for other in ["/dev/null", "/proc/self/fd", "/"] {
            let reason = DatabaseUrl::parse(&format!("sqlite:{other}")).map(|_| ()).expect_err(other);
            assert!(reason.contains("not a regular file"), "{reason}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_noticed() {
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
    fn both_kinds_are_read_and_shown_without_a_password() {
        let file = DatabaseUrl::parse("sqlite:/var/lib/latchkey/latchkey.db").expect("good");
        assert_eq!(file.to_string(), "/var/lib/latchkey/latchkey.db");
        for text in [
            "postgres://ada:s%2Fcret@db.example.org:5433/accounts",
            "postgresql://ada:s%2Fcret@db.example.org:5433/accounts",
        ] {
            let server = DatabaseUrl::parse(text).expect("good");
            assert_eq!(server.to_string(), "postgres://db.example.org:5433/accounts");
        }
    }

    #[test]
    fn nothing_else_is_read_and_no_refusal_repeats_the_password() {
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
