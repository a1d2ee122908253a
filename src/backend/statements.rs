//! [`Statements`]: a session that runs statements and returns texts, which is all that a backend over another driver needs.

use std::marker::PhantomData;

use crate::fault::{Fault, FaultKind};

pub(super) mod refused;
pub(super) mod rows;
pub(super) mod script;

/// The rows of a query: a text or `NULL` for each column.
pub type Texts = Vec<Vec<Option<String>>>;

/// A session of a database that runs statements and returns texts.
///
/// It is all that a backend needs from a driver that the crate has no adapter for: an asynchronous one, one in another process, or another
/// version of a driver that it has. Implement it for the session, and use [`SqliteOver`](crate::SqliteOver),
/// `PostgresOver` or `MysqlOver` with it. These read and write the same tables as the backends of the crate, so a database can be migrated
/// through either.
///
/// Every statement must run in the same session, in the order of the calls: transactions, locks and settings belong to it. A pool that
/// gives each statement another connection cannot be a session.
///
/// ```
/// use switchy_schema::backend::{Fault, Statements, Texts};
/// use switchy_schema::rusqlite::{Connection, Error, types::Value};
/// use switchy_schema::{DirectoryMigrations, FaultKind, MigrationRunner, SqliteOver};
///
/// /// A session that somebody else's driver provides.
/// struct Session(Connection);
///
/// impl Statements for Session {
///     fn run(&mut self, sql: &str) -> Result<(), Fault> {
///         self.0.execute_batch(sql).map_err(fault)
///     }
///
///     fn change(&mut self, sql: &str) -> Result<u64, Fault> {
///         Ok(self.0.execute(sql, []).map_err(fault)? as u64)
///     }
///
///     fn rows(&mut self, sql: &str) -> Result<Texts, Fault> {
///         let mut statement = self.0.prepare(sql).map_err(fault)?;
///         let columns = statement.column_count();
///         let rows = statement.query_map([], |row| {
///             (0..columns).map(|column| Ok(text(row.get(column)?))).collect()
///         });
///         rows.and_then(|rows| rows.collect()).map_err(fault)
///     }
/// }
///
/// fn text(value: Value) -> Option<String> {
///     match value {
///         Value::Null | Value::Blob(_) => None,
///         Value::Integer(number) => Some(number.to_string()),
///         Value::Real(number) => Some(number.to_string()),
///         Value::Text(text) => Some(text),
///     }
/// }
///
/// fn fault(error: Error) -> Fault {
///     let is_busy = error.to_string().contains("is locked");
///     let kind = if is_busy { FaultKind::Busy } else { FaultKind::Other };
///     Fault::new(kind, error.to_string()).caused_by(error)
/// }
///
/// let source = DirectoryMigrations::from_path("migrations");
/// let runner = MigrationRunner::<SqliteOver<Session>>::for_backend(source)?;
/// let mut session = Session(Connection::open_in_memory()?);
/// let done = runner.run(&mut session)?;
/// assert!(!done.applied.is_empty());
/// assert!(runner.run(&mut session)?.applied.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Every method returns the error of the driver as a [`Fault`]. Its [kind](FaultKind) decides whether the engine waits and tries again
/// ([`Busy`](FaultKind::Busy)), and the backends look for the server's own words in its message, so that must contain them.
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait Statements: Sized + 'static {
    /// Runs one statement, or on SQLite and PostgreSQL several, and ignores the rows that they return. It must not prepare them, since
    /// not every statement can be prepared.
    fn run(&mut self, sql: &str) -> Result<(), Fault>;

    /// Runs a statement that ends or restores something: it rolls a transaction back, releases a lock, or sets a setting back. A session
    /// whose run was cancelled runs nothing else.
    fn restore(&mut self, sql: &str) -> Result<(), Fault> {
        self.run(sql)
    }

    /// Runs a statement that changes rows, and returns how many. An update counts every row that it found.
    fn change(&mut self, sql: &str) -> Result<u64, Fault>;

    /// Runs a query, and returns its rows. The backends give each column a name of its own, and cast it to a text where that is possible.
    fn rows(&mut self, sql: &str) -> Result<Texts, Fault>;
}

/// The marker of a backend over a session. It has no values.
pub(super) type Over<S> = PhantomData<fn(S)>;

/// The first value of a query, unless it is `NULL` or there is no row.
pub(super) fn value(session: &mut impl Statements, sql: &str) -> Result<Option<String>, Fault> {
    Ok(session.rows(sql)?.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
}

/// The first column of a query, without its `NULL`s.
pub(super) fn column(session: &mut impl Statements, sql: &str) -> Result<Vec<String>, Fault> {
    Ok(session.rows(sql)?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// The number that is the first value of a query.
pub(super) fn number(session: &mut impl Statements, sql: &str) -> Result<u64, Fault> {
    let found = value(session, sql)?;
    found.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Fault::new(FaultKind::Other, "the driver did not return the number that a query asks for")
    })
}

/// Whether the message of a fault has these words of the database in it.
pub(super) fn says(fault: &Fault, words: &str) -> bool {
    fault.to_string().contains(words)
}
