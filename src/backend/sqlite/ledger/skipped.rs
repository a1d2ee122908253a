//! Rows that `INSERT OR IGNORE` or `ON CONFLICT DO NOTHING` left out of a copy, before the table that they come from is dropped.

use rusqlite::Connection;

use super::act::TableDrops;
use super::copied::whole_query;
use super::place::Place;
use super::replacing::{KeyColumn, has_key, keys_in};
use crate::account::{Fate, RowCount, StatementPlace, StepFinding, TableChange};
use crate::backend::sqlite::columns;
use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::functions::{has_only_own, reads_time};
use crate::backend::sqlite::query::value;
use crate::dialect::quote;
use crate::problem::ProblemKind;
use crate::sql::{has_word, mentions, same_name};

/// The rows that a statement offers to a table.
pub(super) struct Offered {
    columns: Vec<String>,
    /// The unique keys whose columns are all among these.
    keys: Vec<Vec<KeyColumn>>,
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
    /// What a copy is about to offer, if it may leave out rows of a table that the script drops.
    pub(super) fn of(
        conn: &Connection,
        own: &str,
        table: &str,
        drops: &TableDrops,
    ) -> rusqlite::Result<Option<Self>> {
        if !has_word(own, &["ignore", "nothing"]) || has_word(own, &["limit"]) {
            return Ok(None);
        }
        let Some((listed, query)) = whole_query(own) else { return Ok(None) };
        if !drops.are_named_in(&query) || !has_only_own(&query) || reads_time(&query) {
            return Ok(None);
        }
        let columns = if listed.is_empty() { columns::of(conn, "main", table)? } else { listed };
        let keys = keys_in(conn, table, &columns)?;
        if keys.is_empty() {
            return Ok(None);
        }
        let rows: Option<i64> = known(value(conn, &format!("SELECT count(*) FROM ({query})"), &[]))?;
        Ok(rows.map(|rows| Self { columns, keys, query, rows: rows.unsigned_abs() }))
    }

    /// The rows that the table does not have after the statement added some to it. One that it had already is not left out. Each is looked up by
    /// its keys.
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
        let names: Vec<String> = self.columns.iter().map(|column| quote(column)).collect();
        let is_same = names.iter().map(|name| format!("(t.{name} IS +o.{name}) <> 0"));
        let is_same = is_same.collect::<Vec<_>>().join(" AND ");
        // With one query for each key, SQLite uses the index of each.
        let is_missing = self.keys.iter().map(|key| {
            let is_key = has_key(key, "t", "IS", "o");
            format!("NOT EXISTS (SELECT 1 FROM main.{} AS t WHERE {is_key} AND {is_same})", quote(table))
        });
        let sql = format!(
            "WITH \"offered rows\" ({}) AS ({}) SELECT count(*) FROM (SELECT DISTINCT * FROM \"offered rows\") AS o WHERE {}",
            names.join(", "),
            self.query,
            is_missing.collect::<Vec<_>>().join(" AND ")
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
        // Into the table that replaces it, or into another one while it is dropped for good.
        let is_there = |table: &TableChange| {
            matches!(table.fate, Fate::Kept | Fate::Created) && same_name(&table.table, &self.into)
        };
        let stays = tables.iter().any(is_there);
        let is_gone = |table: &&TableChange| {
            (table.fate == Fate::Dropped || table.fate == Fate::Replaced && !stays)
                && table.lost == 0
                && mentions(&self.query, &table.table)
        };
        let gone = tables.iter().find(is_gone)?;
        let rows = RowCount(self.rows);
        let what =
            format!("drops `{}`, although the copy into `{}` left out {rows} of it", gone.table, self.into);
        let remedy = "copy these rows under another key, or update the rows that are in their place";
        Some(StepFinding::new(ProblemKind::ValuesChanged, what, remedy).by(self.by.clone()))
    }
}
