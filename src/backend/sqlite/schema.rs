//! The schema of the main database.

use rusqlite::Connection;

use super::fault;
use super::query::texts;
use crate::fault::Fault;
use crate::schema::{Definition, Schema};
use crate::sql::{folded, same_name};

mod table;
mod words;

use words::essence;

/// The definitions of everything in `main`, except these tables and what belongs to them, SQLite's own objects, and the shadow tables of
/// virtual tables.
pub(super) fn schema(conn: &Connection, without: &[&str]) -> Result<Schema, Fault> {
    let shadows = shadows(conn).map_err(fault)?;
    let is_left_out = |name: &str| {
        without.iter().any(|without| same_name(without, name))
            || shadows.iter().any(|shadow| same_name(shadow, name))
    };
    let read = || -> rusqlite::Result<Vec<Definition>> {
        let sql = "SELECT type, name, tbl_name, sql FROM main.sqlite_master
            WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            // An edited schema may have other values than texts.
            let text = |column| -> rusqlite::Result<String> {
                let bytes = row.get_ref(column)?.as_bytes().unwrap_or_default();
                Ok(String::from_utf8_lossy(bytes).into_owned())
            };
            let (kind, name, table, sql) = (text(0)?, text(1)?, text(2)?, text(3)?);
            if !is_left_out(&name) && !is_left_out(&table) {
                let definition = Definition::new(kind, name, sql).of_table(table);
                let (text, key) = (essence(&definition.sql), folded(&definition.name));
                found.push(definition.compared_by(text).known_as(key));
            }
        }
        found.into_iter().map(|definition| table::described(conn, definition)).collect()
    };
    read().map(Schema::new).map_err(fault)
}

/// The tables in which virtual tables keep their data. SQLite lists them from 3.37 on.
fn shadows(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    if rusqlite::version_number() < 3_037_000 {
        return Ok(Vec::new());
    }
    texts(conn, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow'", &[])
}
