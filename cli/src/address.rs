//! [`Address`]: the parsed address of a database.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::failure::{Failure, Result};

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

/// The address of a database on a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    scheme: &'static str,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) database: Option<String>,
    pub(crate) options: Vec<(String, String)>,
}

const FORMS: &str = "use sqlite:PATH, a path that ends in .db, .sqlite or .sqlite3, postgres://HOST/NAME or mysql://HOST/NAME";

/// The host of an address without one, while it is parsed as a URL.
const PLACEHOLDER_HOST: &str = "switchy-nowhere.invalid";

const ENCODING_HINT: &str = "what is special in a URL must be percent-encoded in its password";

impl Address {
    /// Parses an address.
    ///
    /// # Errors
    /// The text is not an address. The error does not repeat the text, which may contain a password.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Failure::usage(format!("the address of the database is empty; {FORMS}")));
        }
        if let Some(rest) = text.strip_prefix("sqlite:") {
            return Self::sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        let scheme = text.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => Ok(Self::Postgres(Server::parse("postgres", text)?)),
            Some("mysql" | "mariadb") => Ok(Self::Mysql(Server::parse("mysql", text)?)),
            _ if is_sqlite_file(text) => Self::sqlite(text),
            Some(scheme) if scheme.len() < 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                Err(Failure::usage(format!("`{scheme}:` is no kind of database that is known; {FORMS}")))
            }
            _ => {
                Err(Failure::usage(format!("the address of the database is not one that is known; {FORMS}")))
            }
        }
    }

    fn sqlite(path: &str) -> Result<Self> {
        match path {
            ":memory:" => Ok(Self::Sqlite(SqliteFile::Memory)),
            "" => Err(Failure::usage(format!("the address of the database names no file; {FORMS}"))),
            path => Ok(Self::Sqlite(SqliteFile::At(path.into()))),
        }
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

impl Server {
    /// The options whose values are shown.
    const SHOWN_OPTIONS: [&str; 8] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-ca",
        "connect_timeout",
        "application_name",
        "options",
        "socket",
    ];

    fn parse(scheme: &'static str, text: &str) -> Result<Self> {
        // The part of a password after a `/` would be parsed as the name of the database, and be shown.
        let after_host = text.split_once("://").and_then(|(_, rest)| rest.split_once(['/', '?', '#']));
        if after_host.is_some_and(|(_, rest)| rest.contains('@')) {
            let what = format!(
                "the address of the {scheme} database cannot be understood: it has a `@` behind its host"
            );
            return Err(Failure::usage(format!("{what}; {ENCODING_HINT}")));
        }
        let url = Url::parse(&with_host(text)).map_err(|error| {
            let what = format!("the address of the {scheme} database cannot be understood: {error}");
            Failure::usage(format!("{what}; {ENCODING_HINT}"))
        })?;
        let decoded = |part: &str| -> Result<String> {
            let text = percent_decode_str(part).decode_utf8().map_err(|_| {
                Failure::usage(format!(
                    "the address of the {scheme} database is not UTF-8 where it is encoded"
                ))
            })?;
            Ok(text.into_owned())
        };
        let filled = |part: &str| -> Result<Option<String>> {
            if part.is_empty() { Ok(None) } else { decoded(part).map(Some) }
        };
        let database = filled(url.path().trim_start_matches('/'))?;
        if url.cannot_be_a_base() {
            return Err(Failure::usage(format!(
                "the address of a {scheme} database begins with {scheme}://"
            )));
        }
        let host = match url.host_str().filter(|host| *host != PLACEHOLDER_HOST) {
            Some(host) => filled(host.trim_start_matches('[').trim_end_matches(']'))?,
            None => None,
        };
        let mut server = Self {
            scheme,
            user: filled(url.username())?,
            password: url.password().map(decoded).transpose()?,
            host,
            port: url.port(),
            database,
            options: Vec::new(),
        };
        for (name, value) in url.query_pairs() {
            let value = value.into_owned();
            match &*name {
                "user" => server.user = Some(value),
                "password" => server.password = Some(value),
                "host" => server.host = Some(value),
                "port" => {
                    let port =
                        value.parse().map_err(|_| Failure::usage("`port` in the address is no port"))?;
                    server.port = Some(port);
                }
                "dbname" => server.database = Some(value),
                _ => server.options.push((name.into_owned(), value)),
            }
        }
        Ok(server)
    }

    /// Replaces the password in a text of the driver or the server.
    pub(crate) fn without_password(&self, text: &str) -> String {
        match self.password.as_deref() {
            None | Some("") => text.to_owned(),
            Some(password) => text.replace(password, "***"),
        }
    }
}

/// Inserts a placeholder host into an address that has a user or a port but no host: libpq accepts `postgres://user@/name?host=/folder`,
/// but it is not a valid URL.
fn with_host(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    if authority.is_empty() || !(host.is_empty() || host.starts_with(':')) {
        return text.into();
    }
    format!("{scheme}://{user}@{PLACEHOLDER_HOST}{host}{behind}").into()
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

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{user}")?;
        }
        if self.password.is_some() {
            f.write_str(":***")?;
        }
        if self.user.is_some() || self.password.is_some() {
            f.write_str("@")?;
        }
        f.write_str(self.host.as_deref().unwrap_or_default())?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))?;
        write!(f, "/{}", self.database.as_deref().unwrap_or_default())?;
        for (place, (name, value)) in self.options.iter().enumerate() {
            let value = if Self::SHOWN_OPTIONS.contains(&name.as_str()) { value } else { "***" };
            write!(f, "{}{name}={value}", if place == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The same as `Display`, so that no output contains a password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
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
