//! What several parts of the backend ask a session.

use std::time::Duration;

use crate::backend::mysql::query::text;
use crate::backend::mysql::table::collated;
use crate::backend::statements::{Statements, says, value};
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};

/// A value as a text that a driver does not take for bytes, as some do with a collation that compares bytes.
pub(super) fn plain(expression: &str) -> String {
    format!("CONVERT({expression} USING utf8mb4) COLLATE utf8mb4_general_ci")
}

/// The definition of the table's columns on this server.
pub(super) fn definition(conn: &mut impl Statements) -> Result<String, Fault> {
    let sql = "SELECT COLLATION_NAME AS c0 FROM information_schema.COLLATIONS
        WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')";
    Ok(collated(value(conn, sql)?.as_deref()))
}

/// Whether a statement failed because a table does not exist.
pub(super) fn is_missing(fault: &Fault) -> bool {
    says(fault, "doesn't exist")
}

/// The names and types of the columns of a table, in order; empty if there is no such table.
pub(super) fn columns(conn: &mut impl Statements, table: &TableName) -> Result<Vec<(String, String)>, Fault> {
    let schema = table.schema().map_or("DATABASE()".to_owned(), |schema| text(Some(schema)));
    let sql = format!(
        "SELECT COLUMN_NAME AS c0, LOWER(DATA_TYPE) AS c1 FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} ORDER BY ORDINAL_POSITION",
        text(Some(table.as_str()))
    );
    let pairs = conn.rows(&sql)?.into_iter().filter_map(|row| match <[_; 2]>::try_from(row) {
        Ok([Some(name), kind]) => Some((name, kind.unwrap_or_default())),
        _ => None,
    });
    Ok(pairs.collect())
}

pub(super) fn names(conn: &mut impl Statements, table: &TableName) -> Result<Vec<String>, Fault> {
    Ok(columns(conn, table)?.into_iter().map(|(name, _)| name).collect())
}

/// Runs a statement that acquires a lock, and waits for at most this long.
pub(super) fn waiting(conn: &mut impl Statements, patience: Duration, lock: &str) -> Result<(), Fault> {
    let [rows, tables] = limits(conn)?;
    let limit = patience.as_secs().max(1);
    let locked = conn.run(&set_limits(limit, limit)).and_then(|()| conn.run(lock));
    conn.restore(&set_limits(rows, tables))?;
    locked
}

/// How long a statement of the session waits, in seconds: for a row, and for a table whose definition is locked.
pub(super) fn limits(conn: &mut impl Statements) -> Result<[String; 2], Fault> {
    let sql =
        "SELECT CAST(@@innodb_lock_wait_timeout AS CHAR) AS c0, CAST(@@lock_wait_timeout AS CHAR) AS c1";
    match conn.rows(sql)?.into_iter().next().as_deref() {
        Some([Some(rows), Some(tables)]) => Ok([rows.clone(), tables.clone()]),
        _ => Err(Fault::new(FaultKind::Other, "the server does not tell its limits on waits for locks")),
    }
}

/// The statement that sets the limits of the session.
pub(super) fn set_limits(rows: impl std::fmt::Display, table: impl std::fmt::Display) -> String {
    format!("SET SESSION innodb_lock_wait_timeout = {rows}, SESSION lock_wait_timeout = {table}")
}
