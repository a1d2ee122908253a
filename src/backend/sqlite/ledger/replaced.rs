//! What a table that was replaced had, and the table that replaced it does not have.

use rusqlite::{Connection, OptionalExtension};

use super::definition::{Definition, has_autoincrement};
use super::uncopied::{Kept, retyped};
use crate::account::{StepFinding, TableChange};
use crate::backend::sqlite::query::{has_row, value};
use crate::dialect::quote;
use crate::problem::ProblemKind;

/// The findings about a replaced table, besides lost rows, given the name of the new one.
pub(super) fn findings(
    conn: &Connection,
    change: &TableChange,
    table: &str,
    old: &Definition,
) -> rusqlite::Result<Vec<StepFinding>> {
    let new = Definition::read(conn, table)?;
    let mut lost = old.lost_in(&new);
    // Without its parent, a key must go.
    for (key, parent) in lost.keys.drain(..) {
        if has_row(conn, "SELECT 1 FROM pragma_table_info(?1, 'main')", &[&parent])? {
            lost.objects.push(key);
        }
    }
    let mut findings = Vec::new();
    if let Some((last, others)) = lost.objects.split_last() {
        let objects =
            if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
        findings.push(StepFinding::new(
            ProblemKind::LostInRebuild,
            format!("replaces `{table}` and does not recreate {objects}"),
            format!("recreate what is still needed, after the new table has the name `{table}`"),
        ));
    }
    for (column, was, is) in lost.numbers.iter().filter(|_| change.rows_before.unwrap_or_default() > 0) {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM main.{} WHERE typeof({}) IN ('integer', 'real'))",
            quote(table),
            quote(column)
        );
        if value(conn, &sql, &[])? {
            let texts = "a text that looks like a number became one (`01234` is 1234)";
            findings.push(retyped(table, (column, was, is), texts, Kept::Texts));
        }
    }
    Ok(findings)
}

/// Sets the last number of `AUTOINCREMENT` of a table to that of the table that it replaced, if it is higher, and leaves one row for the
/// table. A table without `AUTOINCREMENT` has none.
pub(super) fn continue_sequence(conn: &Connection, table: &str, last: i64) -> rusqlite::Result<()> {
    let sql = "SELECT name, sql FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let definition =
        conn.query_row(sql, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    let Some((name, sql)) = definition.optional()? else { return Ok(()) };
    if !has_autoincrement(&sql) {
        return Ok(());
    }
    let sql =
        "SELECT count(*), max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE";
    let (rows, now): (i64, Option<i64>) =
        conn.query_row(sql, [table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if rows == 1 && now >= Some(last) {
        return Ok(());
    }
    conn.execute("DELETE FROM main.sqlite_sequence WHERE name = ?1 COLLATE NOCASE", [table])?;
    let sql = "INSERT INTO main.sqlite_sequence (name, seq) VALUES (?1, ?2)";
    conn.execute(sql, (name, now.unwrap_or(last).max(last))).map(drop)
}
