//! Foreign keys while a step runs: enforcement is set outside its transaction.
//!
//! Rebuilding a table in the documented way (<https://www.sqlite.org/lang_altertable.html#otheralter>) drops the old table. With
//! enforcement on, the drop first deletes the rows of the table, `ON DELETE CASCADE` deletes the child rows with them, and no later check
//! finds an error. Switching enforcement off inside the transaction is a no-op.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::fault;
use crate::fault::{Fault, FaultKind};
use crate::step::ForeignKeys;

/// Runs `body` with the enforcement that the step requests, and restores the caller's setting on every path.
pub(super) fn with_enforcement<R, E: From<Fault>>(
    conn: &mut &Connection,
    wanted: ForeignKeys,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    let _restored = Restored::after_setting(conn, wanted)?;
    body(conn)
}

/// The caller's setting, which is restored when this is dropped.
struct Restored<'c>(&'c Connection, bool);

impl<'c> Restored<'c> {
    fn after_setting(conn: &'c Connection, wanted: ForeignKeys) -> Result<Self, Fault> {
        let restored = Self(conn, is_enforced(conn).map_err(fault)?);
        let wanted = wanted == ForeignKeys::Enforced;
        enforce(conn, wanted).map_err(fault)?;
        if is_enforced(conn).map_err(fault)? == wanted {
            return Ok(restored);
        }
        let what = "SQLite does not let the enforcement of foreign keys be changed on this connection";
        Err(Fault::new(FaultKind::Other, what)
            .remedy("open a connection for the migrations, with nothing else going on"))
    }
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        // A panic of code outside the engine's transaction may leave a transaction open, in which the pragma does nothing.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
        let _ = enforce(self.0, self.1);
    }
}

/// Restores the enforcement that a step runs under, after a pragma of its script outside a transaction.
pub(super) fn reset(conn: &Connection, wanted: ForeignKeys) -> rusqlite::Result<()> {
    enforce(conn, wanted == ForeignKeys::Enforced)
}

/// Runs `body`, which is a hook or code outside a transaction, and restores enforcement afterwards, since the next step relies on it.
pub(super) fn preserving<R>(
    conn: &mut &Connection,
    body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let was = is_enforced(conn).map_err(fault)?;
    let outcome = body(conn);
    enforce(conn, was).map_err(fault)?;
    outcome
}

pub(super) fn is_enforced(conn: &Connection) -> rusqlite::Result<bool> {
    conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)
}

/// Sets enforcement without the pragma, which has the same effect outside a transaction and must be parsed.
fn enforce(conn: &Connection, on: bool) -> rusqlite::Result<()> {
    if is_enforced(conn)? != on {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on)?;
    }
    Ok(())
}
