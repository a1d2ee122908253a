//! The session settings that a script changes, and how they are restored after it.

use std::collections::BTreeMap;

use mysql::Conn;
use mysql::prelude::Queryable;

use super::query::{self, code, column, fault, get, run, text};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::{mentions, part};

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

/// The statement that sets the roles that `CURRENT_ROLE()` names: on MariaDB the name of one, on MySQL a list of quoted names with their
/// hosts, as in `` `reader`@`%`,`writer`@`%` ``.
pub(super) fn set_role(roles: Option<&str>) -> String {
    match roles {
        None | Some("" | "NONE") => "SET ROLE NONE".to_owned(),
        Some(roles) if is_list_of_accounts(roles) => format!("SET ROLE {roles}"),
        Some(role) => format!("SET ROLE {}", quote_in(role, '`')),
    }
}

/// Whether a text has nothing but accounts in backticks and the commas between them.
fn is_list_of_accounts(list: &str) -> bool {
    let behind_account = |text| behind_name(behind_name(text)?.strip_prefix('@')?);
    let mut rest = behind_account(list);
    while let Some(next) = rest.and_then(|rest| rest.strip_prefix(',')) {
        rest = behind_account(next);
    }
    rest == Some("")
}

/// The text behind a name in backticks. Two of them stand for one in the name.
fn behind_name(text: &str) -> Option<&str> {
    let mut rest = text.strip_prefix('`')?;
    loop {
        rest = part(rest, rest.find('`')? + 1..);
        match rest.strip_prefix('`') {
            Some(more) => rest = more,
            None => return Some(rest),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::set_role;

    #[test]
    fn the_roles_of_both_servers_are_set_again() {
        for (roles, expected) in [
            (None, "NONE"),
            (Some("NONE"), "NONE"),
            (Some("reader"), "`reader`"),
            (Some("it`s, a"), "`it``s, a`"),
            (Some("`odd`"), "```odd```"),
            (Some("`reader`@`%`"), "`reader`@`%`"),
            (Some("`reader`@`%`,`writer`@`%`"), "`reader`@`%`,`writer`@`%`"),
            (Some("`a``,b`@`10.0.%`,`c@d`@`localhost`"), "`a``,b`@`10.0.%`,`c@d`@`localhost`"),
            (Some("`a`@`%`,"), "```a``@``%``,`"),
            (Some("`a`@`%`; DROP ROLE `b`@`%`"), "```a``@``%``; DROP ROLE ``b``@``%```"),
        ] {
            assert_eq!(set_role(roles), format!("SET ROLE {expected}"));
        }
    }
}
