//! [`Dialect`], the kind of database, and [`TableName`], the name of the tracking table.

use std::borrow::Cow;
use std::fmt;

/// A kind of database, with the name that folders (`sqlite/`), overlays (`up.sqlite.sql`) and `databases = [...]` use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Dialect {
    /// `sqlite`
    Sqlite,
    /// `postgres`
    Postgres,
    /// `mysql`, also for MariaDB
    Mysql,
    /// A database whose backend is defined outside this crate, with the name that its files use.
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

/// The name of the tracking table. It is always quoted, so any name that the databases can store is valid.
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
pub struct TableName {
    schema: Option<String>,
    name: Cow<'static, str>,
}

impl TableName {
    /// The maximum length in bytes: PostgreSQL truncates names to 63 bytes, and the name of the log appends `_log`.
    pub const MAX_BYTES: usize = 59;

    /// The table whose rows are locked under [`Lock::Row`](crate::Lock::Row), beside the tracking table.
    pub(crate) const LOCKS: &'static str = "__switchy_locks";

    /// Creates a table name.
    ///
    /// # Errors
    ///
    /// [`InvalidTableName`] if it is empty, is longer than 59 bytes, contains a control character, or begins with
    /// `sqlite_`, which SQLite reserves.
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
            return Ok(Self { schema: None, name: Cow::Owned(name) });
        };
        Err(InvalidTableName { name, reason })
    }

    /// The same name in a schema.
    ///
    /// # Errors
    /// [`InvalidTableName`] if the schema's name is empty, is longer than 63 bytes, or contains a control character.
    pub fn in_schema(self, schema: impl Into<String>) -> Result<Self, InvalidTableName> {
        let schema = schema.into();
        let reason = if schema.trim().is_empty() {
            "the schema's name is empty"
        } else if schema.len() > 63 {
            "the schema's name is longer than 63 bytes"
        } else if schema.chars().any(char::is_control) {
            "the schema's name holds a control character"
        } else {
            return Ok(Self { schema: Some(schema), ..self });
        };
        Err(InvalidTableName { name: format!("{schema}.{}", self.name), reason })
    }

    /// Another table name in the same schema.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn renamed(self, name: &str) -> Result<Self, InvalidTableName> {
        Ok(Self { schema: self.schema, ..Self::new(name)? })
    }

    /// The name of the tracking table's log.
    pub(crate) fn log(&self) -> Self {
        Self { schema: self.schema.clone(), name: Cow::Owned(format!("{}_log", self.name)) }
    }

    /// Another name in the same schema.
    #[allow(dead_code, reason = "some backends do not use it")]
    pub(crate) fn named(&self, name: String) -> Self {
        Self { schema: self.schema.clone(), name: Cow::Owned(name) }
    }

    /// Another table of the engine in the same schema.
    #[allow(dead_code, reason = "only the backends for servers use it")]
    pub(crate) fn beside(&self, name: &'static str) -> Self {
        Self { schema: self.schema.clone(), name: Cow::Borrowed(name) }
    }

    /// The name as it is stored, without its schema.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The schema, if one was specified.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name with its schema as an SQL identifier: in double quotes, with each double quote inside doubled.
    pub fn quoted(&self) -> String {
        self.quoted_in('"')
    }

    /// The name with its schema, quoted with this character.
    pub fn quoted_in(&self, mark: char) -> String {
        let name = quote_in(&self.name, mark);
        match &self.schema {
            Some(schema) => format!("{}.{name}", quote_in(schema, mark)),
            None => name,
        }
    }
}

/// An identifier quoted as in standard SQL.
#[allow(dead_code, reason = "not every database uses the quotes of standard SQL")]
pub(crate) fn quote(identifier: &str) -> String {
    quote_in(identifier, '"')
}

/// An identifier quoted with this character, which is doubled inside.
pub(crate) fn quote_in(identifier: &str, mark: char) -> String {
    let mut quoted = String::with_capacity(identifier.len() + 2);
    quote_onto(&mut quoted, identifier, mark);
    quoted
}

/// An identifier qualified with a schema that needs no quotes. Every start calls it, so it allocates once.
#[cfg(feature = "sqlite")]
pub(crate) fn qualified(schema: &str, identifier: &str) -> String {
    let mut name = String::with_capacity(schema.len() + identifier.len() + 3);
    name.push_str(schema);
    name.push('.');
    quote_onto(&mut name, identifier, '"');
    name
}

fn quote_onto(text: &mut String, identifier: &str, mark: char) {
    text.push(mark);
    for character in identifier.chars() {
        if character == mark {
            text.push(mark);
        }
        text.push(character);
    }
    text.push(mark);
}

impl Default for TableName {
    /// `__switchy_migrations`
    fn default() -> Self {
        Self { schema: None, name: Cow::Borrowed("__switchy_migrations") }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => f.pad(&format!("{schema}.{}", self.name)),
            None => f.pad(&self.name),
        }
    }
}

impl fmt::Debug for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// The name is not valid for a tracking table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot name the tracking table: {reason}; choose another name", .name.escape_debug())]
pub struct InvalidTableName {
    name: String,
    reason: &'static str,
}
