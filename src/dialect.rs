//! [`Dialect`], the kind of database, and [`TableName`], a name that quotes itself.

use std::borrow::Cow;
use std::fmt;

/// A kind of database, as folders (`sqlite/`), overlays (`up.sqlite.sql`) and `databases = [...]` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dialect {
    /// `sqlite`
    Sqlite,
    /// `postgres`
    Postgres,
    /// `mysql`, which is also MariaDB
    Mysql,
    /// The database of a backend defined elsewhere, by the name its files use.
    Other(&'static str),
}

impl Dialect {
    /// The name that folders, overlays and metadata use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Other(name) => name,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of the tracking table. It is always quoted, so any name that the databases store is good.
///
/// ```
/// use switchy_schema::TableName;
///
/// assert_eq!(TableName::default().as_str(), "__switchy_migrations");
/// assert_eq!(TableName::new("my \"own\" table").unwrap().quoted(), "\"my \"\"own\"\" table\"");
/// assert!(TableName::new("").is_err());
/// assert!(TableName::new("sqlite_stat").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TableName(Cow<'static, str>);

impl TableName {
    /// The longest name, in bytes: with `_log` behind it, PostgreSQL stores it without cutting it.
    pub const MAX_BYTES: usize = 59;

    /// A checked name.
    ///
    /// # Errors
    ///
    /// [`InvalidTableName`] if it is empty, longer than 59 bytes, holds a control character, or begins with
    /// `sqlite_`, which SQLite keeps for itself.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidTableName> {
        let name = name.into();
        let reason = if name.trim().is_empty() {
            "it is empty"
        } else if name.len() > Self::MAX_BYTES {
            "it is longer than 59 bytes"
        } else if name.chars().any(char::is_control) {
            "it holds a control character"
        } else if name.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"sqlite_")) {
            "SQLite keeps names that begin with `sqlite_` for itself"
        } else {
            return Ok(Self(Cow::Owned(name)));
        };
        Err(InvalidTableName { name, reason })
    }

    /// The name of the log that belongs to a tracking table.
    pub(crate) fn log(&self) -> Self {
        Self(Cow::Owned(format!("{}_log", self.0)))
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as SQL writes it: in double quotes, those inside doubled.
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }
}

/// An identifier as standard SQL writes it.
pub(crate) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

impl Default for TableName {
    /// `__switchy_migrations`
    fn default() -> Self {
        Self(Cow::Borrowed("__switchy_migrations"))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name cannot be a tracking table's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot name the tracking table: {reason}; choose another name", .name.escape_debug())]
pub struct InvalidTableName {
    name: String,
    reason: &'static str,
}
