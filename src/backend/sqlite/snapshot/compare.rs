//! Whether a copy is sound and has what the original has.

use rusqlite::Connection;

use super::super::query::{texts, value};
use super::super::{Sqlite, fault};
use crate::backend::records::Records;
use crate::dialect::{TableName, qualified};
use crate::fault::{Fault, FaultKind};

/// Refuses a database with a damaged structure. Rows that violate a constraint are no damage.
pub(super) fn refuse_damaged(conn: &Connection) -> Result<(), Fault> {
    // A constraint may call a function that only the application has.
    conn.execute_batch("PRAGMA ignore_check_constraints = ON").map_err(fault)?;
    let found = texts(conn, "PRAGMA main.quick_check(1)", &[]).map_err(fault)?;
    match found.first().map(String::as_str) {
        Some("ok") => Ok(()),
        found => {
            let what = format!("`PRAGMA quick_check` says \"{}\"", found.unwrap_or_default().trim());
            Err(Fault::new(FaultKind::NotADatabase, what.replace('\n', " ")))
        }
    }
}

/// Refuses a copy that has another history, other tables, or another number of rows in a table.
pub(super) fn refuse_different(
    original: &Connection,
    copy: &Connection,
    table: &TableName,
) -> Result<(), Fault> {
    refuse_other_history(original, copy, table)?;
    let [tables, copied] = [tables(original)?, tables(copy)?];
    if tables != copied {
        return Err(different("its tables are not those of the database"));
    }
    for name in tables {
        let sql = format!("SELECT count(*) FROM {}", qualified("main", &name));
        let count = |conn| value::<i64>(conn, &sql, &[]).map_err(fault);
        let (rows, copied) = (count(original)?, count(copy)?);
        if rows != copied {
            return Err(different(format!("`{name}` has {rows} rows, and {copied} in the copy")));
        }
    }
    Ok(())
}

/// Refuses a copy that has another history.
pub(super) fn refuse_other_history(
    original: &Connection,
    copy: &Connection,
    table: &TableName,
) -> Result<(), Fault> {
    if Sqlite::head(&mut &*original, table)? != Sqlite::head(&mut &*copy, table)? {
        return Err(different("its migrations are not those of the database"));
    }
    Ok(())
}

/// The tables that have rows of their own. The rows of a virtual table are in others.
fn tables(conn: &Connection) -> Result<Vec<String>, Fault> {
    let sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    texts(conn, sql, &[]).map_err(fault)
}

fn different(what: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    let fault = Fault::new(FaultKind::Other, what);
    fault.remedy("check the disk, and the database with `PRAGMA integrity_check`")
}
