//! [`Records`]: the tracking table and its log.

use std::time::Duration;

use super::driver::Driver;
use super::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// The tracking table, with a record for each migration that is applied, and the log of what was undone or corrected.
///
/// # How to write it
///
/// * A missing table is an empty history. Reading never creates it.
/// * Inserting a record that exists is a fault. So is changing or deleting one that does not.
/// * An inserted record has no digest until [`stamp`](Self::stamp) writes one.
///
/// # Errors
/// Every method returns what its database says, as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "said once, above")]
pub trait Records: Driver {
    /// The digest on the newest record and the number of records, in one statement if possible. By default it reads the table.
    fn head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault> {
        Self::read(conn, table).map(|tracking| tracking.head)
    }

    /// The same for a start, which must not pass over an unfinished step: without a digest if a record is dirty, whoever made it so. One
    /// statement, where the database can.
    fn clean_head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault> {
        let TrackingTable { head, records, .. } = Self::read(conn, table)?;
        let is_dirty = records.iter().any(|record| record.dirty.is_some());
        Ok(if is_dirty { Head { digest: None, ..head } } else { head })
    }

    /// Which form the tracking table has.
    fn form(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableForm, Fault> {
        Self::read(conn, table).map(|tracking| tracking.form)
    }

    /// Adds a record, and writes the digest of the whole history on it.
    fn append(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        Self::insert(conn, table, record)?;
        Self::stamp(conn, table, digest)
    }

    /// Begins a step outside a transaction: adds its record as [`append`](Self::append) does if the tracking table still has this head, in a
    /// transaction of its own and in one statement, and says whether it had it. `None`, and nothing done, if that takes several statements.
    fn append_if_head(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _head: Head,
        _record: &Record,
        _basis: HistoryDigest,
        _patience: Duration,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// Ends a step outside a transaction: rewrites its record, which is the newest, if that still says what `from` says but for `of` and
    /// `failure`, and writes the digest on it, likewise alone; and says whether it did.
    fn finish_if_unchanged(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _from: &Dirty,
        _record: &Record,
        _basis: HistoryDigest,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// A number that changes when another connection changes the database, and stays the same otherwise, asked in a transaction of ours.
    /// While it stays the same, no other program has changed the tracking table. `None` if the database has no such number.
    fn data_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Everything in the tracking table, oldest first.
    fn read(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TrackingTable, Fault>;

    /// Makes a tracking table of today's form that holds these records, in place of one of an older form if there is
    /// one. Called inside a transaction.
    fn create_table(conn: &mut Self::Conn<'_>, table: &TableName, records: &[Record]) -> Result<(), Fault>;

    /// Adds a record; the database dates it if it has no date.
    fn insert(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Rewrites the record of the same id, its date only if it is given one.
    fn update(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Writes how far the unfinished step of a record came, and why it failed if it did: `statement`, `of`, `mark` and `failure` of `to`. Only if
    /// the record still says what `from` says but for `of` and `failure`, since another run may have taken the step over: else it changes
    /// nothing, and is `false`. No other transaction may change the record between that look and the end of this one.
    fn advance(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault>;

    /// Removes a record.
    fn delete(conn: &mut Self::Conn<'_>, table: &TableName, id: &MigrationId) -> Result<(), Fault>;

    /// Writes the digest of the whole history on the newest record, if there is a record.
    fn stamp(conn: &mut Self::Conn<'_>, table: &TableName, digest: HistoryDigest) -> Result<(), Fault>;

    /// Makes the log, if it does not exist and making it commits: see [`SCHEMA_CAN_BE_ATOMIC`](Self::SCHEMA_CAN_BE_ATOMIC).
    fn create_log(_conn: &mut Self::Conn<'_>, _log: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Adds a line to the log, which is a table of its own and is made if it does not exist. The database dates it.
    fn append_log(conn: &mut Self::Conn<'_>, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault>;

    /// Everything in the log, oldest first. A missing table is an empty log, and reading never creates it.
    fn read_log(conn: &mut Self::Conn<'_>, log: &TableName) -> Result<Vec<LogEntry>, Fault>;
}
