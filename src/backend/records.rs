//! [`Records`]: the tracking table and its log.

use std::time::Duration;

use super::client_part::ClientPart;
use super::driver::Driver;
use super::tracking_table::{TableForm, TrackingTable};
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Head, History, HistoryDigest, Record};
use crate::id::MigrationId;
use crate::log_entry::LogEntry;

/// The tracking table, with a record for each applied migration, and the log of what was undone or corrected.
///
/// # How to write it
///
/// * A missing table is an empty history. Reading never creates it.
/// * Inserting a record that exists is a fault. Changing or deleting a record that does not exist is a fault.
/// * An inserted record has no digest until [`stamp`](Self::stamp) writes one.
///
/// # Errors
/// Every method returns the error of its database as a [`Fault`].
#[allow(clippy::missing_errors_doc, reason = "documented once, on the trait")]
pub trait Records: Driver {
    /// The digest on the newest record and the number of records, in one statement if possible. The default reads the table.
    fn head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault> {
        Self::read(conn, table).map(|tracking| tracking.head)
    }

    /// The head, without a digest if any record is dirty, so that a start does not miss an unfinished step. One statement if possible.
    fn clean_head(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<Head, Fault> {
        let TrackingTable { head, records, .. } = Self::read(conn, table)?;
        let is_dirty = records.iter().any(|record| record.dirty.is_some());
        Ok(if is_dirty { Head { digest: None, ..head } } else { head })
    }

    /// Whether a migration has a record that is not dirty. One statement if possible. The default reads the table.
    fn is_applied(conn: &mut Self::Conn<'_>, table: &TableName, id: &MigrationId) -> Result<bool, Fault> {
        is_applied_as_read::<Self>(conn, table, id)
    }

    /// The fault of one of the engine's own statements, with what the database says about its cause: a right that the user lacks, and the
    /// statement that gives it, or that the server only reads. The transaction of that statement has ended.
    fn explained(_conn: &mut Self::Conn<'_>, _table: &TableName, fault: Fault) -> Fault {
        fault
    }

    /// The form of the tracking table.
    fn form(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TableForm, Fault> {
        Self::read(conn, table).map(|tracking| tracking.form)
    }

    /// Adds a record with the digest of the whole history on it.
    fn append(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        record: &Record,
        digest: HistoryDigest,
    ) -> Result<(), Fault> {
        Self::insert(conn, table, record)?;
        Self::stamp(conn, table, digest)
    }

    /// Begins a step outside a transaction: if the tracking table still has this head, it adds the record as [`append`](Self::append)
    /// does. It is one statement and one transaction, and returns whether the table had the head. `None` if the database needs several
    /// statements for it; nothing is then done.
    fn append_if_head(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _head: Head,
        _record: &Record,
        _digest: HistoryDigest,
        _patience: Duration,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// Ends a step outside a transaction: if its record, the newest, still [is at](Dirty::is_at) `from`, it rewrites the record with the
    /// digest on it. It is one statement and one transaction, and returns whether it rewrote the record. `None` as for
    /// [`append_if_head`](Self::append_if_head).
    fn finish_if_unchanged(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _from: &Dirty,
        _record: &Record,
        _digest: HistoryDigest,
    ) -> Result<Option<bool>, Fault> {
        Ok(None)
    }

    /// A number that changes when another connection commits a change to the database, such as SQLite's `data_version`. It is read inside
    /// a transaction. `None` if the database has no such number.
    fn data_version(_conn: &mut Self::Conn<'_>) -> Result<Option<i64>, Fault> {
        Ok(None)
    }

    /// Writes something in a transaction that has written nothing yet, and takes it back. What the first write of a transaction changes for
    /// other connections without a commit, such as a WAL that begins anew, has then changed. The default does nothing.
    fn begin_writing(_conn: &mut Self::Conn<'_>) -> Result<(), Fault> {
        Ok(())
    }

    /// The tracking table with all its records, oldest first.
    fn read(conn: &mut Self::Conn<'_>, table: &TableName) -> Result<TrackingTable, Fault>;

    /// Creates a tracking table of the current form with these records, and replaces one of an older form. It is called inside a
    /// transaction.
    fn create_table(conn: &mut Self::Conn<'_>, table: &TableName, records: &[Record]) -> Result<(), Fault>;

    /// Adds the columns that a table of the form [`Lacking`](TableForm::Lacking) lacks. It is called inside a transaction, unless creating a
    /// table commits ([`Driver::DDL_IS_TRANSACTIONAL`]), and does nothing if another program was faster.
    fn add_columns(_conn: &mut Self::Conn<'_>, _table: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Whether nobody can read the table from [`add_columns`](Self::add_columns) until the end of the transaction. If so, it gets a
    /// transaction of its own before the first step.
    const ADDING_COLUMNS_BLOCKS_READERS: bool = false;

    /// Adds a record. If it has no date, the database sets the date.
    fn insert(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Rewrites the record with the same id. Its date changes only if the new one has a date.
    fn update(conn: &mut Self::Conn<'_>, table: &TableName, record: &Record) -> Result<(), Fault>;

    /// Writes how far an unfinished step got: `statement`, `of`, `mark` and `failure` of `to` ([`Dirty::advance_to`]). If the record no
    /// longer [is at](Dirty::is_at) `from`, another run has taken over the step; the method then changes nothing and returns `false`. No
    /// other transaction may change the record between the comparison and the end of this transaction.
    fn advance(
        conn: &mut Self::Conn<'_>,
        table: &TableName,
        id: &MigrationId,
        from: &Dirty,
        to: &Dirty,
    ) -> Result<bool, Fault>;

    /// Removes a record.
    fn delete(conn: &mut Self::Conn<'_>, table: &TableName, id: &MigrationId) -> Result<(), Fault>;

    /// Writes the digest of the whole history on the newest record, if there is one.
    fn stamp(conn: &mut Self::Conn<'_>, table: &TableName, digest: HistoryDigest) -> Result<(), Fault>;

    /// Creates the log if it is missing. It is called only if creating a table commits ([`Driver::DDL_IS_TRANSACTIONAL`]).
    fn create_log(_conn: &mut Self::Conn<'_>, _log: &TableName) -> Result<(), Fault> {
        Ok(())
    }

    /// Adds an entry to the log. The log is a separate table, which this method creates if it is missing. The database dates the entry.
    fn append_log(conn: &mut Self::Conn<'_>, log: &TableName, log_entry: &LogEntry) -> Result<(), Fault>;

    /// All entries of the log, oldest first. A missing table is an empty log. Reading never creates it.
    fn read_log(conn: &mut Self::Conn<'_>, log: &TableName) -> Result<Vec<LogEntry>, Fault>;

    /// A part of a script that the database's own client runs instead of the engine
    /// ([`client_script`](crate::MigrationRunner::client_script)). It runs nothing.
    fn client_part(
        _conn: &mut Self::Conn<'_>,
        _table: &TableName,
        _log: &TableName,
        _part: ClientPart<'_>,
    ) -> Result<String, Fault> {
        Err(Fault::new(FaultKind::Other, "this kind of database has no client that is known here"))
    }
}

/// Whether a migration has a record that is not dirty, as the whole table says. It may be of an older form.
pub(super) fn is_applied_as_read<B: Records>(
    conn: &mut B::Conn<'_>,
    table: &TableName,
    id: &MigrationId,
) -> Result<bool, Fault> {
    let history = History::new(B::read(conn, table)?.records);
    Ok(history.get(id).is_some_and(|record| record.dirty.is_none()))
}

/// Knows whether other connections have committed since the snapshot of a run, also after an error of the system.
pub(crate) trait Witness {
    /// Is given the data version of the run's connection inside a transaction that keeps other writers out and has written nothing that
    /// others can see. Returns whether nobody else has committed since the snapshot; `false` also if that is not known.
    fn look(&self, version: i64) -> bool;

    /// Lets go of the database. What the run itself commits until the next look may then be taken for a commit of others.
    fn rest(&self);
}
