//! [`Tables`]: what the ledger asks a server.

use crate::fault::Fault;
use crate::sql::act::ObjectName;

/// The number of keys of lost rows that are shown.
pub(in crate::backend) const SHOWN_KEYS: usize = 5;

/// What the ledger asks a server.
pub(in crate::backend) trait Tables {
    /// The schema that a new table without one is in.
    fn current_schema(&mut self) -> Result<Option<String>, Fault>;

    /// The first of these schemas that has a table, or of those that the session searches if none are given. `None` if each name without a
    /// schema is in the current one.
    fn schema_of(&mut self, _table: &ObjectName, _path: Option<&[String]>) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// The number of rows of a table; `None` if there is no such table, or if it may not be read.
    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault>;

    /// The same for a table that is about to be dropped.
    ///
    /// # Errors
    /// The server may hide some of its rows.
    fn rows_to_lose(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        self.rows(table)
    }

    /// Some keys of rows of the first table that the second one lacks, as [`key`] words them; none if the second table lacks a column of
    /// the key.
    fn missing(&mut self, tables: [&ObjectName; 2]) -> Result<Vec<String>, Fault>;
}

/// A key in words: `id = 2`. A long value is cut.
pub(in crate::backend) fn key(columns: &[String], value: impl Fn(usize) -> Option<String>) -> String {
    let pair = |(place, column): (usize, &String)| {
        let value = value(place).unwrap_or_default();
        let short: String = value.chars().take(60).collect();
        let more = if short.len() < value.len() { "..." } else { "" };
        format!("{column} = {short}{more}")
    };
    columns.iter().enumerate().map(pair).collect::<Vec<_>>().join(", ")
}
