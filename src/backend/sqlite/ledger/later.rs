//! The values that a table does not have which takes the name of a dropped one later, and gets the rows back from a copy.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::outline::Values;
use super::rows::Rows;
use super::successor::is_primary;
use super::uncopied::{Uncopied, lists};
use crate::account::StepFinding;
use crate::backend::sqlite::fault::known;
use crate::dialect::quote;

impl Rows {
    /// The findings about a dropped table whose successor, by their places, was created after it was dropped.
    pub(super) fn of_later(
        &self,
        conn: &Connection,
        [old, new]: [usize; 2],
        name: &str,
    ) -> rusqlite::Result<Vec<StepFinding>> {
        let (table, successor) = (&self.tables[old], &self.tables[new]);
        let (Some(outline), Some(definition)) = (&table.outline, &table.definition) else {
            return Ok(Vec::new());
        };
        let (Some(before), Some(after)) = (table.rows, successor.count(conn)?) else { return Ok(Vec::new()) };
        if before == 0 || after == 0 || successor.copies.is_empty() {
            return Ok(Vec::new());
        }
        let table = &table.change.table;
        let uncopied = self.uncopied(conn, [name, name], definition, new, after);
        let (mut shared, _) = uncopied.shared()?;
        uncopied.retain_comparable(&mut shared);
        let mut findings = Vec::new();
        for column in uncopied.empty(&shared)? {
            let Some(Values { count: had @ 1.., ends: [least, most], .. }) = outline.of_column(&column.name)
            else {
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
            let is_numbered =
                is_primary(conn, name, std::slice::from_ref(key))? && !successor.copies.iter().any(is_given);
            let now = if is_numbered { Self::number(conn, name, key)? } else { None };
            if let (Some(now), Some(Values { ends: [_, Value::Integer(was)], .. })) =
                (now, outline.of_column(name_of_key))
            {
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
