//! What a database holds that is not the engine's: the table of another tool, the definitions of a schema; and what can be
//! objected to believing the former.

/// A value in a table that is not the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing.
    Null,
    /// A whole number, or a truth value as 0 or 1.
    Number(i64),
    /// A text, or what the database has no better form for. A moment in time is in UTC where the database knows its zone.
    Text(String),
    /// Bytes, and texts that are not UTF-8.
    Bytes(Vec<u8>),
}

/// A table that is not the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignTable {
    /// The names of all its columns, in their order.
    pub columns: Vec<String>,
    /// Its rows, each with a value for each column that was asked for.
    pub rows: Vec<Vec<Cell>>,
}

impl ForeignTable {
    /// So many rows are read and no more: no history is so long.
    pub const MOST_ROWS: usize = 20_000;

    /// What a table holds.
    pub fn new(columns: Vec<String>, rows: Vec<Vec<Cell>>) -> Self {
        Self { columns, rows }
    }

    /// Whether it has a column, in any case.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.eq_ignore_ascii_case(name))
    }
}

/// Something in a schema, as two databases can be compared by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Definition {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its text, without what does not matter: comments, white space, the case of words and the quotes of names.
    pub text: String,
}

impl Definition {
    /// Something of a kind, by name and text.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), text: text.into() }
    }
}
