//! Asking the server, and understanding what it says.

use mysql::consts::ColumnType;
use mysql::prelude::{FromValue, Queryable};
use mysql::{Conn, Error, Row};

use super::quoted;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};

pub(super) const UNKNOWN_COLUMN: u16 = 1054;
pub(super) const SYNTAX: u16 = 1064;
pub(super) const NO_SUCH_TABLE: u16 = 1146;
pub(super) const UNKNOWN_VARIABLE: u16 = 1193;
pub(super) const NO_SUCH_ROUTINE_OR_SAVEPOINT: u16 = 1305;
pub(super) const GLOBAL_VARIABLE: u16 = 1229;
pub(super) const READ_ONLY_VARIABLE: u16 = 1238;
pub(super) const READ_ONLY_TRANSACTION: u16 = 1792;
/// `Some non-transactional changed tables couldn't be rolled back`
pub(super) const NOT_ROLLED_BACK: u16 = 1196;

/// The number of an error of the server.
pub(super) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(told) => Some(told.code),
        _ => None,
    }
}

/// Runs a statement, and reads all its results: one can fail behind another that did not.
pub(super) fn read_all(conn: &mut Conn, sql: &str) -> Result<(), Error> {
    let mut results = conn.query_iter(sql)?;
    while let Some(rows) = results.iter() {
        for row in rows {
            row?;
        }
    }
    Ok(())
}

pub(super) fn run(conn: &mut Conn, sql: &str) -> Result<(), Fault> {
    read_all(conn, sql).map_err(fault)
}

/// The first row that a query gives.
///
/// All of them are read: behind a row there can be an error, as where another node of a cluster has ended the transaction. Who passes over
/// it, as the driver's `query_first` does, goes on without a transaction.
pub(super) fn first(conn: &mut Conn, sql: &str) -> Result<Option<Row>, Error> {
    Ok(conn.query::<Row, _>(sql)?.into_iter().next())
}

/// The one value that a query gives, unless it is NULL.
pub(super) fn column<T: FromValue>(conn: &mut Conn, sql: &str) -> Result<Option<T>, Error> {
    Ok(first(conn, sql)?.and_then(|row| get(&row, 0)))
}

/// A value of a row, unless it is NULL or something else than expected.
pub(super) fn get<T: FromValue>(row: &Row, column: usize) -> Option<T> {
    row.get_opt::<Option<T>, usize>(column)?.ok()?
}

/// The names and types of the columns of a table, in their order; none if there is no such table.
///
/// `SHOW COLUMNS` can break the connection on a cluster: where the change of another node interrupts it, MariaDB begins it again in the
/// middle of its result. A SELECT it ends as a deadlock, which is told where the rows end.
pub(super) fn columns(conn: &mut Conn, table: &TableName) -> Result<Vec<(String, ColumnType)>, Fault> {
    let read = |conn: &mut Conn| {
        let mut result = conn.query_iter(format!("SELECT * FROM {} LIMIT 0", quoted(table)))?;
        let columns = result.columns();
        let columns = columns.as_ref().iter().map(|column| (column.name_str().into(), column.column_type()));
        let columns = columns.collect();
        result.try_for_each(|row| row.map(drop))?;
        Ok(columns)
    };
    match read(conn) {
        Err(error) if code(&error) == Some(NO_SUCH_TABLE) => Ok(Vec::new()),
        outcome => outcome.map_err(fault),
    }
}

/// A text as SQL writes it whatever `sql_mode` and character set a script has set.
pub(super) fn text(value: Option<&str>) -> String {
    use std::fmt::Write as _;
    let Some(value) = value else { return "NULL".to_owned() };
    let mut literal = String::with_capacity(12 + value.len() * 2);
    literal.push_str("_utf8mb4 X'");
    for byte in value.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(literal, "{byte:02X}");
    }
    literal.push('\'');
    literal
}

/// What the server said.
pub(super) fn fault(error: Error) -> Fault {
    let kind = match code(&error) {
        // Lock wait timeout, deadlock.
        Some(1205 | 1213) => FaultKind::Busy,
        // `--read-only`, a transaction that is, InnoDB that is.
        Some(1290) if error.to_string().contains("read") => FaultKind::ReadOnly,
        Some(READ_ONLY_TRANSACTION | 1836 | 1874) => FaultKind::ReadOnly,
        // Disk full, table full.
        Some(1021 | 1114) => FaultKind::Full,
        // `KILL QUERY`, `max_statement_time`, `max_execution_time`.
        Some(1317 | 1969 | 3024) => FaultKind::Interrupted,
        _ => FaultKind::Other,
    };
    let message = match &error {
        Error::MySqlError(told) => told.message.clone(),
        other => other.to_string(),
    };
    let code = code(&error);
    let fault = Fault::new(kind, message.split_whitespace().collect::<Vec<_>>().join(" ")).caused_by(error);
    match (kind, code) {
        (_, Some(READ_ONLY_TRANSACTION)) => fault.remedy(
            "take READ ONLY out of the script, or switch it off for the session with SET SESSION TRANSACTION READ WRITE",
        ),
        (FaultKind::ReadOnly, _) => fault.remedy("connect to a server that may be written"),
        _ => fault,
    }
}
