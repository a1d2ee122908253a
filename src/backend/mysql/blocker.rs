//! Who is in the way of a session.

use mysql::{Conn, Row};

use super::holder::{HOLDER, holder_of, session_of};
use super::query::{code, fault, first, get};
use crate::backend::locks::Blocker;
use crate::fault::Fault;

/// What a session does that holds a lock and runs nothing.
const IDLE: &str = "idle in a transaction";

/// Who is in the way of a session; `None` if it does not wait for a lock.
pub(super) fn of(conn: &mut Conn, session: &str) -> Result<Option<Blocker>, Fault> {
    let row = format!(
        "SELECT b.trx_mysql_thread_id, {HOLDER}, l.lock_table FROM information_schema.INNODB_LOCK_WAITS w
        JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id
        JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
        LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id
        LEFT JOIN information_schema.PROCESSLIST p ON p.ID = b.trx_mysql_thread_id
        WHERE r.trx_mysql_thread_id = {session} LIMIT 1"
    );
    if let Some(row) = told(conn, &row)? {
        return Ok(Some(blocker(&row)));
    }
    let state = format!("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {session}");
    let state = told(conn, &state)?.and_then(|row| get::<String>(&row, 0)).unwrap_or_default();
    if !state.contains("metadata lock") {
        return Ok(None);
    }
    // The plugin lists the locks that are held, and not what a session waits for. So the table is one that its statement names.
    let table = format!(
        "SELECT m.THREAD_ID, {HOLDER}, CONCAT('`', m.TABLE_SCHEMA, '`.`', m.TABLE_NAME, '`')
        FROM information_schema.METADATA_LOCK_INFO m
        JOIN information_schema.PROCESSLIST w ON w.ID = {session}
        LEFT JOIN information_schema.PROCESSLIST p ON p.ID = m.THREAD_ID
        WHERE m.THREAD_ID <> {session} AND m.TABLE_NAME <> '' AND LOCATE(LOWER(m.TABLE_NAME), LOWER(w.INFO)) > 0
        ORDER BY m.THREAD_ID LIMIT 1"
    );
    if let Some(row) = told(conn, &table)? {
        return Ok(Some(blocker(&row)));
    }
    // Without the plugin, the oldest open transaction is the most likely one. That is not enough to say how to end it.
    let oldest = format!(
        "SELECT t.trx_mysql_thread_id, {HOLDER} FROM information_schema.INNODB_TRX t
        JOIN information_schema.PROCESSLIST p ON p.ID = t.trx_mysql_thread_id
        WHERE t.trx_mysql_thread_id <> {session} ORDER BY t.trx_started LIMIT 1"
    );
    let oldest = told(conn, &oldest)?;
    let guess = oldest.as_ref().and_then(|row| session_of(row, IDLE));
    let holder = guess.map(|session| format!("a session that the server does not name, perhaps {session}"));
    let number = oldest.as_ref().map(number_of).unwrap_or_default();
    Ok(Some(Blocker::new("a lock on the definition of a table", number, holder.unwrap_or_default())))
}

/// The first row of a query; `None` also if the server has no such table, or does not let the user read it.
fn told(conn: &mut Conn, sql: &str) -> Result<Option<Row>, Fault> {
    /// `Unknown table 'METADATA_LOCK_INFO' in information_schema`
    const NO_SUCH_VIEW: u16 = 1109;
    /// `you need (at least one of) the PROCESS privilege(s) for this operation`
    const NO_PRIVILEGE: u16 = 1227;

    match first(conn, sql) {
        Err(error) if matches!(code(&error), Some(NO_SUCH_VIEW | NO_PRIVILEGE)) => Ok(None),
        outcome => outcome.map_err(fault),
    }
}

/// The session in a row: its number, what is known of it, and the table.
fn blocker(row: &Row) -> Blocker {
    // InnoDB quotes both names.
    let table = get::<String>(row, 5).map(|table| format!(" on `{}`", table.replace('`', "")));
    let holder = holder_of(row, IDLE).unwrap_or_default();
    Blocker::new(format!("a lock{}", table.unwrap_or_default()), number_of(row), holder)
}

fn number_of(row: &Row) -> String {
    get::<u64>(row, 0).map(|number| number.to_string()).unwrap_or_default()
}
