//! References to something that is missing: those of rows are asked for in the session, the others are found in a copy of the schema.

use super::replica::Replica;
use crate::backend::driver::Driver;
use crate::backend::sqlite::Sqlite;
use crate::backend::statements::{Statements, number, says, value};
use crate::dangling::Dangling;
use crate::dialect::{qualified, quote};
use crate::fault::Fault;
use crate::step::ForeignKeys;
use crate::touched::Touched;

pub(super) fn of(
    session: &mut impl Statements,
    touched: &Touched,
    keys: ForeignKeys,
) -> Result<Dangling, Fault> {
    if touched.is_nothing() {
        return Ok(Dangling::default());
    }
    let replica = Replica::of(session)?;
    // No row is in the copy, so only the schema is looked at.
    let of_schema = if keys == ForeignKeys::Checked { ForeignKeys::Enforced } else { keys };
    let mut found = Sqlite::dangling(&mut &replica.conn, &Touched::anything(), of_schema)?;
    if keys != ForeignKeys::Checked {
        return Ok(found);
    }
    let children =
        "SELECT DISTINCT m.name AS c0 FROM main.sqlite_master m, pragma_foreign_key_list(m.name, 'main')
        WHERE m.type = 'table'";
    for child in crate::backend::statements::column(session, children)? {
        look_at(session, &child, &mut found)?;
    }
    Ok(found)
}

/// The rows of a table whose parents are missing.
fn look_at(session: &mut impl Statements, child: &str, found: &mut Dangling) -> Result<(), Fault> {
    let literal = child.replace('\'', "''");
    let sql = format!(
        "SELECT CAST(rowid AS TEXT) AS c0, parent AS c1, CAST(fkid AS TEXT) AS c2
        FROM pragma_foreign_key_check('{literal}', 'main')"
    );
    let rows = match session.rows(&sql) {
        // The copy of the schema says so too, without the number of rows.
        Err(fault) if says(&fault, "foreign key mismatch") => {
            let has_rows = number(
                session,
                &format!("SELECT EXISTS (SELECT 1 FROM {}) AS c0", qualified("main", child)),
            )?;
            if !found.lacks_parent(child) {
                found.add_unchecked(child, has_rows > 0);
            }
            return Ok(());
        }
        // The connection lacks a collation, function or module, so the table cannot be written either.
        Err(fault) if says(&fault, "no such ") => return Ok(()),
        rows => rows?,
    };
    for row in rows {
        let [rowid, Some(parent), Some(key)] = &row[..] else { continue };
        let values = match rowid {
            Some(rowid) => values_of(session, child, key, rowid)?,
            None => None,
        };
        found.add_row(child, parent, values);
    }
    Ok(())
}

/// The values of one key of a row, as text, since a rebuild may change their type.
fn values_of(
    session: &mut impl Statements,
    child: &str,
    key: &str,
    rowid: &str,
) -> Result<Option<String>, Fault> {
    let literal = child.replace('\'', "''");
    let sql = format!(
        "SELECT \"from\" AS c0 FROM pragma_foreign_key_list('{literal}', 'main') WHERE id = {key} ORDER BY seq"
    );
    let columns = crate::backend::statements::column(session, &sql)?;
    let values: Vec<String> =
        columns.iter().map(|column| format!("quote(CAST({} AS TEXT))", quote(column))).collect();
    let sql = format!(
        "SELECT {} AS c0 FROM {} WHERE _rowid_ = {rowid}",
        values.join(" || ',' || "),
        qualified("main", child)
    );
    value(session, &sql)
}
