//! [`StepImpact`]: what a step does to a database, measured by running it on a copy.

use std::time::Duration;

use crate::account::{Account, Fate};
use crate::direction::Direction;
use crate::id::MigrationId;
use crate::schema::SchemaChange;
use crate::sql::same_name;

mod display;
#[cfg(feature = "serde")]
pub(crate) mod serialize;

pub(crate) use display::Rows;

/// What a step does, or several steps that are one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StepImpact {
    /// The ids of the migrations: one, or those that are committed together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::texts"))]
    pub ids: Vec<MigrationId>,
    /// The direction.
    #[cfg_attr(feature = "serde", serde(serialize_with = "serialize::text"))]
    pub direction: Direction,
    /// How long the step took on the copy, with its commit.
    #[cfg_attr(feature = "serde", serde(rename = "duration_ms", serialize_with = "serialize::milliseconds"))]
    pub duration: Duration,
    /// The tables whose rows or columns it changes, by name.
    pub tables: Vec<TableImpact>,
    /// What it creates, drops and changes in the schema.
    pub schema: Vec<SchemaChange>,
    /// What its script says that it does ([`Report`](crate::Report) has the same after a run).
    #[cfg_attr(feature = "serde", serde(skip))]
    pub account: Account,
    /// By how many bytes the database grows; negative if it shrinks.
    pub growth: i64,
}

/// What a step does to the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TableImpact {
    /// The name of the table before the step; of a new table, after it.
    pub table: String,
    /// What becomes of the table.
    pub fate: Fate,
    /// Its new name, if it was there before and is renamed.
    pub renamed_to: Option<String>,
    /// The number of rows before the step; `None` for a new table, and for one that cannot be counted.
    pub rows_before: Option<u64>,
    /// The number of rows after the step; `None` for a table that is dropped, and for one that cannot be counted.
    pub rows_after: Option<u64>,
    /// The rows that statements of the script write which name the table. Everything that code does counts as this, and so does what a
    /// rebuild keeps or adds.
    pub by_statements: RowCounts,
    /// The rows that triggers, foreign key actions and `REPLACE` write, and those that a rebuild leaves out.
    pub by_side_effects: RowCounts,
    /// The columns with values that are gone or different, in table order.
    pub columns: Vec<ColumnImpact>,
}

/// Numbers of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RowCounts {
    /// Rows that are inserted.
    pub inserted: u64,
    /// Rows that are changed.
    pub updated: u64,
    /// Rows that are deleted.
    pub deleted: u64,
}

impl RowCounts {
    /// These numbers of rows.
    pub fn new(inserted: u64, updated: u64, deleted: u64) -> Self {
        Self { inserted, updated, deleted }
    }

    /// Whether no row is written.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.deleted += other.deleted;
    }
}

/// What a step does to the values of a column, in rows that are there before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ColumnImpact {
    /// The name of the column before the step.
    pub column: String,
    /// The number of values that become `NULL`.
    pub became_null: u64,
    /// The number of values whose storage class changes, for example from text to integer.
    pub changed_type: u64,
    /// The number of values, not counting `NULL`, that go with the column; `None` if the column stays.
    pub dropped: Option<u64>,
}

impl ColumnImpact {
    /// A column that keeps its values.
    pub fn new(column: impl Into<String>) -> Self {
        Self { column: column.into(), became_null: 0, changed_type: 0, dropped: None }
    }

    /// Whether all values are as before.
    pub fn is_unchanged(&self) -> bool {
        self.became_null == 0 && self.changed_type == 0 && self.dropped.is_none()
    }
}

impl TableImpact {
    /// A table of which nothing was measured yet.
    pub fn new(table: impl Into<String>, fate: Fate) -> Self {
        Self {
            table: table.into(),
            fate,
            renamed_to: None,
            rows_before: None,
            rows_after: None,
            by_statements: RowCounts::default(),
            by_side_effects: RowCounts::default(),
            columns: Vec::new(),
        }
    }

    /// All rows that the step writes, whatever wrote them.
    pub fn rows(&self) -> RowCounts {
        let mut all = self.by_statements;
        all.add(self.by_side_effects);
        all
    }

    /// Its name after the step.
    pub(crate) fn name_after(&self) -> &str {
        self.renamed_to.as_deref().unwrap_or(&self.table)
    }

    /// Adds what a later step does to the same table.
    pub(crate) fn extend(&mut self, later: &Self) {
        if (self.fate, later.fate) == (Fate::Dropped, Fate::Created) {
            // No statement deletes the rows that a table has when it is dropped.
            let RowCounts { inserted, deleted, .. } = self.rows();
            let left = (self.rows_before.unwrap_or_default() + inserted).saturating_sub(deleted);
            self.by_side_effects.deleted += left;
        }
        self.fate = match (self.fate, later.fate) {
            (Fate::Created, Fate::Kept | Fate::Replaced) => Fate::Created,
            (Fate::Replaced, Fate::Kept) | (Fate::Dropped, Fate::Created) => Fate::Replaced,
            (_, fate) => fate,
        };
        self.renamed_to = later.renamed_to.clone().or_else(|| self.renamed_to.take());
        self.rows_after = later.rows_after;
        self.by_statements.add(later.by_statements);
        self.by_side_effects.add(later.by_side_effects);
        for column in &later.columns {
            match self.columns.iter_mut().find(|known| same_name(&known.column, &column.column)) {
                Some(known) => {
                    known.became_null += column.became_null;
                    known.changed_type += column.changed_type;
                    known.dropped = known.dropped.or(column.dropped);
                }
                None => self.columns.push(column.clone()),
            }
        }
    }
}

/// Shows whether a database was written to: two states of the same connection are equal only if nobody changed anything in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataState(Vec<u64>);

impl DataState {
    /// A state that these numbers identify.
    pub fn new(numbers: Vec<u64>) -> Self {
        Self(numbers)
    }
}

/// What a backend measures after a step on the copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// The tables whose rows or columns the step changed.
    pub tables: Vec<TableImpact>,
    /// What it changed in the schema.
    pub schema: Vec<SchemaChange>,
    /// The size of the copy after the step, in bytes.
    pub bytes: u64,
}
