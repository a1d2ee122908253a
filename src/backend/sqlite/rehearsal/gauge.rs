//! [`Gauge`]: measures what a step did, by comparing the copy with the rows of before the step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::comparison::{Comparison, Key, columns, compare, renew};
use super::written::{Counts, Written};
use crate::account::{Account, Fate, TableChange};
use crate::backend::sqlite::fault;
use crate::backend::sqlite::ledger::count;
use crate::backend::sqlite::query::{size, texts};
use crate::backend::sqlite::schema::schema;
use crate::backend::{RanSteps, Source};
use crate::cancel;
use crate::dialect::quote;
use crate::fault::Fault;
use crate::impact::{ColumnImpact, Measured, RowCounts, TableImpact};
use crate::schema::{Definition, Schema, SchemaChange};
use crate::sql::{folded, same_name};

/// Measures the steps on a copy, one after the other.
pub(super) struct Gauge<'w> {
    /// The rows as they were before the step.
    before: Connection,
    /// The rows of virtual tables, whose data is in other tables.
    counted: BTreeMap<String, u64>,
    schema: Schema,
    written: &'w Arc<Mutex<Written>>,
    /// The tables of the engine.
    without: Vec<&'w str>,
}

/// What is known after the steps.
#[derive(Clone, Copy)]
struct AfterStep<'a> {
    account: &'a Account,
    schema: &'a Schema,
    /// What is different in the schema.
    changes: &'a [SchemaChange],
    written: &'a Written,
    source: Source,
}

/// How the rows of a table are compared.
#[derive(Debug, Clone, Copy)]
enum Method {
    /// By the rows that SQLite reports as written, since nothing was undone and the table is the same.
    Reported(Counts),
    /// By the rows before and after, whatever happened in between.
    Net,
}

impl<'w> Gauge<'w> {
    pub(super) fn new(
        copy: &Connection,
        before: Connection,
        written: &'w Arc<Mutex<Written>>,
        without: Vec<&'w str>,
    ) -> Result<Self, Fault> {
        let schema = schema(copy, &without)?;
        let mut counted = BTreeMap::new();
        for name in virtual_tables(&schema) {
            if let Some(rows) = count(copy, name).map_err(fault)? {
                counted.insert(folded(name), rows);
            }
        }
        Ok(Self { before, counted, schema, written, without })
    }

    /// Measures what these steps did, and keeps the rows as they are now for the next ones.
    pub(super) fn measure(&mut self, copy: &Connection, ran: &RanSteps<'_>) -> Result<Measured, Fault> {
        let source = ran.source;
        let written = Written::take(self.written);
        let after = schema(copy, &self.without)?;
        let mut account = Account::default();
        for step in ran.steps {
            account.extend(&step.account);
        }
        let changes = self.schema.changes_to(&after);
        let (mut tables, mut renewed) = (Vec::new(), Vec::new());
        let after_step =
            AfterStep { account: &account, schema: &after, changes: &changes, written: &written, source };
        for (change, is_virtual) in self.concerned(copy, &after_step).map_err(fault)? {
            cancel::check()?;
            let measured = if is_virtual {
                self.virtual_table(copy, &change, &after_step)
            } else {
                self.table(copy, &change, &after_step)
            }
            .map_err(fault)?;
            let has_changed = |table: &TableImpact| {
                table.fate != Fate::Kept
                    || table.renamed_to.is_some()
                    || !table.rows().is_zero()
                    || !table.columns.is_empty()
            };
            let is_changed = has_changed(&measured);
            // The next step may change a column that has another name now.
            if !is_virtual && (is_changed || !self.has_same_text(&after, &change.table)) {
                renewed.push([change.table, measured.name_after().to_owned()]);
            }
            if is_changed {
                tables.push(measured);
            }
        }
        if ran.remaining != Some(0) {
            renew(&self.before, copy, &renewed).map_err(fault)?;
        }
        self.schema = after;
        tables.sort_by_key(|table| folded(&table.table));
        Ok(Measured { tables, schema: changes, bytes: size(copy).map_err(fault)? })
    }

    /// The tables that the steps may have changed, with what the account says of them, and whether they are virtual.
    fn concerned(
        &self,
        copy: &Connection,
        after_step: &AfterStep<'_>,
    ) -> rusqlite::Result<Vec<(TableChange, bool)>> {
        let AfterStep { account, schema: after, changes, written, source } = *after_step;
        let (old, new) = (tables(&self.schema), tables(after));
        let mut found: Vec<TableChange> = account.tables.clone();
        for change in &mut found {
            // A replaced table may have been renamed before, and its successor have the first name.
            let (fate, first) = (change.fate, &change.table);
            let is_there =
                |name: &String| new.contains(&folded(name)) && fate != Fate::Dropped && name != first;
            change.renamed_to = change.renamed_to.take().filter(is_there);
        }
        // What takes the name of a dropped table is told with that.
        let heirs: Vec<String> = found
            .iter()
            .filter(|change| change.fate == Fate::Replaced)
            .map(|change| folded(name_now(change)))
            .collect();
        found.retain(|change| change.fate != Fate::Kept || !heirs.contains(&folded(name_now(change))));
        // One of these steps created a table that a later one changed.
        let (known, made): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|change| change.fate == Fate::Created || old.contains(&folded(&change.table)));
        found = known;
        for change in made.iter().filter(|change| change.fate == Fate::Kept) {
            if !found.iter().any(|known| is_now(known, name_now(change))) {
                found.push(TableChange::new(name_now(change), Fate::Created));
            }
        }
        for object in account.created.iter().filter(|object| object.kind == "table") {
            if !found.iter().any(|change| is_now(change, &object.name)) {
                found.push(TableChange::new(&object.name, Fate::Created));
            }
        }
        for object in account.dropped.iter().filter(|object| object.kind == "table") {
            if !found.iter().any(|change| was(change, &object.name)) {
                found.push(TableChange::new(&object.name, Fate::Dropped));
            }
        }
        let mut names: BTreeSet<String> = written.tables().cloned().collect();
        for change in changes.iter().filter(|change| change.kind == "table") {
            names.insert(folded(&change.name));
        }
        match source {
            Source::Code => names.extend(old.iter().chain(&new).cloned()),
            _ if !account.tables.is_empty() || written.tables().next().is_some() => {
                // SQLite does not report what is written to these.
                names.extend(without_row_number(copy)?);
                names.extend(virtual_tables(after).map(folded));
            }
            _ => {}
        }
        let replaces = found.iter().any(|change| change.fate == Fate::Replaced);
        for name in names {
            let is_known = found.iter().any(|change| was(change, &name) || is_now(change, &name));
            match (old.contains(&name), new.contains(&name)) {
                _ if is_known => {}
                (true, true) => found.push(TableChange::new(&name, Fate::Kept)),
                // A script that does not drop it gave it the name of a table that it dropped.
                (true, false) if source != Source::Code && replaces => {}
                (true, false) => found.push(TableChange::new(&name, Fate::Dropped)),
                (false, true) => found.push(TableChange::new(&name, Fate::Created)),
                // It is the engine's, or was there only for a while.
                (false, false) => {}
            }
        }
        let is_of_application = |change: &TableChange| {
            (change.fate != Fate::Created && old.contains(&folded(&change.table)))
                || (change.fate != Fate::Dropped && new.contains(&folded(name_now(change))))
        };
        found.retain(is_of_application);
        let virtuals: BTreeSet<String> =
            virtual_tables(&self.schema).chain(virtual_tables(after)).map(folded).collect();
        let mark = |mut change: TableChange| {
            // As the schema spells it.
            let spelled = self.schema.definitions().iter().chain(after.definitions());
            let mut spelled = spelled.filter(|it| it.kind == "table" && same_name(&it.name, &change.table));
            if let Some(definition) = spelled.next() {
                change.table.clone_from(&definition.name);
            }
            let is_virtual = virtuals.contains(&folded(&change.table));
            (change, is_virtual)
        };
        Ok(found.into_iter().map(mark).collect())
    }

    /// A virtual table, of which only the rows are counted.
    fn virtual_table(
        &mut self,
        copy: &Connection,
        change: &TableChange,
        after_step: &AfterStep<'_>,
    ) -> rusqlite::Result<TableImpact> {
        let name = name_now(change).to_owned();
        let before = self.counted.remove(&folded(&change.table));
        let after = if change.fate == Fate::Dropped { None } else { count(copy, &name)? };
        if let Some(after) = after {
            self.counted.insert(folded(&name), after);
        }
        let (was, is) = (before.unwrap_or_default(), after.unwrap_or_default());
        let mut impact = TableImpact {
            renamed_to: change.renamed_to.clone(),
            rows_before: before,
            rows_after: after,
            ..TableImpact::new(&change.table, change.fate)
        };
        if change.fate != Fate::Dropped {
            let rows = RowCounts::new(is.saturating_sub(was), 0, was.saturating_sub(is));
            let is_named = change.is_written() || change.fate == Fate::Created;
            if is_named || after_step.source == Source::Code {
                impact.by_statements = rows;
            } else {
                impact.by_side_effects = rows;
            }
        }
        Ok(impact)
    }

    fn table(
        &self,
        copy: &Connection,
        change: &TableChange,
        after_step: &AfterStep<'_>,
    ) -> rusqlite::Result<TableImpact> {
        let AfterStep { written, source, .. } = *after_step;
        let name = change.renamed_to.as_deref().unwrap_or(&change.table);
        let mut impact = TableImpact {
            renamed_to: change.renamed_to.clone(),
            ..TableImpact::new(&change.table, change.fate)
        };
        if change.fate != Fate::Created {
            impact.rows_before = count(&self.before, &change.table)?;
        }
        if change.fate != Fate::Dropped {
            impact.rows_after = count(copy, name)?;
        }
        match (change.fate, impact.rows_before, impact.rows_after) {
            (Fate::Created, _, Some(after)) => impact.by_statements.inserted = after,
            (Fate::Kept | Fate::Replaced, Some(before), Some(after)) => {
                let has_same_text = self.has_same_text(after_step.schema, &change.table);
                // Code may have rebuilt it.
                let is_same = change.fate == Fate::Kept
                    && (source != Source::Code || has_same_text || !written.drops_tables);
                let key = if is_same { Key::RowNumber } else { Key::Primary };
                // SQLite reports rows under the name that a table has at that moment.
                let is_reported = is_same
                    && source == Source::Scripts
                    && !after_step.account.renames(&change.table)
                    && has_row_number(copy, name)?;
                let counts = written.of(name);
                let method = if is_reported { Method::Reported(counts) } else { Method::Net };
                let columns = columns(&self.before, &change.table)?;
                let pairs = pairs(change, after_step, &columns, &self::columns(copy, name)?);
                let deletes = before + counts.inserted > after;
                let only_adds_or_deletes = counts.updated == 0 && (counts.inserted == 0 || !deletes);
                let compared = if is_reported && only_adds_or_deletes && has_same_text {
                    Comparison::default()
                } else {
                    compare(&self.before, copy, [&change.table, name], &pairs, key)?
                };
                impact.columns.clone_from(&compared.columns);
                let is_gone = |column: &&String| !pairs.iter().any(|(old, _)| old == *column);
                impact.columns.extend(self.dropped(&change.table, columns.iter().filter(is_gone))?);
                impact.columns.retain(|column| !column.is_unchanged());
                impact
                    .columns
                    .sort_by_key(|it| columns.iter().position(|column| same_name(column, &it.column)));
                (impact.by_statements, impact.by_side_effects) =
                    attributed(change, [before, after], &compared, method, source);
            }
            _ => {}
        }
        Ok(impact)
    }

    /// Whether the definition of a table is the same after a step.
    fn has_same_text(&self, after: &Schema, table: &str) -> bool {
        let of = |schema: &Schema| {
            let is_it = |it: &&Definition| it.kind == "table" && same_name(&it.name, table);
            schema.definitions().iter().find(is_it).map(|it| it.text.clone())
        };
        of(&self.schema) == of(after)
    }

    /// The values that go with these columns.
    fn dropped<'c>(
        &self,
        table: &str,
        gone: impl Iterator<Item = &'c String>,
    ) -> rusqlite::Result<Vec<ColumnImpact>> {
        let values = |column: &String| -> rusqlite::Result<ColumnImpact> {
            let sql = format!("SELECT count({}) FROM main.{}", quote(column), quote(table));
            let values: i64 = self.before.query_row(&sql, [], |row| row.get(0))?;
            Ok(ColumnImpact { dropped: Some(values.unsigned_abs()), ..ColumnImpact::new(column) })
        };
        gone.map(values).collect()
    }
}

/// The rows that the statements of a step wrote, and those that something else wrote.
fn attributed(
    change: &TableChange,
    [before, after]: [u64; 2],
    compared: &Comparison,
    method: Method,
    source: Source,
) -> (RowCounts, RowCounts) {
    let all = match method {
        Method::Reported(counts) => {
            let deleted = (before + counts.inserted).saturating_sub(after);
            RowCounts::new(counts.inserted, counts.updated, deleted)
        }
        Method::Net => compared.rows([before, after]),
    };
    if source == Source::Code {
        return (all, RowCounts::default());
    }
    let named = if change.fate == Fate::Replaced {
        // What a rebuild keeps or adds, its statements name.
        RowCounts::new(all.inserted, all.updated, all.deleted.min(change.deleted))
    } else {
        let inserted = all.inserted.min(change.inserted);
        let upserted = change.upserted.min(all.inserted - inserted);
        RowCounts::new(
            inserted + upserted,
            all.updated.min(change.updated + change.upserted - upserted),
            all.deleted.min(change.deleted),
        )
    };
    let others = RowCounts::new(
        all.inserted - named.inserted,
        all.updated - named.updated,
        all.deleted - named.deleted,
    );
    (named, others)
}

/// The columns that a table has before and after the steps, with both names.
fn pairs(
    change: &TableChange,
    after_step: &AfterStep<'_>,
    old: &[String],
    new: &[String],
) -> Vec<(String, String)> {
    let AfterStep { account, written, source, .. } = *after_step;
    // Columns keep their order, and new ones are added at the end.
    let keeps_places = written.renames_columns && !written.drops_columns && !written.drops_tables;
    let now = |(place, column): (usize, &String)| match source {
        Source::Code if keeps_places => new.get(place).cloned(),
        Source::Code => Some(column.clone()),
        _ => account.column(change, column),
    };
    let pair = |(place, column): (usize, &String)| {
        let name = now((place, column))?;
        let found = new.iter().find(|other| same_name(other, &name))?;
        Some((column.clone(), found.clone()))
    };
    old.iter().enumerate().filter_map(pair).collect()
}

/// The name of a table after the step.
fn name_now(change: &TableChange) -> &str {
    change.renamed_to.as_deref().unwrap_or(&change.table)
}

/// Whether this is the name of a table after the step.
fn is_now(change: &TableChange, name: &str) -> bool {
    change.fate != Fate::Dropped && same_name(name_now(change), name)
}

/// Whether this was the name of a table before the step.
fn was(change: &TableChange, name: &str) -> bool {
    change.fate != Fate::Created && same_name(&change.table, name)
}

/// The names of the tables of a schema in lower case.
fn tables(schema: &Schema) -> BTreeSet<String> {
    let is_table = |definition: &&Definition| definition.kind == "table";
    schema.definitions().iter().filter(is_table).map(|table| folded(&table.name)).collect()
}

fn virtual_tables(schema: &Schema) -> impl Iterator<Item = &str> {
    let is_virtual = |definition: &&Definition| definition.text.starts_with("create virtual table");
    schema.definitions().iter().filter(is_virtual).map(|table| &*table.name)
}

/// The tables `WITHOUT ROWID`, in lower case.
fn without_row_number(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND instr(lower(sql), 'rowid') > 0";
    let mut names = texts(conn, sql, &[])?;
    names.retain(|name| !has_row_number(conn, name).unwrap_or(true));
    Ok(names.iter().map(|name| folded(name)).collect())
}

/// Whether the rows of a table have a number, by which they can be found again.
fn has_row_number(conn: &Connection, table: &str) -> rusqlite::Result<bool> {
    Key::row_number(conn, table).map(|name| name.is_some())
}
