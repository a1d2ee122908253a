//! Foreign keys while a step runs: enforcement set outside its transaction, orphans looked for inside.
//!
//! Rebuilding a table the documented way (<https://www.sqlite.org/lang_altertable.html#otheralter>) drops the old one. With
//! enforcement on, the drop deletes its rows first, `ON DELETE CASCADE` takes the child rows with them, and no check
//! finds anything wrong afterwards. Switching enforcement off inside the transaction is a no-op.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, Statement};

use super::{Scope, fault, message, patiently};
use crate::dialect::quote;
use crate::fault::{Fault, FaultKind};
use crate::step::ForeignKeys;

/// Runs `body` with enforcement as the step wants it, and puts back what the caller had, on every path.
pub(super) fn under<R, E: From<Fault>>(
    conn: &mut &Connection,
    wanted: ForeignKeys,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    struct Restored<'c>(&'c Connection, bool);
    impl Drop for Restored<'_> {
        fn drop(&mut self) {
            // A panic of code outside our transaction may leave one of its own open, in which the pragma does nothing.
            if !self.0.is_autocommit() {
                let _ = self.0.execute_batch("ROLLBACK");
            }
            let _ = enforce(self.0, self.1);
        }
    }

    let callers = is_enforced(conn).map_err(fault)?;
    let _restored = Restored(conn, callers);
    let wanted = wanted == ForeignKeys::Enforced;
    enforce(conn, wanted).map_err(fault)?;
    if is_enforced(conn).map_err(fault)? != wanted {
        return Err(Fault::new(
            FaultKind::Other,
            "SQLite does not let the enforcement of foreign keys be changed on this connection",
        )
        .remedy("open a connection for the migrations, with nothing else going on")
        .into());
    }
    body(conn)
}

/// Puts enforcement back to what a step runs under, after a pragma of its script outside a transaction.
pub(super) fn keep(conn: &Connection, wanted: ForeignKeys) -> rusqlite::Result<()> {
    enforce(conn, wanted == ForeignKeys::Enforced)
}

/// Runs `body`, which is a hook or code outside a transaction, and puts enforcement back to what it was: what comes next relies on it.
pub(super) fn kept<R>(
    conn: &mut &Connection,
    body: impl FnOnce(&mut &Connection) -> Result<R, Fault>,
) -> Result<R, Fault> {
    let was = is_enforced(conn).map_err(fault)?;
    let outcome = body(conn);
    enforce(conn, was).map_err(fault)?;
    outcome
}

fn is_enforced(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA foreign_keys", [], |row| row.get(0))
}

fn enforce(conn: &Connection, on: bool) -> rusqlite::Result<()> {
    conn.execute_batch(if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })
}

/// Runs `body`, and refuses rows that point nowhere and did not before. Under enforcement SQLite itself sees to that.
pub(super) fn checked<R, E: From<Fault>>(
    conn: &mut &Connection,
    scope: &Scope,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    if scope.foreign_keys != ForeignKeys::Checked {
        return body(conn);
    }
    let look = |conn| patiently(scope.patience, || Findings::of(conn).map_err(fault));
    let before = look(conn)?;
    let done = body(conn)?;
    let after = look(conn)?;
    if let Some(child) = after.newly_unchecked(&before, conn).map_err(fault)? {
        let child = after.spelling(child);
        let what = format!("afterwards the rows of `{child}` point to columns that are not unique any more");
        return Err(Fault::new(FaultKind::Other, what)
            .remedy("give these columns of the parent table a PRIMARY KEY or UNIQUE constraint")
            .into());
    }
    if let Some((Pair { child, parent }, count)) = after.new_orphans(&before) {
        let rows = if count == 1 { "row" } else { "rows" };
        let child = after.spelling(&child);
        let what = format!("afterwards {count} {rows} of `{child}` would point to nothing in `{parent}`");
        return Err(Fault::new(FaultKind::Other, what)
            .remedy(
                "delete or mend those rows in the script too, leave that to foreign_keys = \"on\" with \
                 allow = [\"cascade\"], or accept them with foreign_keys = \"off\"",
            )
            .into());
    }
    Ok(done)
}

/// A child table and a parent table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    child: String,
    parent: String,
}

/// The values of a row's keys. Unlike its `rowid`, a rebuild of the table keeps them.
/// `None` for a row without a `rowid`.
type KeyValues = Option<String>;

/// What is wrong with the foreign keys of a database.
#[derive(Debug, Default)]
struct Findings {
    /// As they are compared, and as they are written.
    tables: BTreeMap<String, String>,
    /// Rows that point nowhere.
    orphans: BTreeMap<Pair, BTreeMap<KeyValues, u64>>,
    /// Tables with keys that SQLite cannot check, since the columns they point to are not unique.
    unchecked: BTreeSet<String>,
}

impl Findings {
    fn of(conn: &Connection) -> rusqlite::Result<Self> {
        let mut findings = Self::default();
        let mut tables = conn.prepare(
            "SELECT name, instr(lower(sql), 'references') FROM main.sqlite_master WHERE type = 'table'",
        )?;
        let mut rows = tables.query([])?;
        let mut children = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if row.get::<_, Option<i64>>(1)?.unwrap_or(0) > 0 {
                children.push(name.clone());
            }
            findings.tables.insert(name.to_ascii_lowercase(), name);
        }
        for child in children {
            match findings.look_at(conn, &child) {
                // The schema is legal, only every later write to the table will fail.
                Err(error) if message(&error).starts_with("foreign key mismatch") => {
                    findings.unchecked.insert(child.to_ascii_lowercase());
                }
                // A collation, function or module that this connection does not have: then nobody can check, and nobody could write.
                Err(error) if message(&error).starts_with("no such ") => {}
                looked => looked?,
            }
        }
        Ok(findings)
    }

    fn look_at(&mut self, conn: &Connection, child: &str) -> rusqlite::Result<()> {
        let mut check =
            conn.prepare("SELECT rowid, parent, fkid FROM pragma_foreign_key_check(?1, 'main')")?;
        let mut rows = check.query([child])?;
        let mut keys = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (rowid, parent, key): (Option<i64>, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let values = match (rowid, keys.entry(key)) {
                (None, _) => None,
                (Some(rowid), Entry::Occupied(mut key)) => values_of(key.get_mut(), rowid)?,
                (Some(rowid), Entry::Vacant(slot)) => {
                    values_of(slot.insert(key_of(conn, child, key)?), rowid)?
                }
            };
            let pair = Pair { child: child.to_ascii_lowercase(), parent };
            *self.orphans.entry(pair).or_default().entry(values).or_default() += 1;
        }
        Ok(())
    }

    fn has(&self, table: &str) -> bool {
        self.tables.contains_key(&table.to_ascii_lowercase())
    }

    /// A table as the schema writes it.
    fn spelling<'a>(&'a self, table: &'a str) -> &'a str {
        self.tables.get(table).map_or(table, |table| table)
    }

    /// The first table whose keys could be checked before and cannot be now, if it has rows.
    fn newly_unchecked(&self, before: &Self, conn: &Connection) -> rusqlite::Result<Option<&str>> {
        for child in &self.unchecked {
            if before.tables.contains_key(child) && !before.unchecked.contains(child) {
                let sql = format!("SELECT EXISTS (SELECT 1 FROM main.{})", quote(child));
                if conn.query_row(&sql, [], |row| row.get(0))? {
                    return Ok(Some(child));
                }
            }
        }
        Ok(None)
    }

    /// The first pair of tables with orphans that were not there before, and their number. Those that were there are not new in
    /// another table, where theirs was renamed or copied, nor under the new name of their parent.
    fn new_orphans(&self, before: &Self) -> Option<(Pair, u64)> {
        self.orphans.iter().find_map(|(pair, orphans)| {
            let is_new_table = !before.tables.contains_key(&pair.child);
            let is_new_parent = !before.has(&pair.parent);
            let is_same = |old: &Pair| {
                let same_parent = old.parent.eq_ignore_ascii_case(&pair.parent);
                (is_new_table || old.child == pair.child)
                    && (same_parent || is_new_parent || !self.has(&old.parent))
            };
            let old = || before.orphans.iter().filter(|(old, _)| is_same(old));
            // What cannot be told apart is counted.
            let is_counted =
                orphans.contains_key(&None) || old().any(|(_, orphans)| orphans.contains_key(&None));
            let news: u64 = if is_counted {
                let known: u64 = old().flat_map(|(_, orphans)| orphans.values()).sum();
                orphans.values().sum::<u64>().saturating_sub(known)
            } else {
                let known = |values| old().filter_map(|(_, orphans)| orphans.get(values)).sum();
                orphans.iter().map(|(values, count)| count.saturating_sub(known(values))).sum()
            };
            (news > 0).then(|| (pair.clone(), news))
        })
    }
}

/// What reads the values of one key of a row: as text, since a rebuild may change their type, and by `_rowid_`, since `rowid` may
/// be a column.
fn key_of<'c>(conn: &'c Connection, child: &str, key: i64) -> rusqlite::Result<Statement<'c>> {
    let mut list =
        conn.prepare("SELECT \"from\" FROM pragma_foreign_key_list(?1, 'main') WHERE id = ?2 ORDER BY seq")?;
    let columns: Vec<String> =
        list.query_map((child, key), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let values: Vec<String> =
        columns.iter().map(|column| format!("quote(CAST({} AS TEXT))", quote(column))).collect();
    conn.prepare(&format!(
        "SELECT {} FROM main.{} WHERE _rowid_ = ?1",
        values.join(" || ',' || "),
        quote(child)
    ))
}

fn values_of(key: &mut Statement<'_>, rowid: i64) -> rusqlite::Result<KeyValues> {
    key.query_row([rowid], |row| row.get(0)).optional()
}
