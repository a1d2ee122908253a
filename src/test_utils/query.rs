//! The content of a database, as texts that a test can compare.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::backend::{Catalog, Sqlite, TestDriver};
use crate::dialect::TableName;
use crate::fault::Fault;
use crate::schema::Schema;

use super::assertions::printable;

/// The definitions of all tables, indexes, triggers and views, sorted. The tables of the engine and of SQLite are left out.
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
/// An integer is written as `1`, a real number as `1.0`, a blob as `x'00FF'`, and NULL as `NULL`. A text is written without quotes, so
/// the text `1` looks like the integer 1. If the difference matters, query `quote(column)` or `typeof(column)`.
///
/// # Panics
/// If the query fails.
#[track_caller]
pub fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    try_rows(conn, sql)
        .unwrap_or_else(|error| panic!("{}", printable(&format!("the query `{sql}` fails: {error}"))))
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
                // SQLite writes `1.0` too, so an integer that became a real is seen.
                ValueRef::Real(value) => format!("{value:?}"),
                ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                ValueRef::Blob(bytes) => literal(bytes),
            })
        };
        texts.push((0..columns).map(value).collect::<rusqlite::Result<Vec<_>>>()?.join("|"));
    }
    Ok(texts)
}

/// A blob as a literal of SQL.
fn literal(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("x'{}'", digits.concat())
}

/// The schema of a database without the tables that the engine has by default.
///
/// # Panics
/// If the schema cannot be read.
#[track_caller]
pub(super) fn definitions(conn: &Connection) -> Schema {
    try_definitions(conn).unwrap_or_else(|fault| panic!("the schema cannot be read: {fault}"))
}

fn try_definitions(conn: &Connection) -> Result<Schema, Fault> {
    let without = engine_tables();
    let mut conn = conn;
    Ok(Sqlite::schema(&mut conn, None, &without.each_ref().map(String::as_str))?.unwrap_or_default())
}

/// The tables that the engine has by default.
pub(super) fn engine_tables() -> [String; 2] {
    let table = TableName::default();
    [table.as_str(), table.log().as_str()].map(str::to_owned)
}

/// The definitions of everything in a database that belongs to a test, in all its schemas.
pub(super) fn whole_schema<B: TestDriver>(
    conn: &mut B::Conn<'_>,
    within: Option<&str>,
    without: &[String],
) -> Result<Schema, Fault> {
    let without: Vec<&str> = without.iter().map(String::as_str).collect();
    let first = B::schema(conn, within, &without)?.unwrap_or_default();
    let beyond = B::definitions_beyond(conn, within, &without)?;
    Ok(Schema::new([first.definitions(), &beyond].concat()))
}
