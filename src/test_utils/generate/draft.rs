//! [`Draft`]: a row that is being made.

use rusqlite::types::Value;

use super::cell::Cell;
use super::table::Reference;

/// Columns whose values are given.
pub(super) type Preset = Vec<(usize, Value)>;

/// A row that is being made: the columns of foreign keys and of keys that are already referenced become fixed one after the other.
pub(super) struct Draft {
    /// What is not there is left out of the `INSERT`.
    values: Vec<Option<Value>>,
    is_fixed: Vec<bool>,
}

impl Draft {
    pub(super) fn new(cells: &[Cell], preset: &[(usize, Value)]) -> Self {
        let value = |cell: &Cell| match cell {
            Cell::Null => Some(Value::Null),
            Cell::Default | Cell::Parent(_) => None,
            Cell::Value(value) => Some(value.clone()),
        };
        let values: Vec<Option<Value>> = cells.iter().map(value).collect();
        let mut draft = Self { is_fixed: vec![false; values.len()], values };
        for (column, value) in preset {
            draft.fix(*column, value.clone());
        }
        draft
    }

    pub(super) fn fix(&mut self, column: usize, value: Value) {
        self.values[column] = Some(value);
        self.is_fixed[column] = true;
    }

    pub(super) fn is_fixed(&self, column: usize) -> bool {
        self.is_fixed[column]
    }

    /// The value of a column, if it has one.
    pub(super) fn value(&self, column: usize) -> Option<&Value> {
        self.values[column].as_ref().filter(|value| **value != Value::Null)
    }

    /// Whether a key of the parent has the values that are fixed.
    pub(super) fn fits(&self, reference: &Reference, key: &[Value]) -> bool {
        let mut parts = reference.pairs.iter().zip(key);
        parts
            .all(|((column, _), part)| !self.is_fixed[*column] || self.values[*column].as_ref() == Some(part))
    }

    pub(super) fn into_values(self) -> Vec<Option<Value>> {
        self.values
    }
}
