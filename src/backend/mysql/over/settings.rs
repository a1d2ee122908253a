//! The settings of the session that a script changes, which are set back after it.

use std::collections::BTreeMap;

use super::query::plain;
use crate::backend::mysql::settings::{VOLATILE, assignment, set_role};
use crate::backend::script::Script;
use crate::backend::statements::{Statements, says, value};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::{contains, mentions};

/// The variables of a session, and its database.
struct Settings {
    variables: BTreeMap<String, String>,
    database: Option<String>,
    /// The statement that sets the role, if the script sets one.
    role: Option<String>,
}

/// Runs `body`, which runs a script, and sets back what the script changed, also if it fails. A script without `SET` and `USE` changes
/// nothing.
pub(super) fn around<S: Statements, R>(
    conn: &mut &mut S,
    script: &Script<'_>,
    body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let is_concerned = contains(script.text, "set") || contains(script.text, "use");
    let before = if is_concerned { Some(read(*conn, script.text)?) } else { None };
    let outcome = body(conn);
    let Some(before) = before else { return outcome };
    let restored = set_back(*conn, &before, script.text);
    // The error of the script says more.
    outcome.and_then(|done| restored.map(|()| done))
}

fn read(conn: &mut impl Statements, script: &str) -> Result<Settings, Fault> {
    let rows = conn.rows("SHOW SESSION VARIABLES")?.into_iter();
    let variables = rows.filter_map(|row| match <[_; 2]>::try_from(row) {
        Ok([Some(name), value]) => Some((name.to_lowercase(), value.unwrap_or_default())),
        _ => None,
    });
    let variables = variables.filter(|(name, _)| !VOLATILE.contains(&name.as_str())).collect();
    let database = value(conn, "SELECT DATABASE() AS c0")?;
    let role = if mentions(script, "role") {
        let role = value(conn, &format!("SELECT {} AS c0", plain("CURRENT_ROLE()")))?;
        Some(set_role(role.as_deref()))
    } else {
        None
    };
    Ok(Settings { variables, database, role })
}

fn set_back(conn: &mut impl Statements, before: &Settings, script: &str) -> Result<(), Fault> {
    // A session whose run was cancelled does not say what they are. What the script names is set then.
    let now = read(conn, "").ok();
    let is_other = |name: &str| match &now {
        Some(now) => now.variables.get(name) != before.variables.get(name),
        None => contains(script, name),
    };
    if contains(script, "timestamp") {
        conn.restore("SET SESSION timestamp = DEFAULT")?;
    }
    if let Some(role) = &before.role {
        conn.restore(role)?;
    }
    let is_there = now.as_ref().is_some_and(|now| now.database == before.database);
    if let Some(database) = before.database.as_ref().filter(|_| !is_there) {
        conn.restore(&format!("USE {}", quote_in(database, '`')))?;
    }
    for (name, value) in before.variables.iter().filter(|(name, _)| is_other(name)) {
        match conn.restore(&format!("SET {}", assignment(name, value))) {
            // A variable that a session cannot set was not set by the script.
            Err(fault)
                if says(&fault, "GLOBAL variable")
                    || says(&fault, "read only")
                    || says(&fault, "read-only") => {}
            outcome => outcome?,
        }
    }
    Ok(())
}
