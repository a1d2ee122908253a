//! [`Locks`]: the database's own locks.

use std::time::Duration;

use super::driver::Driver;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::Head;

/// The database's own locks. By default there are none: a database that is a file is locked by a file beside it
/// ([`Driver::locate`]).
///
/// # How to write it
///
/// * A server locks between sessions: [`try_lock`](Self::try_lock) and [`unlock`](Self::unlock), an advisory lock for example.
/// * If its `BEGIN` does not keep other writers out, [`lock_table`](Self::lock_table) does.
/// * For [`Lock::Row`](crate::Lock::Row): [`create_lock_row`](Self::create_lock_row) and [`lock_row`](Self::lock_row).
///
/// # Errors
/// Every method returns what its database says, as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Locks: Driver {
    /// The table with the schema it is in, or would be made in, so that a script which changes where names are looked up changes
    /// nothing of where the records are.
    fn resolve(_conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableName, Fault> {
        Ok(table.clone())
    }

    /// Tries to take the database's own lock of a tracking table for this session, without waiting.
    fn try_lock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Gives that lock back.
    fn unlock(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Keeps others from writing to the tracking table until the transaction that is open ends, if beginning it did not.
    /// Others are waited for no longer than this.
    fn lock_table(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// The same where the table is known to be there; with its head, if the database tells it at once.
    fn lock_table_with_head(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<Option<Head>, Fault> {
        Self::lock_table(conn, table, patience)?;
        Ok(None)
    }

    /// Makes the row that [`Lock::Row`](crate::Lock::Row) locks, if it is not there.
    fn create_lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<LockAttempt, Fault> {
        Ok(LockAttempt::Unsupported)
    }

    /// Locks that row until the transaction that is open ends. If others have it for longer than this, it is a [`FaultKind::Busy`].
    fn lock_row(_conn: &mut Self::Conn<'_>, _table: &TableName, _patience: Duration) -> Result<(), Fault> {
        Ok(())
    }

    /// Waits until nobody else is changing records in a transaction, and keeps others from it until the one that is open ends. This comes
    /// behind [`lock_row`](Self::lock_row), since how far a step outside a transaction came is written without that row.
    fn wait_for_writers(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        patience: Duration,
    ) -> Result<(), Fault> {
        Self::lock_table(conn, table, patience)
    }
}

/// What came of trying to take a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAttempt {
    /// This session has it.
    Acquired,
    /// Another session has it; who that is, as far as the database says.
    HeldBy(String),
    /// The database has no such lock.
    Unsupported,
}
