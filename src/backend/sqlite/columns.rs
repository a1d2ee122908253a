//! The columns of a table.

use rusqlite::Connection;

use super::query::texts;

/// The columns that have a value of their own, in order: all but generated and hidden ones.
pub(super) fn of(conn: &Connection, database: &str, table: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid";
    texts(conn, sql, &[table, database])
}
