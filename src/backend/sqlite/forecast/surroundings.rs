//! What the live connection has besides its database.

use rusqlite::Connection;

use crate::dialect::{TableName, quote};

/// Whether the connection has temporary triggers. They fire in the live database and are not on the copy.
pub(super) fn has_temporary_triggers(live: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_temp_master WHERE type = 'trigger')";
    live.query_row(sql, [], |row| row.get(0))
}

/// The names of the engine's tables, of the temporary objects of the connection, and of the attached databases and what they have.
pub(super) fn outside(live: &Connection, tables: &[TableName]) -> rusqlite::Result<Vec<String>> {
    let names = |sql: &str| -> rusqlite::Result<Vec<String>> {
        live.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
    };
    let mut all = names("SELECT name FROM sqlite_temp_master")?;
    for attached in names("SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")? {
        all.extend(names(&format!("SELECT name FROM {}.sqlite_master", quote(&attached)))?);
        all.push(attached);
    }
    all.extend(tables.iter().map(|table| table.as_str().to_owned()));
    Ok(all)
}
