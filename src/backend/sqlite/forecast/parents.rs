//! The rows of the live database that would reference a missing table after a script.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::objects::Objects;
use crate::backend::sqlite::fault::known;
use crate::dialect::quote;
use crate::effect::Unparented;
use crate::sql::Tokens;

/// Keys of the copy that reference a table that the copy does not have.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// Child, by its live name, and parent, both in lower case: the pairs that existed before any script.
    before: BTreeSet<(String, String)>,
    /// The tables whose rows scripts write, in lower case. It is unknown what their rows reference afterwards.
    written: BTreeSet<String>,
}

impl Parents {
    pub(super) fn of(copy: &Connection, objects: &Objects) -> rusqlite::Result<Self> {
        let keys = missing(copy)?.into_iter();
        let before = keys.filter_map(|key| Some(key.pair(objects.live(&key.child)?))).collect();
        Ok(Self { before, written: BTreeSet::new() })
    }

    /// Records that rows of these tables of the live database are written.
    pub(super) fn written<'t>(&mut self, tables: impl Iterator<Item = &'t str>) {
        self.written.extend(tables.map(str::to_lowercase));
    }

    /// Whether a script writes rows of this table of the live database.
    pub(super) fn has_written(&self, live: &str) -> bool {
        self.written.contains(&live.to_lowercase())
    }

    /// The rows without a parent table after a script, except those that had none before all scripts.
    pub(super) fn new_orphans(
        &self,
        live: &Connection,
        copy: &Connection,
        objects: &Objects,
    ) -> rusqlite::Result<Vec<Unparented>> {
        let mut orphans = Vec::new();
        for key in missing(copy)? {
            let is_known = |child: &&str| {
                !self.before.contains(&key.pair(child)) && !self.written.contains(&child.to_lowercase())
            };
            let Some(child) = objects.live(&key.child).filter(is_known) else { continue };
            // A table or a column that the live database does not have yet has no rows.
            let rows = known(rows(live, child, &key.columns))?.unwrap_or_default();
            if rows > 0 {
                orphans.push(Unparented { child: child.to_owned(), parent: key.parent, rows });
            }
        }
        Ok(orphans)
    }
}

/// Whether a script may remove a table that other tables reference.
pub(super) fn may_orphan(script: &str) -> bool {
    Tokens::new(script).any(|token| token.is("drop") || token.is("rename"))
}

struct Key {
    child: String,
    parent: String,
    columns: Vec<String>,
}

impl Key {
    fn pair(&self, child: &str) -> (String, String) {
        (child.to_lowercase(), self.parent.to_lowercase())
    }
}

fn missing(copy: &Connection) -> rusqlite::Result<Vec<Key>> {
    let mut statement = copy.prepare(
        "SELECT child.name, key.seq, key.\"table\", key.\"from\"
        FROM main.sqlite_master AS child, pragma_foreign_key_list(child.name, 'main') AS key
        WHERE child.type = 'table' AND instr(lower(child.sql), 'references') AND NOT EXISTS (
            SELECT 1 FROM main.sqlite_master AS parent
            WHERE parent.type = 'table' AND parent.name = key.\"table\" COLLATE NOCASE)
        ORDER BY child.rowid, key.id, key.seq",
    )?;
    let mut rows = statement.query([])?;
    let mut keys: Vec<Key> = Vec::new();
    while let Some(row) = rows.next()? {
        let column = row.get(3)?;
        match (row.get(1)?, keys.last_mut()) {
            (1_i64.., Some(key)) => key.columns.push(column),
            _ => keys.push(Key { child: row.get(0)?, parent: row.get(2)?, columns: vec![column] }),
        }
    }
    Ok(keys)
}

/// The number of rows that have a reference. A column that the live table does not have yet references nothing.
fn rows(live: &Connection, child: &str, columns: &[String]) -> rusqlite::Result<u64> {
    let table = quote(child);
    let has = columns.iter().map(|column| format!("{table}.{} NOT NULL", quote(column))).collect::<Vec<_>>();
    let sql = format!("SELECT count(*) FROM main.{table} WHERE {}", has.join(" AND "));
    live.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|count| u64::try_from(count).unwrap_or_default())
}
