//! [`SchemaEdits`]: what a script writes to the table of the schema by hand.

use rusqlite::Connection;

use crate::backend::sqlite::fault::{fault, is_not_of_file};
use crate::backend::sqlite::message;
use crate::backend::sqlite::query::{texts, value};
use crate::fault::{Fault, FaultKind};
use crate::step::Atomicity;

/// The schema before the first statement that allows it to be written by hand.
#[derive(Default)]
pub(super) struct SchemaEdits {
    before: Option<Vec<String>>,
    /// What SQLite found wrong in the database before the first edit, if anything.
    damage: Option<String>,
    is_edited: bool,
}

impl SchemaEdits {
    pub(super) fn begin(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.before.is_none() {
            self.before = Some(objects(conn)?);
        }
        Ok(())
    }

    /// Prepares for a statement that writes to the table of the schema.
    pub(super) fn before_edit(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.begin(conn)?;
        if !self.is_edited {
            self.is_edited = true;
            // What was so before is not the fault of the script.
            self.damage = damage(conn)?;
            // After a rollback SQLite would keep the edited schema in memory, since an edit by hand does not change this number, and take
            // tables for missing that are there (<https://www.sqlite.org/pragma.html#pragma_schema_version>).
            let version: i32 = value(conn, "PRAGMA main.schema_version", &[])?;
            conn.execute_batch(&format!("PRAGMA main.schema_version = {}", version.wrapping_add(1)))?;
        }
        Ok(())
    }

    /// Reads the schema again, checks the database if the schema was edited, and returns whether it could be edited.
    ///
    /// The whole database is read: an edit can take a table out of the schema, exchange two tables, or change what an index contains.
    pub(super) fn end(&self, conn: &Connection, atomicity: Atomicity) -> Result<bool, Fault> {
        let Some(before) = &self.before else { return Ok(false) };
        let remedy = || match atomicity {
            Atomicity::Transaction => {
                "correct what the script writes to the schema, or rebuild the table instead"
            }
            Atomicity::NonTransactional => "restore the file from a backup",
        };
        let unreadable = |error: rusqlite::Error| {
            if is_not_of_file(&error) {
                return fault(error);
            }
            let what = format!("it leaves a schema that SQLite cannot read: {}", message(&error));
            Fault::new(FaultKind::Other, what).remedy(remedy())
        };
        // RESET makes SQLite read the schema again at the next statement.
        conn.execute_batch("PRAGMA writable_schema = RESET").map_err(unreadable)?;
        let now = objects(conn).map_err(unreadable)?;
        if !self.is_edited || now == *before {
            return Ok(true);
        }
        match damage(conn).map_err(fault)? {
            Some(found) if self.damage.as_ref() != Some(&found) => {
                let what = format!("it edits the schema by hand, and the database does not fit it: {found}");
                Err(Fault::new(FaultKind::Other, what).remedy(remedy()))
            }
            _ => Ok(true),
        }
    }
}

/// The rows of the schema, each as one text, sorted.
fn objects(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT quote(type) || quote(name) || quote(tbl_name) || quote(rootpage) || quote(sql) FROM main.sqlite_master ORDER BY 1";
    texts(conn, sql, &[])
}

/// The first fault of the database, or why its content cannot be checked.
fn damage(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let found: String = match value(conn, "PRAGMA main.integrity_check(1)", &[]) {
        Err(error) if is_not_of_file(&error) => return Err(error),
        found => found.unwrap_or_else(|error| message(&error)),
    };
    // The first line may be `*** in database main ***`.
    Ok(found.lines().find(|line| !line.starts_with("***") && *line != "ok").map(str::to_owned))
}
