//! Reading the tables of other tools.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::query::value;
use super::table::columns;
use super::{fault, in_main, message};
use crate::dialect::{TableName, quote};
use crate::fault::{Fault, FaultKind};
use crate::foreign::{Cell, ForeignTable};
use crate::sql::Tokens;

/// Reads a table of `main`. It reads no view, and no object that only looks like a table and runs code when it is read.
pub(super) fn table(
    conn: &Connection,
    table: &TableName,
    wanted: &[&str],
) -> Result<Option<ForeignTable>, Fault> {
    let sql = "SELECT name, coalesce(sql, '') FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let found: Option<(String, String)> = conn
        .query_row(sql, [table.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(fault)?;
    let Some((_, sql)) = found else { return Ok(None) };
    if Tokens::new(&sql).nth(1).is_some_and(|token| token.is("virtual")) {
        let what = format!("`{table}` is a virtual table, which no tool keeps its history in");
        return Err(Fault::new(FaultKind::Other, what).remedy("look where it comes from, and remove it"));
    }
    // SQLite has generated columns from 3.31 on.
    let computed = "SELECT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 0)";
    if rusqlite::version_number() >= 3_031_000 && value(conn, computed, &[table.as_str()]).map_err(fault)? {
        let what = format!("`{table}` has columns that are computed, which no tool keeps its history in");
        return Err(Fault::new(FaultKind::Other, what).remedy("look where they come from, and remove them"));
    }
    let name = in_main(table);
    let columns = columns(conn, &name).map_err(fault)?;
    let mut found = ForeignTable::new(columns, Vec::new());
    if wanted.is_empty() {
        return Ok(Some(found));
    }
    let list: Vec<String> = wanted
        .iter()
        .map(|column| if found.has(column) { quote(column) } else { "NULL".to_owned() })
        .collect();
    let cells = |row: &Row<'_>| (0..wanted.len()).map(|column| row.get_ref(column).map(cell)).collect();
    let rows = |order: &str| -> rusqlite::Result<Vec<Vec<Cell>>> {
        let most = ForeignTable::MOST_ROWS + 1;
        let sql = format!("SELECT {} FROM {name}{order} LIMIT {most}", list.join(", "));
        conn.prepare(&sql)?.query_map([], cells)?.collect()
    };
    found.rows = match rows(" ORDER BY rowid") {
        // The table is `WITHOUT ROWID`.
        Err(error) if message(&error).starts_with("no such column") => rows("").map_err(fault)?,
        rows => rows.map_err(fault)?,
    };
    Ok(Some(found))
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Number(number),
        ValueRef::Real(number) => Cell::Text(number.to_string()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Bytes(bytes.to_owned()),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_owned()),
    }
}

pub(super) fn user_version(conn: &Connection) -> Result<Option<i64>, Fault> {
    value(conn, "PRAGMA main.user_version", &[]).map(Some).map_err(fault)
}
