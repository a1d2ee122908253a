//! The rows that `INSERT OR IGNORE` leaves out of a copy.

use rusqlite::Connection;

use super::clauses::top;
use super::copied::{self, Selected};
use super::place::Place;
use super::rows::Rows;
use super::table::{LeftOut, Table};
use crate::account::StepFinding;
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::has_only_own;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{has_word, part};

impl Rows {
    /// Looks for the rows that a copy left out, after it has run and before the script drops a table. Each row is looked up by its values.
    pub(super) fn copied_in_part(
        &mut self,
        conn: &Connection,
        table: &str,
        at: Place<'_>,
    ) -> rusqlite::Result<()> {
        if !has_word(at.own, &["ignore"]) || !has_only_own_select(at.own) {
            return Ok(());
        }
        let (listed, selects) = copied::read(at.own).unwrap_or_default();
        let columns = if listed.is_empty() { columns::of(conn, "main", table)? } else { listed };
        let columns: Vec<String> = columns.iter().map(|column| quote(column)).collect();
        let names = columns.join(", ");
        let is_same: Vec<String> =
            columns.iter().map(|column| format!("own.{column} IS given.{column}")).collect();
        let mut rows = 0;
        for Selected { select, .. } in selects {
            let sql = format!(
                "WITH \"given rows\" ({names}) AS ({select}) SELECT count(*) FROM \"given rows\" AS given
                WHERE NOT EXISTS (SELECT 1 FROM main.{} AS own WHERE {})",
                quote(table),
                is_same.join(" AND ")
            );
            let left_out: Option<i64> = known(conn.query_row(&sql, [], |row| row.get(0)))?;
            rows += left_out.unwrap_or_default().unsigned_abs();
        }
        if rows > 0 {
            let place = self.place(table);
            let left_out = LeftOut { rows, by: at.kept() };
            self.tables[place].left_out.push(left_out);
        }
        Ok(())
    }

    /// The finding about a dropped table of which another one did not get all rows.
    pub(super) fn left_out_of_copies(&self, old: usize) -> Option<StepFinding> {
        let dropped = &self.tables[old].change.table;
        let found = |table: &Table| -> Option<StepFinding> {
            let LeftOut { rows, by } =
                table.left_out.iter().find(|left| self.names_it(&left.by.text, old))?;
            let rows = if *rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
            let finding = StepFinding::new(
                ProblemKind::ValuesChanged,
                format!(
                    "drops `{dropped}` after OR IGNORE has left {rows} of it out of `{}`, which has no such values",
                    table.change.table
                ),
                "say in the script what becomes of these rows, for example with ON CONFLICT ... DO UPDATE, or delete them by name before",
            );
            Some(finding.by(by.clone()))
        };
        let others = self.tables.iter().enumerate().filter(|(place, _)| *place != old);
        others.map(|(_, table)| table).find_map(found)
    }
}

/// Whether the rows of the statement can be asked for again, and are those of a `SELECT` as a whole.
fn has_only_own_select(own: &str) -> bool {
    let tokens = top(own);
    let is_part = tokens.iter().any(|(token, ..)| token.is_any(&["limit", "except", "intersect"]));
    let select = tokens.iter().find(|(token, ..)| token.is_any(&["select", "with"]));
    !is_part && select.is_some_and(|(_, at, _)| has_only_own(part(own, *at..)))
}
