//! What a step does, in words.

use std::fmt;

use super::{ColumnImpact, RowCounts, StepImpact, TableImpact};
use crate::account::Fate;
use crate::printable::Printable;
use crate::schema::SchemaChange;
use crate::snapshot::Bytes;

impl fmt::Display for StepImpact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.ids.iter().map(|id| Printable(id.as_str()).to_string()).collect();
        write!(f, "  {:4} {} ({:.1} ms", self.direction, ids.join(" + "), self.duration.as_secs_f64() * 1e3)?;
        match self.growth {
            0 => f.write_str(")")?,
            1.. => write!(f, ", +{})", Bytes(self.growth.unsigned_abs()))?,
            _ => write!(f, ", -{})", Bytes(self.growth.unsigned_abs()))?,
        }
        for table in &self.tables {
            write!(f, "\n    {table}")?;
        }
        let is_told = |kind: &str, name: &str| {
            let is_it = |table: &&TableImpact| table.table == name && table.fate != Fate::Kept;
            kind == "table" && self.tables.iter().any(|table| is_it(&table))
        };
        for change in self.schema.iter().filter(|change| !is_told(&change.kind, &change.name)) {
            let verb = match (&change.before, &change.after) {
                (None, _) => "creates",
                (_, None) => "drops",
                _ => "changes",
            };
            write!(f, "\n    {verb} the {} `{}`", change.kind, Printable(&change.name))?;
        }
        if f.alternate() {
            let diffs = self.schema.iter().map(SchemaChange::diff);
            for line in diffs.flat_map(|diff| diff.lines().map(str::to_owned).collect::<Vec<_>>()) {
                write!(f, "\n      {}", Printable(&line))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for TableImpact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows_before: before, rows_after: after, .. } = self;
        let table = Printable(&self.table);
        let of = |rows: Option<u64>| rows.map_or("an unknown number of rows".to_owned(), in_words);
        match self.fate {
            Fate::Created => write!(f, "creates `{table}` with {}", of(*after))?,
            Fate::Dropped => write!(f, "drops `{table}` with {}", of(*before))?,
            fate => {
                if fate == Fate::Replaced {
                    f.write_str("replaces ")?;
                }
                write!(f, "`{table}`")?;
                self.renamed_to
                    .iter()
                    .try_for_each(|name| write!(f, ", renamed to `{}`", Printable(name)))?;
                write!(f, ": {}", Rows(self.rows()))?;
                if let (Some(before), Some(after)) = (before, after) {
                    write!(f, "; {before} before, {after} after")?;
                }
            }
        }
        if !self.by_side_effects.is_zero() {
            let others = Rows(self.by_side_effects);
            let by = match self.fate {
                Fate::Replaced => "by the rebuild, triggers or foreign key actions",
                _ => "by triggers, foreign key actions or REPLACE",
            };
            write!(f, "\n      of these, {others} {by}")?;
        }
        self.columns.iter().try_for_each(|column| write!(f, "\n      {column}"))
    }
}

impl fmt::Display for ColumnImpact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(values) = self.dropped {
            parts.push(format!("dropped with {}", counted(values, "value", "values")));
        }
        if self.became_null > 0 {
            parts.push(format!("{} NULL", counted(self.became_null, "value becomes", "values become")));
        }
        if self.changed_type > 0 {
            let change = counted(self.changed_type, "value changes its", "values change their");
            parts.push(format!("{change} type"));
        }
        write!(f, "column `{}`: {}", Printable(&self.column), parts.join(", "))
    }
}

/// "2 rows deleted, 1 updated", or that no rows are changed.
pub(crate) struct Rows(pub(crate) RowCounts);

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RowCounts { inserted, updated, deleted } = self.0;
        let parts = [(deleted, "deleted"), (updated, "updated"), (inserted, "inserted")];
        let mut parts = parts.into_iter().filter(|(rows, _)| *rows > 0);
        let Some((rows, what)) = parts.next() else { return f.write_str("no rows changed") };
        write!(f, "{} {what}", in_words(rows))?;
        parts.try_for_each(|(rows, what)| write!(f, ", {rows} {what}"))
    }
}

/// `1 row`, `2 rows`
fn in_words(rows: u64) -> String {
    counted(rows, "row", "rows")
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
