//! [`SchemaEdits`]: what a script writes to the table of the schema by hand.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::backend::sqlite::{fault, message};
use crate::fault::{Fault, FaultKind};
use crate::step::Atomicity;

/// The schema before the first statement that allows it to be written by hand.
#[derive(Default)]
pub(super) struct SchemaEdits {
    before: Option<BTreeMap<String, String>>,
}

impl SchemaEdits {
    pub(super) fn begin(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.before.is_none() {
            self.before = Some(tables(conn)?);
        }
        Ok(())
    }

    /// Reads the schema again, checks the tables whose text was edited, and returns whether the schema could be edited.
    pub(super) fn end(&self, conn: &Connection, atomicity: Atomicity) -> Result<bool, Fault> {
        let Some(before) = &self.before else { return Ok(false) };
        let unreadable = |error: &rusqlite::Error| {
            let remedy = match atomicity {
                Atomicity::Transaction => "correct what the script writes to the schema",
                Atomicity::NonTransactional => "restore the file from a backup",
            };
            let what = format!("it leaves a schema that SQLite cannot read: {}", message(error));
            Fault::new(FaultKind::Other, what).remedy(remedy)
        };
        // RESET makes SQLite read the schema again at the next statement.
        conn.execute_batch("PRAGMA writable_schema = RESET").map_err(|error| unreadable(&error))?;
        let now = tables(conn).map_err(|error| unreadable(&error))?;
        for (table, _) in now.iter().filter(|(table, sql)| before.get(*table).is_some_and(|old| old != *sql))
        {
            let sql = "SELECT quick_check FROM pragma_quick_check(?1, 'main') LIMIT 1";
            let checked: String = conn.query_row(sql, [table], |row| row.get(0)).map_err(fault)?;
            if checked != "ok" {
                let what =
                    format!("it edits the definition of `{table}`, and its rows do not fit: {checked}");
                return Err(Fault::new(FaultKind::Other, what).remedy("rebuild the table instead"));
            }
        }
        Ok(true)
    }
}

fn tables(conn: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let sql = "SELECT name, coalesce(sql, '') FROM main.sqlite_master WHERE type = 'table'";
    conn.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
