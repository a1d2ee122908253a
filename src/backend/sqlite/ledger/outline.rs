//! [`Outline`]: which values a dropped table had, for a table that takes its name later and gets the rows back from a copy.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::definition::Definition;
use crate::backend::sqlite::fault::known;
use crate::dialect::quote;
use crate::sql::same_name;

/// The number of characters or bytes of a value that are kept.
const SHORT: u32 = 200;

/// The values that a table had when it was dropped.
#[derive(Debug, Clone)]
pub(super) struct Outline(Vec<Values>);

/// The number of values of a column, and the least and the greatest one.
#[derive(Debug, Clone)]
pub(super) struct Values {
    column: String,
    pub(super) count: u64,
    pub(super) ends: [Value; 2],
}

impl Outline {
    /// Reads a table once. `None` if it cannot be read, for example without a collation of the application.
    pub(super) fn of(
        conn: &Connection,
        table: &str,
        definition: &Definition,
    ) -> rusqlite::Result<Option<Self>> {
        let columns = definition.names();
        // The beginning of a long value is enough.
        let results = |name: &String| {
            let name = quote(name);
            let short = format!(
                "CASE WHEN typeof({name}) IN ('text', 'blob') THEN substr({name}, 1, {SHORT}) ELSE {name} END"
            );
            format!("count({name}), min({short}), max({short})")
        };
        let results: Vec<String> = columns.iter().map(results).collect();
        let sql = format!("SELECT {} FROM main.{}", results.join(", "), quote(table));
        let read = conn.query_row(&sql, [], |row| {
            let values = |(place, column): (usize, &String)| {
                Ok(Values {
                    column: column.clone(),
                    count: row.get::<_, i64>(3 * place)?.unsigned_abs(),
                    ends: [row.get(3 * place + 1)?, row.get(3 * place + 2)?],
                })
            };
            columns.iter().enumerate().map(values).collect()
        });
        Ok(known(read)?.map(Self))
    }

    pub(super) fn of_column(&self, name: &str) -> Option<&Values> {
        self.0.iter().find(|values| same_name(&values.column, name))
    }
}
