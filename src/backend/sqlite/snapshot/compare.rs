//! Whether a copy is sound and has what the original has.

use std::path::Path;

use rusqlite::Connection;

use super::super::query::{texts, value};
use super::super::{Sqlite, fault};
use crate::backend::driver::interruptible;
use crate::backend::records::Records;
use crate::dialect::{TableName, qualified};
use crate::fault::{Fault, FaultKind};
use crate::history::Head;
use crate::remedy::Remedy;

/// What a copy must have like its original: the history, the tables, and the number of rows in each.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    head: Head,
    rows: Vec<(String, i64)>,
}

impl Contents {
    pub(super) fn of(conn: &Connection, table: &TableName) -> Result<Self, Fault> {
        // The rows of a virtual table are in others.
        let sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name";
        let count = |name: String| {
            let from = format!("SELECT count(*) FROM {}", qualified("main", &name));
            // SQLite counts in the smallest index, for which it may need a function or collation of the application.
            let counted = cancellable(conn, |conn| {
                value(conn, &from, &[]).or_else(|_| value(conn, &format!("{from} NOT INDEXED"), &[]))
            });
            counted.map(|rows| (name, rows))
        };
        let rows = texts(conn, sql, &[]).map_err(fault)?.into_iter().map(count).collect::<Result<_, _>>()?;
        Ok(Self { head: Sqlite::head(&mut &*conn, table)?, rows })
    }

    /// Refuses a copy that is different.
    pub(super) fn refuse_different(&self, copy: &Self) -> Result<(), Fault> {
        let what = if self.head != copy.head {
            "its migrations are not those of the database".to_owned()
        } else if let Some(((name, rows), (_, copied))) =
            self.rows.iter().zip(&copy.rows).find(|(own, copied)| own.0 == copied.0 && own.1 != copied.1)
        {
            format!("`{name}` has {rows} rows, and {copied} in the copy")
        } else if self.rows != copy.rows {
            "its tables are not those of the database".to_owned()
        } else {
            return Ok(());
        };
        let fault = Fault::new(FaultKind::Other, what);
        Err(fault.remedy("check the disk, and the database with `PRAGMA integrity_check`"))
    }
}

/// Refuses a copy with a damaged structure. If the check needs a function or a collation that `copy`, a connection of the engine, does not
/// have, the application's connection makes it.
pub(super) fn refuse_damaged(copy: &Connection, path: &Path, application: &Connection) -> Result<(), Fault> {
    match quick_check(copy, "main") {
        Err(fault) if lacks_name(&fault) => {
            attached(application, path, || quick_check(application, ATTACHED))
        }
        checked => checked,
    }
}

/// Refuses a database with a damaged structure, as far as the connection can check it.
pub(super) fn refuse_damaged_live(own: &Connection) -> Result<(), Fault> {
    match quick_check(own, "main") {
        Err(fault) if lacks_name(&fault) => Ok(()),
        checked => checked,
    }
}

/// Rows that violate a constraint are no damage.
fn quick_check(conn: &Connection, schema: &str) -> Result<(), Fault> {
    let setting: i64 = value(conn, "PRAGMA ignore_check_constraints", &[]).map_err(fault)?;
    conn.execute_batch("PRAGMA ignore_check_constraints = ON").map_err(fault)?;
    let found = cancellable(conn, |conn| texts(conn, &format!("PRAGMA {schema}.quick_check(1)"), &[]));
    conn.execute_batch(&format!("PRAGMA ignore_check_constraints = {setting}")).map_err(fault)?;
    match found?.first().map(String::as_str) {
        Some("ok") => Ok(()),
        found => {
            let found = found.unwrap_or_default().trim().replace('\n', " ");
            let what = format!("`PRAGMA quick_check` says \"{found}\"");
            Err(Fault::new(FaultKind::NotADatabase, what)
                .remedy("check the database with `PRAGMA integrity_check`, and repair it first"))
        }
    }
}

/// Runs a query that may take long, which a cancel of the run interrupts.
fn cancellable<R>(
    conn: &Connection,
    query: impl FnOnce(&Connection) -> rusqlite::Result<R>,
) -> Result<R, Fault> {
    interruptible::<Sqlite, _>(&mut &*conn, |conn| query(conn).map_err(fault))
}

/// Whether a statement failed for want of a function, a collation or a module.
fn lacks_name(fault: &Fault) -> bool {
    fault.own_remedy().is_some_and(|remedy| remedy.singles().contains(&&Remedy::Register))
}

const ATTACHED: &str = "__switchy_copy";

/// Runs `body` while a file is attached.
fn attached<R>(conn: &Connection, path: &Path, body: impl FnOnce() -> Result<R, Fault>) -> Result<R, Fault> {
    let path = path.to_str().ok_or_else(|| Fault::new(FaultKind::Other, "its path is not text"))?;
    conn.execute(&format!("ATTACH ?1 AS {ATTACHED}"), [path]).map_err(fault)?;
    let done = body();
    conn.execute_batch(&format!("DETACH {ATTACHED}")).map_err(fault)?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryDigest;

    #[test]
    fn a_copy_is_refused_for_the_first_difference() {
        let contents = |count, rows: &[(&str, i64)]| Contents {
            head: Head { digest: Some(HistoryDigest::EMPTY), count },
            rows: rows.iter().map(|&(name, rows)| (name.to_owned(), rows)).collect(),
        };
        let said = |copy: &Contents| {
            let own = contents(1, &[("a", 2), ("b", 3)]);
            own.refuse_different(copy).err().map(|fault| fault.to_string())
        };
        let says = |what: &str| Some(what.to_owned());
        assert_eq!(said(&contents(1, &[("a", 2), ("b", 3)])), None);
        assert_eq!(said(&contents(2, &[])), says("its migrations are not those of the database"));
        assert_eq!(said(&contents(1, &[("a", 2), ("b", 4)])), says("`b` has 3 rows, and 4 in the copy"));
        let tables = says("its tables are not those of the database");
        assert_eq!(said(&contents(1, &[("a", 2)])), tables);
        assert_eq!(said(&contents(1, &[("a", 2), ("c", 4)])), tables);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.db");
        let application = Connection::open_in_memory().unwrap();
        let check = || {
            let copy = Connection::open(&path).unwrap();
            let refused = refuse_damaged(&copy, &path, &application).is_err();
            assert_eq!(refuse_damaged_live(&copy).is_err(), refused);
            refused
        };
        let rows =
            "WITH n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 999) SELECT randomblob(99) FROM n";
        Connection::open(&path).unwrap().execute_batch(&format!("CREATE TABLE t AS {rows}")).unwrap();
        assert!(!check());
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8192].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        assert!(check());
    }

    #[test]
    fn what_is_missing_to_check_a_copy_is_told_from_damage() {
        let fault = || Fault::new(FaultKind::Other, "no such function: f");
        assert!(lacks_name(&fault().remedy(Remedy::Register)));
        assert!(!lacks_name(&fault().remedy("repair it")));
        assert!(!lacks_name(&fault()));
    }
}
