//! An empty database in memory, from which no script can open a file.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::fault;
use super::query::texts;
use crate::backend::Prepare;
use crate::dialect::quote;
use crate::fault::Fault;

/// Opens it, and prepares it as the program prepares its connections.
pub(super) fn open(prepare: Option<&Prepare<super::Sqlite>>) -> Result<Connection, Fault> {
    let mut conn = Connection::open_in_memory().map_err(fault)?;
    if let Some(prepare) = prepare {
        prepare(&conn).map_err(Fault::of)?;
    }
    empty_attached(&conn).map_err(fault)?;
    forbid_files(&mut conn, |_| {});
    Ok(conn)
}

/// Replaces each database that the program attached, which is a file, with an empty database of the same name.
pub(super) fn empty_attached(conn: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')";
    for name in texts(conn, sql, &[])? {
        conn.execute_batch(&format!("DETACH {0}; ATTACH ':memory:' AS {0}", quote(&name)))?;
    }
    Ok(())
}

/// `ATTACH` and `VACUUM INTO` open files, and `VACUUM` opens an unnamed file. `watch` is given whatever a statement is about to do. `authorizer` returns nothing up to rusqlite 0.40 and a
/// `Result` from 0.41 on.
#[allow(clippy::let_unit_value, reason = "it is `()` in some versions")]
#[allow(clippy::let_underscore_untyped, reason = "its type differs between versions")]
pub(super) fn forbid_files(conn: &mut Connection, watch: impl Fn(&AuthAction<'_>) + Send + 'static) {
    let judge = move |context: AuthContext<'_>| {
        watch(&context.action);
        match context.action {
            AuthAction::Attach { filename: "" | ":memory:" } => Authorization::Allow,
            // SQLite reports the file only if its name is written as a plain string.
            AuthAction::Attach { .. } | AuthAction::Unknown { code: rusqlite::ffi::SQLITE_ATTACH, .. } => {
                Authorization::Deny
            }
            _ => Authorization::Allow,
        }
    };
    // It fails only on a connection that is not the engine's own.
    let _ = conn.authorizer(Some(judge));
}
