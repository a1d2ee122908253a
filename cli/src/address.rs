//! [`Address`]: the parsed address of a database.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

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
        let is_sqlite = |(scheme, _): &(&str, &str)| {
            ["sqlite", "sqlite3"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        };
        if let Some((_, rest)) = text.split_once(':').filter(is_sqlite) {
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
            _ if is_sqlite_file(path) && !scheme.as_deref().is_some_and(is_other_form) => Self::sqlite(path),
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

    fn sqlite(text: &str) -> Result<Self> {
        let path = match text.strip_prefix("file:") {
            Some(rest) => &path_of_uri(rest)?,
            None => text,
        };
        match path {
            ":memory:" => Ok(Self::Sqlite(SqliteFile::Memory)),
            "" => Err(Failure::usage(format!("the address of the database names no file; {FORMS}"))),
            _ if has_parameters(text) => {
                let what =
                    "the address of the database ends with parameters, `?NAME=VALUE`, as in other tools";
                Err(Failure::usage(format!(
                    "{what}; leave them out, since here they would be part of the file's name"
                )))
            }
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
    let path = if has_parameters(text) { text.rsplit_once('?').map_or(text, |(path, _)| path) } else { text };
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    !text.contains("://") && matches!(extension, Some("db" | "sqlite" | "sqlite3"))
}

/// Whether a path ends as a URL of another tool does: `app.db?mode=rwc`.
fn has_parameters(path: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_parameter = |part: &str| part.split_once('=').is_some_and(|(name, _)| is_name(name));
    path.rsplit_once('?').is_some_and(|(_, query)| query.split('&').all(is_parameter))
}

/// The path in a URI of SQLite, without its `file:`. Commands that look at the file, and not only open it, need the path.
///
/// # Errors
/// It is not text.
fn path_of_uri(rest: &str) -> Result<String> {
    let rest = rest.strip_prefix("//localhost/").map_or_else(
        || rest.strip_prefix("//").unwrap_or(rest).to_owned(),
        |absolute| format!("/{absolute}"),
    );
    let decoded = percent_decode_str(&rest).decode_utf8();
    let path =
        decoded.map_err(|_| Failure::usage("the address of the database is not UTF-8 after its `file:`"))?;
    Ok(path.into_owned())
}

/// Whether other tools begin an address with this, so that it is not the beginning of a file's name. SQLite itself knows `file:`.
fn is_other_form(scheme: &str) -> bool {
    scheme != "file" && meant(scheme).is_some()
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
