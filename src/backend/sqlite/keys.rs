//! Foreign keys while a step runs: enforcement set outside its transaction.
//!
//! Rebuilding a table the documented way (<https://www.sqlite.org/lang_altertable.html#otheralter>) drops the old one. With
//! enforcement on, the drop deletes its rows first, `ON DELETE CASCADE` takes the child rows with them, and no check
//! finds anything wrong afterwards. Switching enforcement off inside the transaction is a no-op.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::fault;
use crate::fault::{Fault, FaultKind};
use crate::step::ForeignKeys;

/// Runs `body` with enforcement as the step wants it, and puts back what the caller had, on every path.
pub(super) fn under<R, E: From<Fault>>(
    conn: &mut &Connection,
    wanted: ForeignKeys,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    struct Restored<'c>(&'c Connection, bool);
    impl Drop for Restored<'_> {
        fn drop(&mut self) {
            // A panic of code outside our transaction may leave one of its own open, in which the pragma does nothing.
            if !self.0.is_autocommit() {
                let _ = self.0.execute_batch("ROLLBACK");
            }
            let _ = enforce(self.0, self.1);
        }
    }

    let callers = is_enforced(conn).map_err(fault)?;
    let _restored = Restored(conn, callers);
    let wanted = wanted == ForeignKeys::Enforced;
    enforce(conn, wanted).map_err(fault)?;
    if is_enforced(conn).map_err(fault)? != wanted {
        return Err(Fault::new(
            FaultKind::Other,
            "SQLite does not let the enforcement of foreign keys be changed on this connection",
        )
        .remedy("open a connection for the migrations, with nothing else going on")
        .into());
    }
    body(conn)
}

/// Puts enforcement back to what a step runs under, after a pragma of its script outside a transaction.
pub(super) fn keep(conn: &Connection, wanted: ForeignKeys) -> rusqlite::Result<()> {
    enforce(conn, wanted == ForeignKeys::Enforced)
}

/// Runs `body`, which is a hook or code outside a transaction, and puts enforcement back to what it was: what comes next relies on it.
pub(super) fn kept<R>(
    conn: &mut &Connection,
    body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let was = is_enforced(conn).map_err(fault)?;
    let outcome = body(conn);
    enforce(conn, was).map_err(fault)?;
    outcome
}

fn is_enforced(conn: &Connection) -> rusqlite::Result<bool> {
    conn.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)
}

/// As the pragma, which outside a transaction does the same, and which would have to be parsed.
fn enforce(conn: &Connection, on: bool) -> rusqlite::Result<()> {
    if is_enforced(conn)? != on {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, on)?;
    }
    Ok(())
}
