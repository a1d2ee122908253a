//! [`Address`]: the parsed address of a database.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::{Failure, Result};

mod completion;
mod home;
mod keywords;
mod password_file;
mod server;
mod service_file;
mod url;
mod words;

pub(crate) use server::Server;
pub(crate) use words::known_names;

/// The address of a database. Its `Display` hides passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Sqlite(SqliteFile),
    Postgres(Server),
    Mysql(Server),
}

/// The address of a SQLite database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SqliteFile {
    Memory,
    At(PathBuf),
}

const FORMS: &str = "use sqlite:PATH, a path that ends in .db, .sqlite or .sqlite3, postgres://HOST/NAME or mysql://HOST/NAME";

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// The text is not an address. The error does not repeat the text, which may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        // A path may begin and end with spaces.
        if let Some(rest) = text.strip_prefix("sqlite:").or_else(|| text.strip_prefix("sqlite3:")) {
            return Self::sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        let (path, text) = (text, text.trim());
        if text.is_empty() {
            return Err(Failure::usage(format!("the address of the database is empty; {FORMS}")));
        }
        if text.starts_with(['"', '\'', '`', '“', '”', '‘', '’']) {
            let what = "the address of the database begins with a quote";
            return Err(Failure::usage(format!(
                "{what}; leave out the quotes around it, which nothing removed"
            )));
        }
        let parts = text.split_once(':');
        let scheme = parts.map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some(scheme @ ("postgres" | "postgresql" | "mysql" | "mariadb"))
                if parts.is_some_and(|(_, rest)| !rest.starts_with("//")) =>
            {
                Err(Failure::usage(format!("the address of a {scheme} database begins with {scheme}://")))
            }
            Some("postgres" | "postgresql") => Ok(Self::Postgres(url::parse("postgres", text)?)),
            Some("mysql" | "mariadb") => Ok(Self::Mysql(url::parse("mysql", text)?)),
            _ if keywords::are_in(text) => Ok(Self::Postgres(keywords::parse(text)?)),
            _ if text == ":memory:" => Self::sqlite(text),
            scheme if scheme != Some("file") && is_sqlite_file(path) => Self::sqlite(path),
            _ if ["@tcp(", "@unix("].iter().any(|part| text.contains(part)) => Err(url::of_go()),
            Some(scheme) if is_scheme(scheme) => {
                let meant = meant(scheme).map_or_else(
                    || FORMS.to_owned(),
                    |meant| format!("if the rest is right, it begins with {meant}"),
                );
                Err(Failure::usage(format!("`{scheme}:` is not a known kind of database; {meant}")))
            }
            _ if keywords::variable(text).is_some() => {
                let what = "the address of the database begins with the name of a variable and `=`";
                Err(Failure::usage(format!("{what}; leave these out; {FORMS}")))
            }
            _ => {
                Err(Failure::usage(format!("the address of the database is not one that is known; {FORMS}")))
            }
        }
    }

    fn sqlite(path: &str) -> Result<Self> {
        // As in `sqlite:app.db?mode=rwc`. It would become a part of the file's name.
        if let Some((before, options)) = path.split_once('?').filter(|(_, options)| options.contains('=')) {
            let what = "the address of a SQLite database has no options";
            return Err(Failure::usage(format!("{what}; leave out `?{options}` behind {before}")));
        }
        match path {
            ":memory:" => Ok(Self::Sqlite(SqliteFile::Memory)),
            "" => Err(Failure::usage(format!("the address of the database names no file; {FORMS}"))),
            path => Ok(Self::Sqlite(SqliteFile::At(path.into()))),
        }
    }

    /// The address with what it leaves out: from the environment and from the files that the server's own client reads. The remarks are
    /// about files that are not read.
    ///
    /// # Errors
    /// A variable or a file has a value that is not understood, or the service that the address names is in no file.
    pub(crate) fn completed(self, environment: &Environment) -> Result<(Self, Vec<String>)> {
        match self {
            Self::Sqlite(_) => Ok((self, Vec::new())),
            Self::Postgres(server) => {
                let (server, remarks) = completion::postgres(server, environment)?;
                Ok((Self::Postgres(server), remarks))
            }
            Self::Mysql(server) => Ok((Self::Mysql(completion::mysql(server, environment)?), Vec::new())),
        }
    }

    /// The address of the server; `None` for SQLite.
    pub(crate) fn server(&self) -> Option<&Server> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) | Self::Mysql(server) => Some(server),
        }
    }

    /// The same address with another server.
    pub(crate) fn at(&self, change: impl FnOnce(&mut Server)) -> Self {
        let mut address = self.clone();
        if let Self::Postgres(server) | Self::Mysql(server) = &mut address {
            change(server);
        }
        address
    }

    /// Whether it is the address of a file that does not exist.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Sqlite(SqliteFile::At(path)) if !path.exists())
    }

    /// Resolves the path of a file against a folder.
    pub(crate) fn within(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(SqliteFile::At(path)) => Self::Sqlite(SqliteFile::At(folder.join(path))),
            other => other,
        }
    }
}

fn is_sqlite_file(text: &str) -> bool {
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
    !text.contains("://") && matches!(extension, Some("db" | "sqlite" | "sqlite3"))
}

fn is_scheme(text: &str) -> bool {
    text.len() < 24 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
}

/// The beginning that is meant by one that names a driver or another program too: `postgresql+asyncpg:`, `jdbc:`.
fn meant(scheme: &str) -> Option<&'static str> {
    match scheme.split('+').next()? {
        "jdbc" => Some("postgres:// or mysql:// without `jdbc:`"),
        "postgres" | "postgresql" | "pgx" | "pgx4" | "pgx5" | "psql" | "pg" | "pgsql" | "cockroachdb" => {
            Some("postgres://")
        }
        "mysql" | "mysql2" | "mysqlx" | "mariadb" => Some("mysql://"),
        "sqlite3" | "sqlite" | "file" => Some("sqlite:"),
        _ => None,
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(SqliteFile::Memory) => f.write_str("sqlite::memory:"),
            Self::Sqlite(SqliteFile::At(path)) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) | Self::Mysql(server) => server.fmt(f),
        }
    }
}

/// Replaces the text between `://` and the last `@` after it in the same line, which may contain a password.
pub(crate) fn without_userinfo(text: &str) -> String {
    let hidden = |line: &str| match line.split_once("://") {
        Some((before, rest)) => match rest.rsplit_once('@') {
            Some((_, after)) => format!("{before}://***@{after}"),
            None => line.to_owned(),
        },
        None => line.to_owned(),
    };
    text.split('\n').map(hidden).collect::<Vec<_>>().join("\n")
}
