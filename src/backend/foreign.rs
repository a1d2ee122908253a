//! Reading tables of other tools, each value as text.

use crate::fault::Fault;
use crate::foreign::{Cell, ForeignTable};
use crate::sql::same_name;

/// How the values of a column are read.
pub(super) trait Form {
    /// The expression that returns the value of a column as text.
    fn read(&self, column: &str) -> String;

    /// The cell for that text.
    fn cell(&self, text: String) -> Cell;
}

/// Reads a table with these columns. `fetch` runs the query for its rows.
pub(super) fn table<F: Form>(
    columns: Vec<(String, F)>,
    wanted: &[&str],
    name: &str,
    fetch: impl FnOnce(&str) -> Result<Vec<Vec<Option<String>>>, Fault>,
) -> Result<ForeignTable, Fault> {
    let found = |wanted: &&str| columns.iter().find(|(name, _)| same_name(name, wanted));
    let forms: Vec<Option<&(String, F)>> = wanted.iter().map(found).collect();
    let mut rows = Vec::new();
    if !wanted.is_empty() {
        let list: Vec<String> =
            forms.iter().map(|form| form.map_or("NULL".to_owned(), |(name, form)| form.read(name))).collect();
        let most = ForeignTable::MOST_ROWS + 1;
        let cell = |(text, form): (Option<String>, Option<&(String, F)>)| match (text, form) {
            (Some(text), Some((_, form))) => form.cell(text),
            _ => Cell::Null,
        };
        for row in fetch(&format!("SELECT {} FROM {name} LIMIT {most}", list.join(", ")))? {
            rows.push(row.into_iter().zip(forms.iter().copied()).map(cell).collect());
        }
    }
    Ok(ForeignTable::new(columns.into_iter().map(|(name, _)| name).collect(), rows))
}

/// The bytes of a text in hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}
