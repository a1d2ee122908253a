//! The tables that a script replaces.

use crate::backend::mysql::query::text;
use crate::backend::server_ledger::{SHOWN_KEYS, Tables, key};
use crate::backend::statements::{Statements, column, number, says, value};
use crate::dialect::quote_in;
use crate::fault::Fault;
use crate::sql::act::ObjectName;

/// The tables of a session.
pub(super) fn of<S: Statements>(session: &mut S) -> Box<dyn Tables + '_> {
    Box::new(Session(session))
}

struct Session<'s, S>(&'s mut S);

/// What the server says of a table that is not there, is not locked while others are, or may not be read.
const UNREADABLE: [&str; 4] =
    ["doesn't exist", "was not locked", "command denied", "references invalid table"];

impl<S: Statements> Tables for Session<'_, S> {
    fn current_schema(&mut self) -> Result<Option<String>, Fault> {
        value(self.0, "SELECT DATABASE() AS c0")
    }

    fn rows(&mut self, table: &ObjectName) -> Result<Option<u64>, Fault> {
        match number(self.0, &format!("SELECT CAST(COUNT(*) AS CHAR) AS c0 FROM {}", table.quoted_in('`'))) {
            Err(fault) if UNREADABLE.iter().any(|words| says(&fault, words)) => Ok(None),
            counted => counted.map(Some),
        }
    }

    fn missing(&mut self, [old, new]: [&ObjectName; 2]) -> Result<Vec<String>, Fault> {
        let schema = old.schema.as_deref().map_or("DATABASE()".to_owned(), |schema| text(Some(schema)));
        let sql = format!(
            "SELECT COLUMN_NAME AS c0 FROM information_schema.COLUMNS
            WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {} AND COLUMN_KEY = 'PRI' ORDER BY ORDINAL_POSITION",
            text(Some(&old.name))
        );
        let columns = column(self.0, &sql)?;
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let [old, new] = [old, new].map(|table| table.quoted_in('`'));
        let named = |table: &str, column: &str| format!("{table}.{}", quote_in(column, '`'));
        let texts = (0..).zip(&columns).map(|(number, column)| {
            format!(
                "CONVERT(CAST({} AS CHAR) USING utf8mb4) COLLATE utf8mb4_general_ci AS c{number}",
                named("o", column)
            )
        });
        let same = columns.iter().map(|column| format!("{} = {}", named("n", column), named("o", column)));
        let sql = format!(
            "SELECT {} FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {new} n WHERE {}) LIMIT {SHOWN_KEYS}",
            texts.collect::<Vec<_>>().join(", "),
            same.collect::<Vec<_>>().join(" AND ")
        );
        // An example is not worth an error.
        let rows = self.0.rows(&sql).unwrap_or_default();
        Ok(rows.iter().map(|row| key(&columns, |place| row.get(place).cloned().flatten())).collect())
    }
}
