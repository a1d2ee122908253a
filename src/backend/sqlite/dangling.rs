//! Finds references to something that is missing, among the tables that a step touched and what refers to them.

use rusqlite::{Connection, OptionalExtension, Statement};

use super::message;
use super::query::{texts, value};
use crate::dangling::{Dangling, KeyValues};
use crate::dialect::quote;
use crate::sql::same_name;
use crate::step::ForeignKeys;
use crate::touched::{Touch, Touched};

mod full_text;
mod reason;
mod references;
#[cfg(test)]
mod tests;

/// The foreign key violations in the touched tables and in the tables that reference them, and the views and triggers that a step
/// broke.
pub(super) fn of(conn: &Connection, touched: &Touched, keys: ForeignKeys) -> rusqlite::Result<Dangling> {
    let mut found = Dangling::default();
    if touched.is_nothing() {
        return Ok(found);
    }
    references::check(conn, touched, &mut found)?;
    if keys == ForeignKeys::Unchecked {
        return Ok(found);
    }
    for child in children(conn, touched, &mut found)? {
        let looked = match keys {
            // SQLite enforces the keys of the rows. A key to columns that are not unique is an error of every later write, and of this
            // statement when it is prepared, which reads no row.
            ForeignKeys::Enforced => {
                conn.prepare(&format!("PRAGMA main.foreign_key_check({})", quote(&child))).map(drop)
            }
            _ => look_at(conn, &child, &mut found),
        };
        match looked {
            // The parent is a view.
            Err(error)
                if message(&error).starts_with("foreign key mismatch") && found.lacks_parent(&child) => {}
            // The schema is valid, but every later write to the table will fail.
            Err(error) if message(&error).starts_with("foreign key mismatch") => {
                let sql = format!("SELECT EXISTS (SELECT 1 FROM main.{})", quote(&child));
                let has_rows = value(conn, &sql, &[])?;
                if has_rows || touched.redefines_anything() || touched.redefined().next().is_some() {
                    found.add_unchecked(&child, has_rows);
                }
            }
            // This connection lacks a collation, function or module. Then the keys cannot be checked, and the tables cannot be written.
            Err(error) if message(&error).starts_with("no such ") => {}
            looked => looked?,
        }
    }
    Ok(found)
}

/// The tables whose keys may be broken.
fn children(conn: &Connection, touched: &Touched, found: &mut Dangling) -> rusqlite::Result<Vec<String>> {
    if !touched.is_anything() && touched.tables().next().is_none() {
        return Ok(Vec::new());
    }
    let is_filled = |(_, touch): (&str, Touch)| touch == Touch::Filled;
    if !touched.is_anything() && touched.tables().all(is_filled) {
        // A new row may have no parent, but it removes the parent of no other row.
        let mut keys = conn.prepare("SELECT 1 FROM pragma_foreign_key_list(?1, 'main')")?;
        let mut children = Vec::new();
        for (table, _) in touched.tables() {
            if keys.exists([table])? {
                children.push(table.to_owned());
            }
        }
        return Ok(children);
    }
    let mut tables = conn.prepare(
        "SELECT name, instr(lower(sql), 'references') > 0 FROM main.sqlite_master WHERE type = 'table'",
    )?;
    let mut parents = conn.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1, 'main')")?;
    let is_touched = |name: &str| touched.tables().any(|(table, _)| same_name(table, name));
    let (mut rows, mut children, mut all_parents) = (tables.query([])?, Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        found.add_table(&name);
        if !row.get::<_, Option<bool>>(1)?.unwrap_or(false) {
            continue;
        }
        let mut is_child = touched.is_anything() || is_touched(&name);
        let mut named = parents.query([&name])?;
        while let Some(parent) = named.next()? {
            let parent = parent.get_ref(0)?.as_str().unwrap_or_default();
            is_child |= is_touched(parent);
            all_parents.push((name.clone(), parent.to_owned()));
        }
        if is_child {
            children.push(name);
        }
    }
    for (child, parent) in all_parents.iter().filter(|(child, _)| children.contains(child)) {
        if (touched.may_redefine(child) || touched.may_redefine(parent)) && !found.has(parent) {
            found.add_missing_parent(child, parent);
        }
    }
    Ok(children)
}

fn look_at(conn: &Connection, child: &str, found: &mut Dangling) -> rusqlite::Result<()> {
    let mut check = conn.prepare("SELECT rowid, parent, fkid FROM pragma_foreign_key_check(?1, 'main')")?;
    let mut rows = check.query([child])?;
    let mut keys = Vec::<(i64, Statement<'_>)>::new();
    while let Some(row) = rows.next()? {
        let (rowid, parent, key): (Option<i64>, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if rowid.is_some() && !keys.iter().any(|(known, _)| *known == key) {
            keys.push((key, key_of(conn, child, key)?));
        }
        let values = match (rowid, keys.iter_mut().find(|(known, _)| *known == key)) {
            (Some(rowid), Some((_, values))) => values_of(values, rowid)?,
            _ => None,
        };
        found.add_row(child, &parent, values);
    }
    Ok(())
}

/// The statement that reads the values of one key of a row. It reads them as text, since a rebuild may change their type, and finds the
/// row by `_rowid_`, since `rowid` may be a column.
fn key_of<'c>(conn: &'c Connection, child: &str, key: i64) -> rusqlite::Result<Statement<'c>> {
    let sql =
        format!("SELECT \"from\" FROM pragma_foreign_key_list(?1, 'main') WHERE id = {key} ORDER BY seq");
    let columns = texts(conn, &sql, &[child])?;
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
