//! [`Table`]: a table that a script concerns.

use rusqlite::Connection;

use super::ask::count;
use super::converted::Conversion;
use super::definition::Definition;
use super::outline::Outline;
use super::successor::Comparison;
use crate::account::{Fate, StatementPlace, TableChange};
use crate::sql::folded;

/// A table that a script concerns.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "the flags are independent")]
pub(super) struct Table {
    pub(super) change: TableChange,
    pub(super) is_new: bool,
    /// Whether it is a virtual table that was dropped.
    pub(super) is_virtual: bool,
    /// Its current name in lower case; `None` if it was dropped.
    pub(super) current: Option<String>,
    /// Its name in lower case when it was dropped.
    pub(super) last: String,
    /// What belonged to it when it was dropped, if another table takes its name.
    pub(super) definition: Option<Definition>,
    /// The table that was to take its name when it was dropped, compared with it.
    pub(super) comparison: Option<Comparison>,
    /// The values that it had when it was dropped, if the table that takes its name did not exist.
    pub(super) outline: Option<Outline>,
    /// Whether the table that took its name goes on with its `AUTOINCREMENT`.
    pub(super) is_continued: bool,
    /// Whether statements of an earlier run deleted rows of it, an unknown number.
    pub(super) has_unknown_deletions: bool,
    /// Whether the triggers of a view deleted rows of it, for a statement that names the view.
    pub(super) is_behind_view: bool,
    /// Whether a plain `INSERT` may replace rows.
    pub(super) may_replace: bool,
    /// The number of rows at present, if it is known.
    pub(super) rows: Option<u64>,
    /// The number of statements that wrote to it.
    pub(super) writes: u32,
    /// For a new table: the statements that filled it from other tables, with the number of rows if it is known.
    pub(super) copies: Vec<(Option<u64>, String)>,
    /// What those statements did to values.
    pub(super) converted: Vec<Conversion>,
    /// The number of rows that statements wrote into it without reading another table.
    pub(super) written: u64,
    /// How many rows the last statement that deleted all rows took, and where it is.
    pub(super) emptied: Option<(u64, StatementPlace)>,
    /// How many rows were copied into it since then.
    pub(super) refilled: u64,
    /// Rows that were taken, and rows that were inserted after the first ones were taken.
    pub(super) taken: u64,
    pub(super) put_back: u64,
    /// How often it was counted after rows were taken.
    pub(super) looks: u32,
    pub(super) must_look: bool,
    /// The statement that took the first rows, or dropped it.
    pub(super) by: Option<StatementPlace>,
}

impl Table {
    pub(super) fn new(name: &str, fate: Fate) -> Self {
        let key = folded(name);
        Self {
            change: TableChange::new(name, fate),
            is_new: fate == Fate::Created,
            is_virtual: false,
            current: Some(key.clone()),
            last: key,
            definition: None,
            comparison: None,
            outline: None,
            is_continued: false,
            has_unknown_deletions: false,
            is_behind_view: false,
            may_replace: false,
            rows: None,
            writes: 0,
            copies: Vec::new(),
            written: 0,
            converted: Vec::new(),
            emptied: None,
            refilled: 0,
            taken: 0,
            put_back: 0,
            looks: 0,
            must_look: false,
            by: None,
        }
    }

    /// The number of its rows now; `None` if it was dropped or cannot be counted.
    pub(super) fn count(&self, conn: &Connection) -> rusqlite::Result<Option<u64>> {
        self.current.as_deref().map_or(Ok(None), |name| count(conn, name))
    }

    /// The rows that are gone, besides those that statements on it deleted and those that were taken.
    pub(super) fn gone_unseen(&self) -> u64 {
        let (Some(before), Some(now)) = (self.change.rows_before, self.rows) else { return 0 };
        (before + self.change.inserted).saturating_sub(self.change.deleted + self.taken).saturating_sub(now)
    }
}
