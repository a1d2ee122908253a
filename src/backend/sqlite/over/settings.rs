//! The settings of the session that a script changes with `PRAGMA`, which are set back after it.

use super::keys;
use crate::backend::script::Script;
use crate::backend::sqlite::cursor::Pragma;
use crate::backend::sqlite::settings::{is_of_outside, setting};
use crate::backend::statements::{Statements, value};
use crate::dialect::quote;
use crate::fault::Fault;
use crate::sql::{contains, statements};
use crate::step::Atomicity;

/// A setting as it was before a script changed it: the pragma, and the value as SQL.
struct Old {
    pragma: String,
    name: &'static str,
    value: String,
}

/// Runs `body`, which runs a script, and sets back what the script changed, also if it fails.
pub(super) fn around<S: Statements, R>(
    conn: &mut &mut S,
    script: &Script<'_>,
    body: impl FnOnce(&mut &mut S) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let old = before(*conn, script)?;
    let outcome = body(conn);
    let mut restored = Ok(());
    for old in old.iter().rev() {
        restored = restored.and(set_back(*conn, old));
    }
    if script.atomicity == Atomicity::NonTransactional && contains(script.text, "foreign_keys") {
        restored = restored.and(keys::reset(*conn, script.foreign_keys));
    }
    // The error of the script says more.
    outcome.and_then(|done| restored.map(|()| done))
}

/// Reads the settings that the script changes. In a transaction some cannot be changed, and then stay.
fn before(conn: &mut impl Statements, script: &Script<'_>) -> Result<Vec<Old>, Fault> {
    let mut found: Vec<Old> = Vec::new();
    if !contains(script.text, "pragma") {
        return Ok(found);
    }
    for (_, statement) in statements(script.text) {
        let Some(set) = Pragma::that_sets(statement) else { continue };
        let Some(name) = setting(&set) else { continue };
        if script.atomicity == Atomicity::Transaction && is_of_outside(name) {
            continue;
        }
        let pragma = match set.schema {
            Some(schema) => format!("PRAGMA {}.{name}", quote(schema)),
            None => format!("PRAGMA {name}"),
        };
        if found.iter().any(|old| old.pragma == pragma) {
            continue;
        }
        if let Some(value) = read(conn, &pragma, name)? {
            found.push(Old { pragma, name, value });
        }
    }
    Ok(found)
}

fn set_back(conn: &mut impl Statements, old: &Old) -> Result<(), Fault> {
    // A session whose run was cancelled does not say what it is.
    let now = read(conn, &old.pragma, old.name).ok().flatten();
    // The mode `wal` is stored in the file, and is meant to stay.
    let is_kept = old.name == "journal_mode" && now.as_deref() == Some("wal");
    if is_kept || now.as_deref() == Some(&*old.value) {
        return Ok(());
    }
    let value = if old.value == "wal" { "delete" } else { &old.value };
    conn.restore(&format!("{} = {}", old.pragma, quoted(value)))
}

fn read(conn: &mut impl Statements, pragma: &str, name: &str) -> Result<Option<String>, Fault> {
    match name {
        "case_sensitive_like" => value(conn, "SELECT NOT 'a' LIKE 'A' AS c0"),
        _ => value(conn, pragma),
    }
}

/// A value as a pragma takes it: a number, or a word in quotes.
fn quoted(value: &str) -> String {
    match value.parse::<i64>() {
        Ok(number) => number.to_string(),
        Err(_) => format!("'{}'", value.replace('\'', "''")),
    }
}
