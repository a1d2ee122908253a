//! [`RowCounts`]: how many rows each table has.

use crate::backend::TestDriver;
use crate::schema::Schema;

/// How many rows each table has.
pub(super) struct RowCounts(Vec<(String, u64)>);

impl RowCounts {
    /// Counts the rows of the tables of a schema that `is_meant` accepts.
    pub(super) fn read<B: TestDriver>(
        conn: &mut B::Conn<'_>,
        schema: &Schema,
        is_meant: impl Fn(&str) -> bool,
    ) -> Self {
        let tables = schema.definitions().iter().filter(|it| it.kind == "table" && is_meant(&it.name));
        let counted = tables.filter_map(|table| Some((table.name.clone(), B::count(conn, &table.name)?)));
        Self(counted.collect())
    }

    fn of(&self, table: &str) -> Option<u64> {
        self.0.iter().find(|(name, _)| name == table).map(|(_, count)| *count)
    }

    /// The tables that have lost rows because a step was undone. `self` was counted before the step was applied, `above` before it was
    /// undone, and `below` after it was undone.
    pub(super) fn losses(&self, above: &Self, below: &Self, step: &str) -> Option<String> {
        let loss = |(table, before): &(String, u64)| {
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
