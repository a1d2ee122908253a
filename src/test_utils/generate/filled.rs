//! [`Filled`]: what rows were inserted.

use std::fmt::{self, Write};

use crate::printable::Escaped;

/// What [`fill`](super::fill) inserted. Its Display has one line for each table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filled {
    /// One for each table, by name.
    pub tables: Vec<FilledTable>,
}

/// What [`fill`](super::fill) inserted into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilledTable {
    /// The name of the table.
    pub table: String,
    /// How many rows were inserted.
    pub rows: usize,
    /// How many rows were wanted.
    pub wanted: usize,
    /// Why fewer rows were inserted than wanted: the error of the last row that SQLite refused. `None` if all were inserted.
    pub problem: Option<String>,
    /// Whether the table has no rows, new or old.
    pub is_empty: bool,
    /// The columns that are NULL in every row. Either a `CHECK` refused every value that was tried, or there was no row to reference.
    pub null_columns: Vec<String>,
}

impl Filled {
    /// Asserts that all rows were inserted.
    ///
    /// # Panics
    /// If a row was not inserted. The message has each such table and the reason.
    #[track_caller]
    pub fn assert_complete(&self) {
        let incomplete: Vec<String> =
            self.tables.iter().filter(|it| it.problem.is_some()).map(ToString::to_string).collect();
        assert!(incomplete.is_empty(), "rows are missing:\n{}", incomplete.join("\n"));
    }
}

impl fmt::Display for Filled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.tables.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for FilledTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, wanted, problem, null_columns, .. } = self;
        let f = &mut Escaped(f);
        match problem {
            Some(problem) => write!(f, "`{table}`: {rows} of {wanted} rows: {problem}")?,
            None => write!(f, "`{table}`: {rows} rows")?,
        }
        null_columns.iter().try_for_each(|column| write!(f, "; `{column}` is always NULL"))
    }
}
