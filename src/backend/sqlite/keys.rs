//! Foreign keys while a step runs: enforcement set outside its transaction, orphans counted inside.
//!
//! Rebuilding a table the documented way (<https://www.sqlite.org/lang_altertable.html#otheralter>) drops the old one. With
//! enforcement on, the drop deletes its rows first, `ON DELETE CASCADE` takes the child rows with them, and no check
//! finds anything wrong afterwards. Switching enforcement off inside the transaction is a no-op.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::fault;
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

fn is_enforced(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA foreign_keys", [], |row| row.get(0))
}

fn enforce(conn: &Connection, on: bool) -> rusqlite::Result<()> {
    conn.execute_batch(if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })
}

/// Runs `body`, and refuses rows that point nowhere and did not before. Under enforcement SQLite itself sees to that.
pub(super) fn checked<R, E: From<Fault>>(
    conn: &mut &Connection,
    wanted: ForeignKeys,
    body: impl FnOnce(&mut &Connection) -> Result<R, E>,
) -> Result<R, E> {
    if wanted != ForeignKeys::Checked {
        return body(conn);
    }
    let before = orphans(conn).map_err(fault)?;
    let done = body(conn)?;
    let after = orphans(conn).map_err(fault)?;
    match grown(conn, &before, &after).map_err(fault)? {
        None => Ok(done),
        Some(((child, parent), count)) => {
            let rows = if count == 1 { "row" } else { "rows" };
            let what = format!("afterwards {count} {rows} of `{child}` would point to nothing in `{parent}`");
            Err(Fault::new(FaultKind::Other, what)
                .remedy(
                    "delete or mend those rows in the script too, or accept them with foreign_keys = \"off\"",
                )
                .into())
        }
    }
}

/// How many rows of a child table point to no row of a parent table.
type Orphans = BTreeMap<(String, String), u64>;

fn orphans(conn: &Connection) -> rusqlite::Result<Orphans> {
    if let Ok(orphans) = orphans_of(conn, "pragma_foreign_key_check", []) {
        return Ok(orphans);
    }
    // One key whose parent columns are not unique makes the check of all fail ("foreign key mismatch"), and later every write to
    // its table. Such a schema is legal, so it is not ours to refuse: the tables that can be checked are.
    let mut orphans = Orphans::new();
    for child in children(conn)? {
        orphans.extend(orphans_of(conn, "pragma_foreign_key_check(?1)", [child]).unwrap_or_default());
    }
    Ok(orphans)
}

fn orphans_of(conn: &Connection, check: &str, of: impl rusqlite::Params) -> rusqlite::Result<Orphans> {
    let mut orphans = Orphans::new();
    let mut statement = conn.prepare(&format!("SELECT \"table\", parent FROM {check}"))?;
    let mut rows = statement.query(of)?;
    while let Some(row) = rows.next()? {
        *orphans.entry((row.get(0)?, row.get(1)?)).or_default() += 1;
    }
    Ok(orphans)
}

/// The tables that have a foreign key, and perhaps some that only speak of one: those have no orphans.
fn children(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND instr(lower(sql), 'references')")?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// The first pair of tables with more orphans than before. Orphans that moved with a renamed table are not new.
fn grown(
    conn: &Connection,
    before: &Orphans,
    after: &Orphans,
) -> rusqlite::Result<Option<((String, String), u64)>> {
    let mut renamed = 0;
    for ((child, parent), count) in before {
        let mut exists =
            conn.prepare("SELECT count(*) FROM sqlite_master WHERE name IN (?1, ?2) COLLATE NOCASE")?;
        let present: i64 = exists.query_row([child, parent], |row| row.get(0))?;
        renamed += if present < 2 && child != parent { *count } else { 0 };
    }
    let news = after.iter().map(|(key, count)| {
        let old = before.get(key).copied().unwrap_or(0);
        (key.clone(), count.saturating_sub(old))
    });
    let news: Vec<_> = news.filter(|(_, count)| *count > 0).collect();
    let total: u64 = news.iter().map(|(_, count)| count).sum();
    Ok(news.into_iter().next().filter(|_| total > renamed))
}
