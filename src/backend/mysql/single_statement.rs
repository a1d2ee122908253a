//! Compares the tracking table and writes to it, in one statement.

use std::time::Duration;

use mysql::Conn;

use super::query::{NO_SUCH_TABLE, UNKNOWN_COLUMN, code, fault, get, text, waiting_rows};
use super::table::{INSERTED, inserted, is_at, matched, sets};
use super::{Mysql, PLACE, quoted};
use crate::backend::driver::Driver;
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::history::{Dirty, Head, HistoryDigest, Record};

/// The number of digits of a place. It is the same for all records, so that the greater of two texts belongs to the later record.
const DIGITS: usize = 20;

/// Locks all records until the transaction ends, and returns their number, and the place of the newest record with its digest.
fn locking(table: &TableName) -> String {
    format!(
        "SELECT COUNT(*) AS records, MAX(CONCAT(LPAD({PLACE}, {DIGITS}, '0'), COALESCE(basis, ''))) AS newest FROM {} FOR UPDATE",
        quoted(table)
    )
}

/// Locks the table as [`Locks::lock_table`] does, and returns its head; `None` if the server needs several statements for this.
pub(super) fn locked_head(
    conn: &mut Conn,
    table: &TableName,
    patience: Duration,
) -> Result<Option<Head>, Fault> {
    match waiting_rows(conn, patience, &locking(table)) {
        Ok(rows) => Ok(rows.and_then(|rows| rows.into_iter().next()).map(|row| {
            let count = get(&row, 0).unwrap_or_default();
            let newest = get::<String>(&row, 1).unwrap_or_default();
            let digest = newest.get(DIGITS..).and_then(|text| text.parse().ok());
            if count == 0 { Head::EMPTY } else { Head { digest, count } }
        })),
        Err(error) if matches!(code(&error), Some(NO_SUCH_TABLE | UNKNOWN_COLUMN)) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

pub(super) fn append(
    conn: &mut &mut Conn,
    table: &TableName,
    head: Head,
    record: &Record,
    digest: HistoryDigest,
    patience: Duration,
) -> Result<Option<bool>, Fault> {
    let Some(expected) = head.digest else { return Ok(None) };
    let is_same = match head.count {
        0 => "records = 0".to_owned(),
        count => {
            let expected = text(Some(&expected.to_string()));
            format!(
                "records = {count} AND CAST(SUBSTRING(newest, {DIGITS} + 1) AS BINARY) = CAST({expected} AS BINARY)"
            )
        }
    };
    let sql = format!(
        "INSERT INTO {} ({INSERTED}) SELECT {} FROM ({}) AS it WHERE {is_same}",
        quoted(table),
        inserted(record, Some(digest)),
        locking(table)
    );
    match waiting_rows(conn, patience, &sql) {
        Ok(Some(_)) => Ok(Some(conn.affected_rows() > 0)),
        Ok(None) => Ok(None),
        Err(error) => {
            let fault = fault(error);
            Err(in_doubt(conn, fault))
        }
    }
}

pub(super) fn finish(
    conn: &mut &mut Conn,
    table: &TableName,
    from: &Dirty,
    record: &Record,
    digest: HistoryDigest,
) -> Result<bool, Fault> {
    let sql = format!(
        "UPDATE {} SET {}, basis = {} WHERE {}",
        quoted(table),
        sets(record),
        text(Some(&digest.to_string())),
        is_at(&record.id, from)
    );
    matched(conn, &sql).map(|rows| rows > 0).map_err(|fault| in_doubt(conn, fault))
}

/// The fault of a statement that is a transaction of its own. If the connection is lost in it, it may be committed.
fn in_doubt(conn: &mut &mut Conn, fault: Fault) -> Fault {
    if Mysql::in_transaction(conn).is_err() { fault.in_doubt() } else { fault }
}
