//! The session settings that a script changes, and how they are restored after it.

use std::collections::BTreeMap;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::query::{self, code, column, fault, get, run, text};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::mentions;

/// The variables of a session, and its database.
pub(super) struct Settings {
    variables: BTreeMap<String, String>,
    database: Option<String>,
    /// The statement that sets the role, if the script sets one.
    role: Option<String>,
    /// Whether the script sets the clock to a fixed time: `SET timestamp = ...`.
    has_clock: bool,
}

/// Variables that change by themselves, or with the database.
pub(super) const VOLATILE: [&str; 14] = [
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

pub(super) fn read(conn: &mut Conn, script: &str) -> Result<Settings, Fault> {
    let mut variables = variables(conn, "")?;
    variables.retain(|name, _| !VOLATILE.contains(&name.as_str()));
    let role = if mentions(script, "role") {
        let role = column::<String>(conn, "SELECT CURRENT_ROLE()").map_err(fault)?;
        Some(set_role(role.as_deref()))
    } else {
        None
    };
    let database = column(conn, "SELECT DATABASE()").map_err(fault)?;
    Ok(Settings { variables, database, role, has_clock: mentions(script, "timestamp") })
}

/// The variables of a session with their values, as the server lists them. `which` can select some of them:
/// `WHERE Variable_name IN (...)`.
pub(super) fn variables(conn: &mut Conn, which: &str) -> Result<BTreeMap<String, String>, Fault> {
    let variables = conn.query_map(format!("SHOW SESSION VARIABLES {which}"), |row: mysql::Row| {
        Some((get::<String>(&row, 0)?, get::<String>(&row, 1).unwrap_or_default()))
    });
    Ok(variables.map_err(fault)?.into_iter().flatten().collect())
}

/// The statement that sets the role that `CURRENT_ROLE()` names.
pub(super) fn set_role(role: Option<&str>) -> String {
    let role = role.filter(|role| *role != "NONE").map(|role| quote_in(role, '`'));
    format!("SET ROLE {}", role.as_deref().unwrap_or("NONE"))
}

/// The assignment that sets a session variable to a value from the list.
pub(super) fn assignment(name: &str, value: &str) -> String {
    let is_number = !value.is_empty() && value.parse::<f64>().is_ok();
    match value {
        _ if is_number => format!("SESSION {name} = {value}"),
        // Results are not converted.
        "" if name == "character_set_results" => format!("SESSION {name} = NULL"),
        _ => format!("SESSION {name} = {}", text(Some(value))),
    }
}

/// Restores the settings that differ from `before`.
pub(super) fn restore(conn: &mut Conn, before: &Settings) -> Result<(), Fault> {
    let now = read(conn, "")?;
    if before.has_clock {
        run(conn, "SET SESSION timestamp = DEFAULT")?;
    }
    if let Some(role) = &before.role {
        run(conn, role)?;
    }
    if let Some(database) = before.database.as_ref().filter(|_| now.database != before.database) {
        run(conn, &format!("USE {}", quote_in(database, '`')))?;
    }
    for (name, value) in &before.variables {
        if now.variables.get(name) == Some(value) {
            continue;
        }
        match query::read_all(conn, &format!("SET {}", assignment(name, value))) {
            // A variable that a session cannot set was not set by the script. The list includes global variables, which other sessions
            // may have changed.
            Err(error)
                if matches!(code(&error), Some(query::READ_ONLY_VARIABLE | query::GLOBAL_VARIABLE)) => {}
            outcome => outcome.map_err(fault)?,
        }
    }
    Ok(())
}
