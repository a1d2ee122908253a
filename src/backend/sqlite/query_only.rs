//! Keeping code of the application from writing.

use rusqlite::Connection;

use super::fault;
use super::query::value;
use crate::fault::Fault;

/// Runs `body` while SQLite refuses every write on the connection.
pub(super) fn during<R>(
    conn: &mut &Connection,
    body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let was_on: bool = value(conn, "PRAGMA query_only", &[]).map_err(fault)?;
    if was_on {
        return body(conn);
    }
    let _on = On::set(conn)?;
    body(conn)
}

/// The pragma is on until this is dropped.
struct On<'c>(&'c Connection);

impl<'c> On<'c> {
    fn set(conn: &'c Connection) -> Result<Self, Fault> {
        conn.execute_batch("PRAGMA query_only = ON").map_err(fault)?;
        Ok(Self(conn))
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        // It reads and writes nothing, and the application could set it too.
        let _ = self.0.execute_batch("PRAGMA query_only = OFF");
    }
}
