//! The tripwire of `foreign_keys = "on"`: a statement whose `ON DELETE` or `ON UPDATE` actions change rows of other tables.
//!
//! `total_changes()` counts those rows, and the rows that triggers change; `changes()` counts the statement's own rows. If
//! the two differ, the tables that have such actions are compared with their state before the statement.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::fault;
use super::target::{Target, Verb, target};
use crate::backend::patiently;
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;
use crate::sql::same_name;

/// Runs a statement. If it changed rows that it does not name, it is undone and refused.
pub(super) fn around(
    conn: &Connection,
    own: &str,
    patience: Duration,
    run: impl FnOnce(&Connection) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some(target) = target(own) else { return run(conn) };
    let before = dependents(conn).map_err(fault)?;
    if before.is_empty() {
        return run(conn);
    }
    // The savepoint also undoes the statement if no transaction is open. Releasing it then commits.
    conn.execute_batch("SAVEPOINT __switchy_tripwire").map_err(fault)?;
    let release = || conn.execute_batch("RELEASE __switchy_tripwire").map_err(fault);
    let outcome = watched(conn, &target, &before, run)
        .and_then(|()| if conn.is_autocommit() { Ok(()) } else { patiently(patience, release) });
    if outcome.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK TO __switchy_tripwire").map_err(fault)?;
        release()?;
    }
    outcome
}

fn watched(
    conn: &Connection,
    target: &Target<'_>,
    before: &[(String, Keys)],
    run: impl FnOnce(&Connection) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let total = conn.total_changes();
    run(conn)?;
    // DDL does not change `changes()`, which keeps the value of the last DML statement.
    let own_rows = if target.verb == Verb::Drops { 0 } else { conn.changes() };
    if conn.total_changes() - total <= own_rows {
        return Ok(());
    }
    let after = dependents(conn).map_err(fault)?;
    let changed = before.iter().find_map(|(table, before)| {
        let after = after.iter().find(|(name, _)| name == table).map(|(_, keys)| *keys).unwrap_or_default();
        let is_target = same_name(table, target.table);
        let expected = match target.verb {
            _ if !is_target => before.rows,
            Verb::Drops => 0,
            // Without WHERE, a DELETE names all rows.
            Verb::Deletes if target.names_all => after.rows.min(before.rows),
            Verb::Deletes => before.rows.saturating_sub(own_rows),
            Verb::Inserts => before.rows + own_rows,
            // Replaced rows and added rows cannot be told apart.
            Verb::Replaces | Verb::Updates => after.rows.min(before.rows),
        };
        let lost = expected.saturating_sub(after.rows);
        // Actions add no rows; if there are more rows, a trigger added them.
        let is_changed = !is_target && after.rows == before.rows && after != *before;
        (lost > 0 || is_changed).then_some((table, lost))
    });
    let Some((table, lost)) = changed else { return Ok(()) };
    let what = match lost {
        0 => format!("its foreign key actions change rows of `{table}`"),
        1 => format!("its foreign key actions delete a row of `{table}`"),
        lost => format!("its foreign key actions delete {lost} rows of `{table}`"),
    };
    let meant = Remedy::metadata("allow", "[\"cascade\"]").only_if("that is meant");
    let keep = Remedy::from("remove foreign_keys = \"on\" from its metadata to keep them");
    Err(Fault::new(FaultKind::Other, what).remedy(keep.or(meant)))
}

/// What foreign key actions can change in a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Keys {
    rows: u64,
    /// A hash of all key values that does not depend on the order of the rows.
    fingerprint: u64,
}

/// The tables with a key that has an action, sorted by name, and the values of these keys.
fn dependents(conn: &Connection) -> rusqlite::Result<Vec<(String, Keys)>> {
    let mut tables = Vec::<(String, Vec<String>)>::new();
    let mut statement = conn.prepare(
        "SELECT t.name, k.\"from\" FROM main.sqlite_master AS t, pragma_foreign_key_list(t.name, 'main') AS k
        WHERE t.type = 'table'
        AND (k.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
          OR k.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))
        ORDER BY t.name",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, column): (String, String) = (row.get(0)?, row.get(1)?);
        match tables.last_mut() {
            Some((last, columns)) if *last == table => columns.push(quote(&column)),
            _ => tables.push((table, vec![quote(&column)])),
        }
    }
    let keys = |table: &str, columns: &[String]| -> rusqlite::Result<Keys> {
        let mut statement =
            conn.prepare(&format!("SELECT {} FROM main.{}", columns.join(", "), quote(table)))?;
        let mut rows = statement.query([])?;
        let mut keys = Keys::default();
        while let Some(row) = rows.next()? {
            let mut hasher = DefaultHasher::new();
            for column in 0..columns.len() {
                match row.get_ref(column)? {
                    ValueRef::Null => 0.hash(&mut hasher),
                    ValueRef::Integer(value) => value.hash(&mut hasher),
                    ValueRef::Real(value) => value.to_bits().hash(&mut hasher),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.hash(&mut hasher),
                }
            }
            keys.rows += 1;
            keys.fingerprint = keys.fingerprint.wrapping_add(hasher.finish());
        }
        Ok(keys)
    };
    tables.into_iter().map(|(table, columns)| keys(&table, &columns).map(|keys| (table, keys))).collect()
}
