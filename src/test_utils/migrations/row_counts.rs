//! [`RowCounts`]: how many rows each table has.

use rusqlite::Connection;

use crate::dialect::quote;

use super::trial::{Outcome, Trial};

/// How many rows each table has, except those for which the test answers itself.
pub(super) struct RowCounts(Vec<(String, i64)>);

impl RowCounts {
    pub(super) fn read(trial: &Trial, conn: &Connection) -> Outcome<Self> {
        let schema = trial.schema(conn)?;
        let tables =
            schema.definitions().iter().filter(|it| it.kind == "table" && !trial.is_exempt(&it.name));
        let count = |name: &String| {
            let sql = format!("SELECT count(*) FROM main.{}", quote(name));
            // A virtual table whose module is missing cannot be read, and no migration can change its rows.
            conn.query_row(&sql, [], |row| row.get(0)).ok().map(|count| (name.clone(), count))
        };
        Ok(Self(tables.filter_map(|table| count(&table.name)).collect()))
    }

    fn of(&self, table: &str) -> Option<i64> {
        self.0.iter().find(|(name, _)| name == table).map(|(_, count)| *count)
    }

    /// The tables from which the way back took rows: rows that were there before the way up (`self`), and still there `above`.
    pub(super) fn losses(&self, above: &Self, below: &Self, step: &str) -> Option<String> {
        let loss = |(table, before): &(String, i64)| {
            let (above, below) = (above.of(table)?, below.of(table)?);
            let is_lost = below < above.min(*before);
            let had = if above == *before {
                format!("had {before} rows before {step} and before undoing it")
            } else {
                format!("had {before} rows before {step} and {above} before undoing it")
            };
            is_lost.then(|| format!("  `{table}` {had}, and has {below} now"))
        };
        let losses: Vec<String> = self.0.iter().filter_map(loss).collect();
        (!losses.is_empty()).then(|| losses.join("\n"))
    }
}
