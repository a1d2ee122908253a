//! The table of another tool.

use crate::sql::same_name;

/// A value in a table of another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// SQL `NULL`.
    Null,
    /// An integer, or a boolean as 0 or 1.
    Number(i64),
    /// A text, or a value of another type as text. A timestamp is in UTC if the database knows its time zone.
    Text(String),
    /// Bytes, or a text that is not UTF-8.
    Bytes(Vec<u8>),
}

/// A table of another tool, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignTable {
    /// The names of all columns, in table order.
    pub columns: Vec<String>,
    /// The rows, each with a value for each requested column.
    pub rows: Vec<Vec<Cell>>,
}

impl ForeignTable {
    /// The maximum number of rows in a history. A table with more rows is not a history.
    pub const MOST_ROWS: usize = 20_000;

    /// A table with these columns and rows.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Cell>>) -> Self {
        Self { columns, rows }
    }

    /// Whether the table has a column, ignoring ASCII case.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| same_name(column, name))
    }
}
