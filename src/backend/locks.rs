//! [`Locks`]: the database's own locks.

use std::time::Duration;

use super::driver::Driver;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::Head;

/// The database's own locks. The default has none: if the database is a file, the lock is a file next to it ([`Driver::locate`]).
///
/// # How to write it
///
/// * A server locks between sessions: write [`try_lock`](Self::try_lock) and [`unlock`](Self::unlock), for example with an advisory lock.
/// * If `BEGIN` does not keep other writers out, write [`lock_table`](Self::lock_table).
/// * For [`Lock::Row`](crate::Lock::Row), write [`create_lock_row`](Self::create_lock_row) and [`lock_row`](Self::lock_row).
///
/// # Errors
/// Every method returns the error of its database as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait Locks: Driver {
    /// The table with the schema that it is in, or would be created in. A script that changes the search path then does not change where
    /// the records are.
    fn resolve(_conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableName, Fault> {
        Ok(table.clone())
    }

    /// Tries to acquire the lock of a tracking table for this session, without waiting.
    fn try_lock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Releases that lock.
    fn unlock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Keeps other sessions from writing to the tracking table until the open transaction ends, if `BEGIN` does not do so. It waits for
    /// them no longer than `patience`.
    fn lock_table(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// Does the same for an existing table, and returns its head if the database can do so in the same statement.
    fn lock_table_with_head(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        Self::lock_table(conn, table, patience)?;
        Ok(None)
    }

    /// Creates the row that [`Lock::Row`](crate::Lock::Row) locks, if it is missing.
    fn create_lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Locks that row until the open transaction ends. If another session holds it for longer than `patience`, the fault is
    /// [`FaultKind::Busy`](crate::FaultKind::Busy).
    fn lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// Waits until no other transaction changes records, and keeps other transactions from changing them until the open transaction ends.
    /// It is called after [`lock_row`](Self::lock_row), since a step outside a transaction records its progress without locking the row.
    fn wait_for_writers(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<(), Fault> {
        Self::lock_table(conn, table, patience)
    }

    /// The session of the connection, for [`blocker`](Self::blocker); `None` if no statement of it can wait for another session, or if the
    /// database does not tell.
    fn session(_conn: &mut Self::Conn<'_>) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// Who is in the way of a session, which is that of another connection; `None` if it does not wait for a lock.
    fn blocker(_conn: &mut Self::Conn<'_>, _session: &str) -> Result<Option<Blocker>, Fault> {
        Ok(None)
    }
}

/// Who is in the way of a session that waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Blocker {
    /// What it waits for: "a lock on `accounts`".
    pub lock: String,
    /// The session that holds the lock, as the database names it; empty if that is not known.
    pub session: String,
    /// The same session for a person: where it comes from, what it does, and the statement that ends it. Empty if that is not known.
    pub holder: String,
}

impl Blocker {
    /// A session that holds this lock.
    pub fn new(lock: impl Into<String>, session: impl Into<String>, holder: impl Into<String>) -> Self {
        Self { lock: lock.into(), session: session.into(), holder: holder.into() }
    }
}

/// The result of trying to acquire a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAttempt {
    /// This session holds it.
    Acquired,
    /// Another session holds it; its name, as far as the database reports it.
    HeldBy(String),
    /// The database has no such lock.
    Unsupported,
}
