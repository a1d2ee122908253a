//! Making a connection of the engine behave like the one of the application.

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::{Sqlite, fault};
use crate::backend::Prepare;
use crate::fault::{Fault, FaultKind};

/// Calls the function of the program that prepares its connections, if there is one.
///
/// # Errors
/// The function fails.
pub(super) fn call(conn: &Connection, prepare: Option<&Prepare<Sqlite>>) -> Result<(), Fault> {
    let Some(prepare) = prepare else { return Ok(()) };
    prepare(conn).map_err(|error| {
        let what = format!("the function given to `prepare_connection` failed: {error}");
        Fault::new(FaultKind::Other, what).caused_by(error)
    })
}

/// Prepares a connection as the program prepares its own.
///
/// # Errors
/// The function of the program fails, or leaves temporary objects.
pub(super) fn prepare(conn: &Connection, prepare: Option<&Prepare<Sqlite>>) -> Result<(), Fault> {
    call(conn, prepare)?;
    if !conn.is_autocommit() {
        conn.execute_batch("COMMIT").map_err(fault)?;
    }
    if let Some(object) = temporary(conn).map_err(fault)?.first() {
        let what = format!(
            "the function given to `prepare_connection` leaves {object}, which would hide an object of the database"
        );
        return Err(Fault::new(FaultKind::Other, what)
            .remedy("register functions, collations and modules in it only"));
    }
    Ok(())
}

/// Sets how names and triggers are interpreted, as on the live connection.
pub(super) fn imitate(live: &Connection, conn: &Connection) -> Result<(), Fault> {
    for config in [
        DbConfig::SQLITE_DBCONFIG_DQS_DDL,
        DbConfig::SQLITE_DBCONFIG_DQS_DML,
        DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER,
        DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW,
    ] {
        if let Ok(value) = live.db_config(config) {
            conn.set_db_config(config, value).map_err(fault)?;
        }
    }
    for pragma in ["ignore_check_constraints", "legacy_alter_table", "recursive_triggers", "trusted_schema"] {
        // An older SQLite does not know the pragma and returns no row.
        if let Ok(value) = live.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0)) {
            conn.execute_batch(&format!("PRAGMA {pragma} = {value}")).map_err(fault)?;
        }
    }
    Ok(())
}

/// The temporary objects on a connection, in words.
pub(super) fn temporary(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT type, name FROM sqlite_temp_master WHERE type <> 'index' ORDER BY rowid";
    let in_words = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
        Ok(format!("the temporary {} `{}`", row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    };
    conn.prepare(sql)?.query_map([], in_words)?.collect()
}
