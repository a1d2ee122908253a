//! Queries with one column, whose parameters are texts.

use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, params_from_iter};

/// The value in the only row.
pub(super) fn value<T: FromSql>(conn: &Connection, sql: &str, of: &[&str]) -> rusqlite::Result<T> {
    conn.query_row(sql, params_from_iter(of), |row| row.get(0))
}

/// The texts in all rows.
pub(super) fn texts(conn: &Connection, sql: &str, of: &[&str]) -> rusqlite::Result<Vec<String>> {
    conn.prepare(sql)?.query_map(params_from_iter(of), |row| row.get(0))?.collect()
}

/// Whether there is a row.
pub(super) fn has_row(conn: &Connection, sql: &str, of: &[&str]) -> rusqlite::Result<bool> {
    conn.prepare(sql)?.exists(params_from_iter(of))
}

/// The size of the main database, in bytes.
pub(super) fn size(conn: &Connection) -> rusqlite::Result<u64> {
    Ok(number(conn, "page_count")?.saturating_mul(number(conn, "page_size")?))
}

/// The number that a pragma of the main database returns. `SQLCipher` returns the size of a page as text.
pub(super) fn number(conn: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    let number: Value = value(conn, &format!("PRAGMA main.{pragma}"), &[])?;
    Ok(match number {
        Value::Integer(number) => u64::try_from(number).unwrap_or_default(),
        Value::Text(number) => number.parse().unwrap_or_default(),
        _ => 0,
    })
}
