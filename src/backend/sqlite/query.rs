//! Queries with one column, whose parameters are texts.

use rusqlite::types::FromSql;
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
    let number = |pragma| value::<i64>(conn, pragma, &[]).map(i64::unsigned_abs);
    Ok(number("PRAGMA main.page_count")? * number("PRAGMA main.page_size")?)
}
