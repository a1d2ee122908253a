//! [`Reach`]: the tables that a statement, its triggers and its foreign key actions can write, as `EXPLAIN` shows them.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::query::texts;
use crate::sql::mentions;

/// What a statement can write. `EXPLAIN` lists the root pages that the statement and its programs open
/// (<https://www.sqlite.org/opcode.html>). A program is a trigger or a foreign key action.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The tables that it may write, if it was not explained.
    guessed: Option<Vec<String>>,
    /// The root pages in `main` that it writes, with those of its programs, sorted.
    roots: Vec<i64>,
    /// The root pages from which its programs may delete, sorted.
    emptied: Vec<i64>,
    /// The root pages of the tables whose rows its programs may change, sorted.
    rewritten: Vec<i64>,
    /// Whether a trigger or a foreign key action runs.
    pub(super) runs_program: bool,
    /// Whether the statement itself may delete rows; for an `INSERT`, those that `REPLACE` removes.
    pub(super) deletes: bool,
    /// Whether it writes to a virtual table.
    pub(super) is_virtual: bool,
}

/// `OPFLAG_ISUPDATE` in `sqliteInt.h`: the deletion is the first half of an update, or the insertion the second one.
const IS_UPDATE: i64 = 4;

impl Reach {
    pub(super) fn of(conn: &Connection, own: &str) -> rusqlite::Result<Self> {
        let mut explain = conn.prepare(&format!("EXPLAIN {own}"))?;
        let mut rows = explain.query([])?;
        let mut reach = Self::default();
        // The first `Init` begins the statement, and each other one a program, which has its own cursors.
        let (mut programs, mut cursors) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let numbers: (Option<i64>, Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?, row.get(4)?);
            match (row.get_ref(1)?.as_str().unwrap_or_default(), numbers) {
                ("Init", _) => {
                    programs += 1;
                    cursors.clear();
                }
                ("OpenWrite", (Some(cursor), Some(root), Some(0))) => {
                    cursors.push((cursor, root));
                    insert(&mut reach.roots, Some(root));
                }
                ("Clear", (Some(root), Some(0), _)) => {
                    insert(&mut reach.roots, Some(root));
                    reach.delete(programs > 1, Some(root));
                }
                ("Delete", (Some(cursor), flags, _)) if flags.unwrap_or_default() & IS_UPDATE == 0 => {
                    let open = cursors.iter().rfind(|(open, _)| *open == cursor);
                    reach.delete(programs > 1, open.map(|(_, root)| *root));
                }
                // A table WITHOUT ROWID is an index, whose insertions do not have the flag.
                ("Insert", (Some(cursor), ..)) if programs > 1 && flags(row)? & IS_UPDATE != 0 => {
                    let open = cursors.iter().rfind(|(open, _)| *open == cursor);
                    insert(&mut reach.rewritten, open.map(|(_, root)| *root));
                }
                ("Program", _) => reach.runs_program = true,
                ("VUpdate", _) => reach.is_virtual = true,
                _ => {}
            }
        }
        Ok(reach)
    }

    /// What a statement on a table can write at most. `EXPLAIN` of a statement that writes sets `changes()` to 0, so a script that asks for
    /// it is not explained.
    pub(super) fn guessed(conn: &Connection, table: &str, enforces: bool) -> rusqlite::Result<Self> {
        let sql = "SELECT sql FROM main.sqlite_master WHERE type = 'trigger' UNION ALL
            SELECT sql FROM temp.sqlite_master WHERE type = 'trigger'";
        let triggers = texts(conn, sql, &[])?;
        let fires = enforces || triggers.iter().any(|trigger| mentions(trigger, table));
        let sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0";
        let tables = texts(conn, sql, &[])?;
        let is_reached = |name: &String| enforces || triggers.iter().any(|trigger| mentions(trigger, name));
        Ok(Self {
            guessed: Some(tables.into_iter().filter(|name| fires && is_reached(name)).collect()),
            runs_program: fires,
            // Whether it replaces rows is asked separately.
            deletes: true,
            ..Self::default()
        })
    }

    fn delete(&mut self, is_program: bool, root: Option<i64>) {
        if is_program {
            insert(&mut self.emptied, root);
        } else {
            self.deletes = true;
        }
    }

    /// The tables that it writes, and whether it may write to the schema.
    pub(super) fn written(&self, conn: &Connection) -> rusqlite::Result<(Vec<String>, bool)> {
        if let Some(guessed) = &self.guessed {
            return Ok((guessed.clone(), true));
        }
        Ok((named(conn, &self.roots)?, self.roots.contains(&1)))
    }

    /// The tables from which its programs may delete rows.
    pub(super) fn emptied(&self, conn: &Connection) -> rusqlite::Result<Vec<String>> {
        if let Some(guessed) = &self.guessed {
            return Ok(guessed.clone());
        }
        named(conn, &self.emptied)
    }

    /// The tables whose rows its programs may change.
    pub(super) fn rewritten(&self, conn: &Connection) -> rusqlite::Result<Vec<String>> {
        named(conn, &self.rewritten)
    }
}

/// The flags of an instruction. Older versions of SQLite print them as a text.
fn flags(row: &Row<'_>) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(6)? {
        ValueRef::Integer(flags) => flags,
        ValueRef::Text(flags) => std::str::from_utf8(flags)
            .ok()
            .and_then(|flags| i64::from_str_radix(flags, 16).ok())
            .unwrap_or_default(),
        _ => 0,
    })
}

/// Adds a root page to a sorted list, unless the list has it.
fn insert(roots: &mut Vec<i64>, root: Option<i64>) {
    if let Some(root) = root {
        if let Err(place) = roots.binary_search(&root) {
            roots.insert(place, root);
        }
    }
}

/// The tables at these root pages. The root page of an index belongs to none.
fn named(conn: &Connection, roots: &[i64]) -> rusqlite::Result<Vec<String>> {
    if roots.is_empty() {
        return Ok(Vec::new());
    }
    let mut table =
        conn.prepare("SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage = ?1")?;
    let mut names = Vec::new();
    for root in roots {
        names.extend(table.query_row([root], |row| row.get::<_, String>(0)).optional()?);
    }
    Ok(names)
}
