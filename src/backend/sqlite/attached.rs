//! The databases that are attached to a connection.

use rusqlite::Connection;

use super::message;
use crate::dialect::quote;

/// Their names, that of the database itself among them.
pub(super) fn databases(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA database_list")?;
    statement.query_map([], |row| row.get(1))?.collect()
}

/// Takes away what a script attached that failed: `ROLLBACK` does not, and the corrected script would find it in use.
pub(super) fn detach_others(conn: &Connection, before: &[String]) {
    // The failure of the script is what its author has to hear of, not one of the tidying.
    for name in databases(conn).unwrap_or_default() {
        if name != "temp" && !before.contains(&name) {
            let _ = conn.execute_batch(&format!("DETACH {}", quote(&name)));
        }
    }
}

/// Whether `ATTACH` failed since there is a database of that name.
pub(super) fn is_already(error: &rusqlite::Error) -> bool {
    let message = message(error);
    message.starts_with("database ") && message.ends_with(" is already in use")
}
