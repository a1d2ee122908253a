//! What a script sets on the session, and what is set back after it.

use std::collections::BTreeMap;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::query::{self, code, column, fault, get, run, text};
use crate::dialect::quote_in;
use crate::fault::Fault;

/// The variables of a session, and its database.
pub(super) struct Settings {
    variables: BTreeMap<String, String>,
    database: Option<String>,
}

/// Variables that change by themselves, or with the database.
const VOLATILE: [&str; 14] = [
    "character_set_database",
    "collation_database",
    "error_count",
    "gtid_current_pos",
    "identity",
    "in_transaction",
    "insert_id",
    "last_gtid",
    "last_insert_id",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "timestamp",
    "warning_count",
];

pub(super) fn read(conn: &mut Conn) -> Result<Settings, Fault> {
    let variables = conn.query_map("SHOW SESSION VARIABLES", |row: mysql::Row| {
        Some((get::<String>(&row, 0)?, get::<String>(&row, 1).unwrap_or_default()))
    });
    let variables = variables.map_err(fault)?.into_iter().flatten();
    let variables = variables.filter(|(name, _)| !VOLATILE.contains(&name.as_str())).collect();
    Ok(Settings { variables, database: column(conn, "SELECT DATABASE()").map_err(fault)? })
}

/// Sets back what differs from before.
pub(super) fn restore(conn: &mut Conn, before: &Settings) -> Result<(), Fault> {
    let now = read(conn)?;
    if let Some(database) = before.database.as_ref().filter(|_| now.database != before.database) {
        run(conn, &format!("USE {}", quote_in(database, '`')))?;
    }
    for (name, value) in &before.variables {
        if now.variables.get(name) == Some(value) {
            continue;
        }
        let is_number = !value.is_empty() && value.parse::<f64>().is_ok();
        let literal = if is_number { value.clone() } else { text(Some(value)) };
        match query::read_all(conn, &format!("SET SESSION {name} = {literal}")) {
            // What a session cannot set, it has not set: the list has the server's own too, which others may have changed.
            Err(error)
                if matches!(code(&error), Some(query::READ_ONLY_VARIABLE | query::GLOBAL_VARIABLE)) => {}
            outcome => outcome.map_err(fault)?,
        }
    }
    Ok(())
}
