//! [`Wanted`]: the rows that each table gets.

/// The rows that each table gets.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// How many.
    pub rows: usize,
    /// Whether rows may repeat the values of others.
    pub values: Values,
}

/// Whether several rows have the same value in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One row of four repeats the value of another one.
    Repeated,
    /// No row does. The last column of a unique index keeps the rows apart.
    Distinct,
}
