//! [`Touched`]: the tables that a step wrote to or changed.

use crate::sql::folded;
use std::collections::{BTreeMap, BTreeSet};

/// The tables that a step wrote to or changed. They must be checked after the step; all other tables are unchanged.
///
/// Names are kept in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    tables: BTreeMap<String, Touch>,
    redefined: BTreeSet<String>,
    is_anything: bool,
    /// Whether any definition may have changed.
    redefines_anything: bool,
}

/// What a step did to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Touch {
    /// It added rows.
    Filled,
    /// It changed or deleted rows, or it created, changed, renamed or dropped the table.
    Changed,
    /// It dropped the table, and another one may now have its name.
    Replaced,
}

impl Touched {
    /// No table was touched.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Any table may have been touched. This is the result of running code.
    pub fn anything() -> Self {
        Self { is_anything: true, redefines_anything: true, ..Self::default() }
    }

    /// Records what was done to a table.
    pub fn touch(&mut self, table: &str, touch: Touch) {
        let known = self.tables.entry(folded(table)).or_insert(touch);
        *known = touch.max(*known);
    }

    /// Records that the step created, changed, renamed or dropped this view or trigger, or changed, renamed or dropped this table, so that
    /// what refers to it must be read again.
    pub fn redefine(&mut self, name: &str) {
        self.redefined.insert(folded(name));
    }

    /// Records that any table may have been touched.
    pub fn touch_anything(&mut self) {
        (self.is_anything, self.redefines_anything) = (true, true);
    }

    /// Records that rows of any table may have been touched, and no definition was.
    pub fn touch_any_rows(&mut self) {
        self.is_anything = true;
    }

    /// Whether the definition of a table, view or trigger may have changed.
    pub fn may_redefine(&self, name: &str) -> bool {
        self.redefines_anything || self.redefined.contains(&folded(name))
    }

    /// Whether any definition may have changed.
    pub fn redefines_anything(&self) -> bool {
        self.redefines_anything
    }

    /// Adds what another step touched.
    pub fn extend(&mut self, other: Self) {
        self.is_anything |= other.is_anything;
        self.redefines_anything |= other.redefines_anything;
        self.redefined.extend(other.redefined);
        for (table, touch) in other.tables {
            self.touch(&table, touch);
        }
    }

    /// Whether a table may have been touched.
    pub fn may_have(&self, table: &str) -> bool {
        self.is_anything || self.tables.contains_key(&folded(table))
    }

    /// Whether no table was touched.
    pub fn is_nothing(&self) -> bool {
        self.tables.is_empty() && self.redefined.is_empty() && !self.is_anything
    }

    /// Whether any table may have been touched.
    pub fn is_anything(&self) -> bool {
        self.is_anything
    }

    /// The tables, views and triggers whose definition changed, in lower case. If any table may have been touched, the list is incomplete.
    pub fn redefined(&self) -> impl Iterator<Item = &str> {
        self.redefined.iter().map(String::as_str)
    }

    /// The tables, in lower case and sorted by name. If any table may have been touched, the list is incomplete.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Touch)> {
        self.tables.iter().map(|(table, touch)| (table.as_str(), *touch))
    }
}
