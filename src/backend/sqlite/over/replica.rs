//! [`Replica`]: a copy of the schema in memory, on which the backend of `rusqlite` answers what texts cannot.

use rusqlite::Connection;

use crate::backend::sqlite::scratch;
use crate::backend::statements::Statements;
use crate::fault::Fault;

/// A copy of the schema, without rows.
pub(super) struct Replica {
    pub(super) conn: Connection,
    /// Whether everything of the schema is there. What needs a function, collation or module of the application is not.
    pub(super) is_whole: bool,
}

impl Replica {
    /// Copies the schema. Virtual tables come first, since they create their own tables.
    pub(super) fn of(session: &mut impl Statements) -> Result<Self, Fault> {
        let sql = "SELECT name AS c0, sql AS c1 FROM main.sqlite_master
            WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_'
            ORDER BY CASE type WHEN 'table' THEN sql NOT LIKE 'create virtual%' WHEN 'view' THEN 2 WHEN 'index' THEN 3 ELSE 4 END, rowid";
        let entries = session.rows(sql)?;
        let conn = scratch::open(None)?;
        let mut is_whole = true;
        for entry in entries {
            let [Some(_), Some(sql)] = &entry[..] else { continue };
            let is_made = match conn.execute_batch(sql) {
                Ok(()) => true,
                Err(error) => error.to_string().contains("already exists"),
            };
            is_whole &= is_made;
        }
        Ok(Self { conn, is_whole })
    }
}
