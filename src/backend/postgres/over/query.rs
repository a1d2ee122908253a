//! What several parts of the backend ask a session.

use std::time::Duration;

use crate::backend::postgres::client::literal;
use crate::backend::statements::{Statements, column};
use crate::dialect::TableName;
use crate::fault::Fault;

/// The columns of a table, in order; empty if there is no such table.
pub(super) fn columns(conn: &mut impl Statements, table: &TableName) -> Result<Vec<String>, Fault> {
    let name = literal(Some(&table.quoted()));
    let sql = format!(
        "SELECT attname::text AS c0 FROM pg_attribute
        WHERE attrelid = to_regclass({name}) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    );
    column(conn, &sql)
}

/// Runs a statement that acquires a lock in the open transaction, and waits for at most this long.
pub(super) fn waiting(conn: &mut impl Statements, patience: Duration, lock: &str) -> Result<(), Fault> {
    // Zero would mean no limit.
    let limit = patience.as_millis().clamp(1, i32::MAX as u128);
    let before = column(conn, "SELECT current_setting('lock_timeout') AS c0")?;
    conn.run(&format!("SET LOCAL lock_timeout = {limit}"))?;
    conn.run(lock)?;
    match before.first() {
        Some(before) => {
            conn.run(&format!("SELECT set_config('lock_timeout', {}, true)", literal(Some(before))))
        }
        None => Ok(()),
    }
}
