//! What a database contains, as texts that a test can compare.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::backend::{Catalog, Sqlite};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::schema::Schema;

/// The definitions of everything in a database except the tables of the engine and of SQLite, sorted.
///
/// # Panics
/// If the database cannot be read.
pub fn schema(conn: &Connection) -> Vec<String> {
    rows(
        conn,
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL
        AND tbl_name NOT IN ('__switchy_migrations', '__switchy_migrations_log') ORDER BY type, name",
    )
}

/// The result of a query: one string for each row, with the values separated by `|`.
///
/// # Panics
/// If the query fails.
#[track_caller]
pub fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    try_rows(conn, sql).unwrap_or_else(|error| panic!("the query `{sql}` fails: {error}"))
}

pub(super) fn try_rows(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        let value = |column| -> rusqlite::Result<String> {
            Ok(match row.get_ref(column)? {
                ValueRef::Null => "NULL".to_owned(),
                ValueRef::Integer(value) => value.to_string(),
                ValueRef::Real(value) => value.to_string(),
                ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
            })
        };
        texts.push((0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>()?.join("|"));
    }
    Ok(texts)
}

/// The schema of a database without the tables that the engine has by default.
pub(super) fn definitions(conn: &Connection) -> Result<Schema, Fault> {
    let table = TableName::default();
    let without = [table.as_str(), table.log().as_str()].map(str::to_owned);
    let mut conn = conn;
    Ok(Sqlite::schema(&mut conn, None, &without.each_ref().map(String::as_str))?.unwrap_or_default())
}
