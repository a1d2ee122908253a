//! [`Outline`]: which values a dropped table had, for a table that takes its name later and gets the rows back from a copy.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::definition::Definition;
use super::rows::Rows;
use super::successor::is_primary;
use super::uncopied::{Uncopied, lists};
use crate::account::StepFinding;
use crate::backend::sqlite::fault::known;
use crate::dialect::quote;
use crate::sql::same_name;

/// The values that a table had when it was dropped.
#[derive(Debug, Clone)]
pub(super) struct Outline(Vec<Values>);

/// The number of values of a column, and the least and the greatest one.
#[derive(Debug, Clone)]
struct Values {
    column: String,
    values: u64,
    ends: [Value; 2],
}

impl Outline {
    /// Reads a table once. `None` if it cannot be read, for example without a collation of the application.
    pub(super) fn of(
        conn: &Connection,
        table: &str,
        definition: &Definition,
    ) -> rusqlite::Result<Option<Self>> {
        let columns = definition.names();
        let results = |name: &String| format!("count({0}), min({0}), max({0})", quote(name));
        let results: Vec<String> = columns.iter().map(results).collect();
        let sql = format!("SELECT {} FROM main.{}", results.join(", "), quote(table));
        let read = conn.query_row(&sql, [], |row| {
            let values = |(place, column): (usize, &String)| {
                Ok(Values {
                    column: column.clone(),
                    values: row.get::<_, i64>(3 * place)?.unsigned_abs(),
                    ends: [row.get(3 * place + 1)?, row.get(3 * place + 2)?],
                })
            };
            columns.iter().enumerate().map(values).collect()
        });
        Ok(known(read)?.map(Self))
    }

    fn of_column(&self, name: &str) -> Option<&Values> {
        self.0.iter().find(|values| same_name(&values.column, name))
    }
}

impl Rows {
    /// The findings about a dropped table whose successor, by their places, was created after it was dropped.
    pub(super) fn of_later(
        &self,
        conn: &Connection,
        [old, new]: [usize; 2],
        name: &str,
    ) -> rusqlite::Result<Vec<StepFinding>> {
        let (table, successor) = (&self.tables[old], &self.tables[new]);
        let (Some(outline), Some(definition)) = (&table.outline, &table.definition) else { return Ok(Vec::new()) };
        let (Some(before), Some(after)) = (table.rows, successor.count(conn)?) else { return Ok(Vec::new()) };
        if before == 0 || after == 0 || successor.copies.is_empty() {
            return Ok(Vec::new());
        }
        let table = &table.change.table;
        let uncopied = self.uncopied(conn, [name, name], definition, new, after);
        let mut shared = uncopied.shared()?;
        shared.retain(|column| after > 1 || !column.is_computed());
        let mut findings = Vec::new();
        for column in uncopied.empty(&shared)? {
            let Some(Values { values: had @ 1.., ends: [least, most], .. }) = outline.of_column(&column.name) else {
                continue;
            };
            let usual = column.usual(&quote(name));
            let sql = format!("SELECT ?1 IS {usual} AND ?2 IS {usual}");
            let was_usual: Option<bool> = known(conn.query_row(&sql, [least, most], |row| row.get(0)))?;
            if was_usual == Some(false) {
                findings.push(uncopied.finding(table, column, *had));
            }
        }
        let key = definition.key();
        if let ([key], true) = (&*key, before == after && definition.numbers_rows()) {
            let name_of_key = key.trim_matches('"');
            let is_given = |(_, own): &(Option<u64>, String)| lists(own, key) != Some(false);
            let is_numbered = is_primary(conn, name, std::slice::from_ref(key))? && !successor.copies.iter().any(is_given);
            let now = if is_numbered { Self::number(conn, name, key)? } else { None };
            if let (Some(now), Some(Values { ends: [_, Value::Integer(was)], .. })) = (now, outline.of_column(name_of_key)) {
                if now != *was {
                    findings.push(Uncopied::renumbering(table, name_of_key, *was));
                }
            }
        }
        Ok(findings)
    }

    /// The greatest number of the rows of a table.
    fn number(conn: &Connection, table: &str, key: &str) -> rusqlite::Result<Option<i64>> {
        known(conn.query_row(&format!("SELECT max({key}) FROM main.{}", quote(table)), [], |row| row.get(0)))
    }
}
