//! What a script sets on the session, and what is set back after it.

use std::collections::BTreeMap;

use postgres::Client;

use super::{fault, query};
use crate::fault::Fault;

/// The settings of the session that are not the server's defaults, with their values. `role` is not among those the server lists.
pub(super) struct Settings(BTreeMap<String, String>);

pub(super) fn read(conn: &mut Client) -> Result<Settings, Fault> {
    let sql =
        "SELECT name, setting FROM pg_settings WHERE source = 'session' AND context IN ('user', 'superuser')
        UNION ALL SELECT 'role', current_setting('role')
        UNION ALL SELECT 'search_path', current_setting('search_path')";
    let rows = query(conn, sql, &[]).map_err(fault)?;
    Ok(Settings(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

/// Sets back what differs from before.
pub(super) fn restore(conn: &mut Client, before: &Settings) -> Result<(), Fault> {
    // A script may have given up the right to look.
    conn.batch_execute("RESET ROLE").map_err(fault)?;
    let role = before.0.get("role").cloned().unwrap_or_else(|| "none".to_owned());
    let now = read(conn)?;
    for name in now.0.keys().filter(|name| !before.0.contains_key(*name)) {
        conn.batch_execute(&format!("RESET {}", crate::dialect::quote(name))).map_err(fault)?;
    }
    for (name, value) in
        before.0.iter().filter(|(name, value)| *name != "role" && now.0.get(*name) != Some(value))
    {
        query(conn, "SELECT set_config($1, $2, false)", &[Some(name), Some(value)]).map_err(fault)?;
    }
    if role != "none" {
        query(conn, "SELECT set_config('role', $1, false)", &[Some(&role)]).map_err(fault)?;
    }
    Ok(())
}
