//! Asking the server, and understanding what it says.

use mysql::prelude::{FromValue, Queryable};
use mysql::{Conn, Error, Row};

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

/// The one value that a query gives, unless it is NULL.
pub(super) fn column<T: FromValue>(conn: &mut Conn, sql: &str) -> Result<Option<T>, Error> {
    let row: Option<Row> = conn.query_first(sql)?;
    Ok(row.and_then(|row| get(&row, 0)))
}

/// A value of a row, unless it is NULL or something else than expected.
pub(super) fn get<T: FromValue>(row: &Row, column: usize) -> Option<T> {
    row.get_opt::<Option<T>, usize>(column)?.ok()?
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
    let is_transaction = code(&error) == Some(READ_ONLY_TRANSACTION);
    let message = match &error {
        Error::MySqlError(told) => told.message.clone(),
        other => other.to_string(),
    };
    let fault = Fault::new(kind, message.split_whitespace().collect::<Vec<_>>().join(" ")).caused_by(error);
    match kind {
        FaultKind::ReadOnly if is_transaction => {
            fault.remedy("switch that off with SET SESSION TRANSACTION READ WRITE")
        }
        FaultKind::ReadOnly => fault.remedy("connect to a server that may be written"),
        _ => fault,
    }
}
