//! [`MigrationState`]: what a database says about its migrations, without a set.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::backend::{Backend, Schemas, patiently};
use crate::cancel;
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError, Result};
use crate::fault::Fault;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// What a database says about its migrations: which are applied, when and by which program, and what was rolled back or corrected, when and
/// by whom. It needs a connection and no migrations, so a program can ask about the migrations of another one. It only reads: a database
/// without a tracking table is one where nothing is applied.
///
/// What is pending, changed or unknown is relative to a set: see [`MigrationRunner::status`](crate::MigrationRunner::status).
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, MigrationState};
///
/// let conn = Connection::open_in_memory()?;
/// let mut state = MigrationState::of(&conn);
/// assert!(!state.is_applied("1_users")?);
///
/// let set = [Migration::sql("1_users", "CREATE TABLE users (name)"), Migration::reversible("2_a", "CREATE TABLE a (b)", "DROP TABLE a")];
/// let runner = MigrationRunner::new(set)?.program("notes 1.2");
/// runner.run(&conn)?;
/// runner.rollback(&conn, 1)?;
///
/// assert!(state.is_applied("1_users")?);
/// let last = state.last()?.unwrap();
/// assert_eq!((last.id.as_str(), last.program.as_deref()), ("1_users", Some("notes 1.2")));
/// println!("{} was applied at {} UTC", last.id, last.run_on);
/// assert_eq!(state.history()?.log()[0].id, "2_a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MigrationState<
    'c,
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
> {
    conn: B::Conn<'c>,
    table: TableName,
    patience: Duration,
}

#[cfg(feature = "sqlite")]
impl<'c> MigrationState<'c> {
    /// The state of a SQLite database.
    pub fn of(conn: &'c rusqlite::Connection) -> Self {
        Self::for_backend(conn)
    }
}

impl<'c, B: Backend> MigrationState<'c, B> {
    /// The state of a database of any backend: `MigrationState::<Postgres>::for_backend(&mut client)`.
    pub fn for_backend(conn: B::Conn<'c>) -> Self {
        Self { conn, table: TableName::default(), patience: Duration::from_secs(60) }
    }

    /// Reads the records in a table other than `__switchy_migrations`.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a table's name; see [`TableName::new`].
    pub fn table(mut self, name: &str) -> Result<Self> {
        self.table = self.table.renamed(name)?;
        Ok(self)
    }

    /// Reads the records in this schema instead of the one in which unqualified names are looked up first. On MySQL, a schema is a database.
    ///
    /// # Errors
    /// [`ErrorKind::TableName`](crate::ErrorKind::TableName) if it cannot be a schema's name; see [`TableName::in_schema`].
    pub fn schema(mut self, name: &str) -> Result<Self>
    where
        B: Schemas,
    {
        self.table = self.table.in_schema(name)?;
        Ok(self)
    }

    /// Sets how long to wait for the database while others write. The default is 60 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns whether a migration is applied and finished. No set says which ids exist, so a misspelled one is not applied.
    ///
    /// It is one statement, however many migrations are applied, unless the tracking table has an older form. On PostgreSQL, a missing table
    /// ends an open transaction, as any statement that fails.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn is_applied(&mut self, id: impl Into<MigrationId>) -> Result<bool> {
        let id = id.into();
        self.read(|conn, table| B::is_applied(conn, table, &id))
    }

    /// Returns the records of the migrations that are applied and finished, in the order of their application.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn applied(&mut self) -> Result<Vec<Record>> {
        let records = self.records()?.into_iter();
        Ok(records.filter(|record| record.dirty.is_none()).collect())
    }

    /// Returns the record of the migration that was applied and finished last.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn last(&mut self) -> Result<Option<Record>> {
        Ok(self.applied()?.pop())
    }

    /// Returns the records of the migrations that began outside a transaction and did not finish, with how far they came. One may be
    /// running now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn dirty(&mut self) -> Result<Vec<Record>> {
        let records = self.records()?.into_iter();
        Ok(records.filter(|record| record.dirty.is_some()).collect())
    }

    /// Returns all records, and the log of what was rolled back or corrected, when, by which program, by whom and why.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn history(&mut self) -> Result<History> {
        let records = self.records()?;
        Ok(History::new(records).with_log(self.log()?))
    }

    fn records(&mut self) -> Result<Vec<Record>> {
        let tracking = self.read(B::read)?;
        // A table of an older form may have several records of one migration.
        Ok(History::new(tracking.records).records().to_vec())
    }

    fn log(&mut self) -> Result<Vec<LogEntry>> {
        self.read(|conn, table| B::read_log(conn, &table.log()))
    }

    fn read<R>(&mut self, read: impl Fn(&mut B::Conn<'_>, &TableName) -> Result<R, Fault>) -> Result<R> {
        let Self { conn, table, patience } = self;
        patiently(*patience, || read(conn, table)).map_err(|fault| unread::<B>(conn, table, fault))
    }
}

/// The error of reading the tracking table, with what the database says about the cause.
pub(crate) fn unread<B: Backend>(conn: &mut B::Conn<'_>, table: &TableName, fault: Fault) -> MigrationError {
    let fault = cancel::explained(B::explained(conn, table, fault));
    if fault.details.is_cancel {
        return Failure::Stopped(0).into();
    }
    let (doing, table) = ("read the migrations", Some(table.clone()));
    Failure::Database { doing, table, done: None, fault }.into()
}

impl<B: Backend> fmt::Debug for MigrationState<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationState").field("table", &self.table).finish_non_exhaustive()
    }
}
