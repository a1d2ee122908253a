//! Rows that `INSERT OR IGNORE` or `ON CONFLICT DO NOTHING` left out of a copy, before the table that they come from is dropped.

use rusqlite::Connection;

use super::copied::{Selected, read};
use super::place::Place;
use crate::account::{Fate, StatementPlace, StepFinding, TableChange};
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::has_only_own;
use crate::backend::sqlite::query::value;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{has_word, mentions};

/// The rows that a statement offers to a table.
pub(super) struct Offered {
    columns: Vec<String>,
    query: String,
    rows: u64,
}

/// Rows that a table did not get.
#[derive(Clone)]
pub(super) struct Skipped {
    query: String,
    into: String,
    rows: u64,
    by: StatementPlace,
}

impl Offered {
    /// What a copy is about to offer, if it may leave out rows and a table is dropped afterwards. The rest of the
    /// place is the last statement that drops a table.
    pub(super) fn of(conn: &Connection, place: Place<'_>, table: &str) -> rusqlite::Result<Option<Self>> {
        let own = place.own;
        if place.rest.is_empty() || !has_word(own, &["ignore", "nothing"]) || has_word(own, &["limit"]) {
            return Ok(None);
        }
        let Some((listed, selects)) = read(own).filter(|(_, selects)| !selects.is_empty()) else {
            return Ok(None);
        };
        let selects: Vec<String> = selects.into_iter().map(|Selected { select, .. }| select).collect();
        let query = selects.iter().map(|select| format!("SELECT * FROM ({select})"));
        let query = query.collect::<Vec<_>>().join(" UNION ALL ");
        if !selects.iter().all(|select| has_only_own(select)) {
            return Ok(None);
        }
        let rows: Option<i64> = known(value(conn, &format!("SELECT count(*) FROM ({query})"), &[]))?;
        let columns = if listed.is_empty() { columns::of(conn, "main", table)? } else { listed };
        Ok(rows.map(|rows| Self { columns, query, rows: rows.unsigned_abs() }))
    }

    /// The rows that the table does not have after the statement added some to it. One that it had already is not left out.
    pub(super) fn skipped(
        &self,
        conn: &Connection,
        (table, added): (&str, u64),
        place: Place<'_>,
    ) -> rusqlite::Result<Option<Skipped>> {
        let skipped = self.rows.saturating_sub(added);
        if skipped == 0 {
            return Ok(None);
        }
        let columns = self.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT count(*) FROM (SELECT * FROM ({}) EXCEPT SELECT {columns} FROM main.{})",
            self.query,
            quote(table)
        );
        let missing: Option<i64> = known(value(conn, &sql, &[]))?;
        let rows = missing.map_or(0, i64::unsigned_abs).min(skipped);
        let (query, into) = (self.query.clone(), table.to_owned());
        Ok((rows > 0).then(|| Skipped { query, into, rows, by: place.kept() }))
    }
}

impl Skipped {
    /// The finding about these rows, if a table that they come from is gone and nothing else is said about its rows.
    pub(super) fn finding(&self, tables: &[TableChange]) -> Option<StepFinding> {
        let is_gone = |table: &&TableChange| {
            matches!(table.fate, Fate::Dropped | Fate::Replaced)
                && table.lost == 0
                && mentions(&self.query, &table.table)
        };
        let gone = tables.iter().find(is_gone)?;
        let rows = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        let what =
            format!("drops `{}`, although the copy into `{}` left out {rows} of it", gone.table, self.into);
        let remedy = "copy these rows under another key, or update the rows that are in their place";
        Some(StepFinding::new(ProblemKind::ValuesChanged, what, remedy).by(self.by.clone()))
    }
}
