//! The databases that are attached to a connection.

use rusqlite::Connection;

use super::message;
use crate::dialect::quote;
use crate::sql::{Tokens, part, statement_start};

/// The names of these databases, including the database itself.
pub(super) fn databases(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA database_list")?;
    statement.query_map([], |row| row.get(1))?.collect()
}

/// Detaches what a failed script attached. `ROLLBACK` does not, and the corrected script would find the name in use.
pub(super) fn detach_others(conn: &Connection, before: &[String]) {
    // The author must see the failure of the script, not a failure of this cleanup.
    for name in databases(conn).unwrap_or_default() {
        if name != "temp" && !before.contains(&name) {
            let _ = conn.execute_batch(&format!("DETACH {}", quote(&name)));
        }
    }
}

/// Whether `ATTACH` failed because a database of that name exists.
pub(super) fn is_already(error: &rusqlite::Error) -> bool {
    let message = message(error);
    message.starts_with("database ") && message.ends_with(" is already in use")
}

/// Whether a statement failed because it is a `DETACH` of a database that the open transaction uses.
pub(super) fn is_in_use(own: &str, message: &str) -> bool {
    Tokens::new(part(own, statement_start(own, 0)..)).next().is_some_and(|first| first.is("detach"))
        && message.ends_with(" is locked")
}
