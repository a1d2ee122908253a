//! [`Account`]: what a step did to the tables and to the schema.

use std::fmt::{self, Write};

use crate::fault::{Fault, FaultKind};
use crate::printable::Escaped;
use crate::problem::ProblemKind;
use crate::remedy::Remedy;
use crate::sql::same_name;
use crate::touched::Touched;

#[cfg(test)]
mod tests;

/// What a step did, as far as its script shows it. Rows are counted only where they can be lost: in a table that it drops or replaces, and
/// in a table from which its triggers, foreign key actions or `REPLACE` can delete.
///
/// The account of a migration in code is empty. On PostgreSQL and MySQL only replaced tables and deleted rows are counted: see "What a
/// step did" in `docs/servers.md`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The tables whose rows it changed or counted, in order of their first change.
    pub tables: Vec<TableChange>,
    /// What it created and left, in order.
    pub created: Vec<SchemaObject>,
    /// What it dropped that was there before, in order. A table that it replaced is in [`tables`](Self::tables).
    pub dropped: Vec<SchemaObject>,
    /// The columns that statements renamed or dropped, in this order. On a server, empty.
    pub columns: Vec<ColumnChange>,
}

/// A table, an index, a view or a trigger; on a server also a function, a procedure, a sequence, a type, a domain, a schema, a database, an
/// extension or an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaObject {
    /// The word of its `CREATE` statement: "table", "index", ...
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

impl SchemaObject {
    /// An object of a kind.
    pub fn new(kind: &'static str, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

/// What a step did to the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableChange {
    /// The name of the table before the step; for a new table, after it.
    pub table: String,
    /// What became of the table.
    pub fate: Fate,
    /// The number of rows before the step, if it was counted; on a server, before the statement that drops the table.
    pub rows_before: Option<u64>,
    /// The number of rows after the step, if it was counted.
    pub rows_after: Option<u64>,
    /// The number of rows that plain `INSERT` statements inserted under this name.
    pub inserted: u64,
    /// The number of rows that plain `UPDATE` statements changed under this name. On a server, 0.
    pub updated: u64,
    /// The number of rows that `REPLACE` and `INSERT ... ON CONFLICT` inserted or changed under this name. On a server, 0.
    pub upserted: u64,
    /// The number of rows that its statements deleted under this name. On PostgreSQL it includes rows that triggers, rules and foreign key
    /// actions deleted, and rows that moved to another partition.
    pub deleted: u64,
    /// Whether triggers or foreign key actions may have changed or deleted its rows. Always `false` for a new table, and on a server.
    pub by_triggers: bool,
    /// Its new name, if it was there before and was renamed.
    pub renamed_to: Option<String>,
    /// The number of rows that are gone although no statement names the table to delete them.
    pub lost: u64,
    /// Up to five keys of rows that were lost, if they could be read.
    pub missing_keys: Vec<String>,
    /// The statement that took the rows.
    pub(crate) by: Option<StatementPlace>,
}

/// A column that a statement renamed or dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnChange {
    /// The name of its table before the step; of a new table, its name at that moment.
    pub table: String,
    /// Whether the step created the table.
    pub is_new: bool,
    /// Its name before the statement.
    pub column: String,
    /// Its new name; `None` if it was dropped.
    pub to: Option<String>,
}

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Fate {
    /// It is the same table, perhaps with another name.
    Kept,
    /// The step created it.
    Created,
    /// It is gone.
    Dropped,
    /// It was dropped, and another table now has its name.
    Replaced,
}

impl TableChange {
    /// A table of which nothing was counted.
    pub fn new(table: impl Into<String>, fate: Fate) -> Self {
        let table = table.into();
        Self {
            table,
            fate,
            rows_before: None,
            rows_after: None,
            inserted: 0,
            updated: 0,
            upserted: 0,
            deleted: 0,
            by_triggers: false,
            renamed_to: None,
            lost: 0,
            missing_keys: Vec::new(),
            by: None,
        }
    }

    /// Whether this is a table of this name that was replaced.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_replaced(&self, name: &str) -> bool {
        self.fate == Fate::Replaced && same_name(&self.table, name)
    }

    /// Whether its statements wrote rows of it.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is_written(&self) -> bool {
        self.by_triggers || self.inserted + self.updated + self.upserted + self.deleted > 0
    }

    /// How the author allows the loss.
    pub(crate) fn allowed(&self) -> Remedy {
        let allowed = match self.fate {
            Fate::Replaced => "[\"destructive\"]",
            _ => "[\"cascade\"]",
        };
        Remedy::metadata("allow", allowed).only_if("the rows may go")
    }

    /// The fault of a statement that would take rows which cannot be brought back.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(crate) fn refusal(&self) -> Fault {
        self.refusal_with(match self.fate {
            Fate::Replaced => "copy the missing rows by hand, since the old table is still there",
            _ => "drop the trigger by hand before the script continues",
        })
    }

    /// The same fault, with what to do to keep the rows.
    #[allow(dead_code, reason = "not every backend uses it")]
    pub(crate) fn refusal_with(&self, keep: impl Into<Remedy>) -> Fault {
        let what =
            self.finding().map_or_else(|| format!("takes rows of `{}`", self.table), |finding| finding.what);
        Fault::new(FaultKind::Other, format!("it {what}")).remedy(keep.into().or(self.allowed()))
    }

    /// The finding about the lost rows, if there are any.
    pub(crate) fn finding(&self) -> Option<StepFinding> {
        let lost = self.lost;
        let (before, after) = (self.rows_before?, self.rows_after?);
        if lost == 0 {
            return None;
        }
        let missing = match &*self.missing_keys {
            [] => String::new(),
            keys => {
                let more = if lost > keys.len() as u64 { ", ..." } else { "" };
                let are = if lost == 1 { "is" } else { "are" };
                format!("; {}{more} {are} missing", keys.join(", "))
            }
        };
        let (what, keep) = match self.fate {
            Fate::Replaced => (
                format!(
                    "replaces `{}`, which had {}, with a table of {}{missing}",
                    self.table,
                    RowCount(before),
                    RowCount(after)
                ),
                "copy every row into the new table",
            ),
            _ => (
                format!(
                    "deletes {} of `{}` through a trigger, a foreign key action or REPLACE; it had {before} and has {after}",
                    RowCount(lost),
                    self.table
                ),
                "drop the trigger before that statement and create it again after it, or put the rows back",
            ),
        };
        Some(StepFinding {
            kind: ProblemKind::RowsLost,
            what,
            remedy: Remedy::from(keep).or(self.allowed()),
            by: self.by.clone(),
        })
    }
}

/// What happened to a table, in the past tense; empty if rows were only added, or the table is new.
impl fmt::Display for TableChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        let Self { table, fate, rows_before: before, rows_after: after, .. } = self;
        match (fate, before, after) {
            (Fate::Dropped, Some(before), _) => {
                write!(f, "dropped `{table}`, which had {}", RowCount(*before))
            }
            (Fate::Dropped, ..) => write!(f, "dropped `{table}`"),
            (Fate::Replaced, Some(before), Some(after)) => {
                write!(f, "replaced `{table}`: {} before, {after} after", RowCount(*before))
            }
            (Fate::Replaced, ..) => write!(f, "replaced `{table}`"),
            (Fate::Kept, ..) => {
                let written = [
                    ("deleted", self.lost + self.deleted),
                    ("updated", self.updated),
                    ("inserted or changed", self.upserted),
                ];
                let written = written.iter().filter(|(_, rows)| *rows > 0);
                let written = written.map(|(verb, rows)| format!("{verb} {} of `{table}`", RowCount(*rows)));
                let is_through = self.by_triggers && self.lost == 0;
                let through =
                    is_through.then(|| format!("changed rows of `{table}` through triggers or foreign keys"));
                let written = written.chain(through);
                f.write_str(&written.collect::<Vec<_>>().join(", "))
            }
            (Fate::Created, ..) => Ok(()),
        }
    }
}

/// `1 row`, `2 rows`
pub(crate) struct RowCount(pub(crate) u64);

impl fmt::Display for RowCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 row"),
            rows => write!(f, "{rows} rows"),
        }
    }
}

/// What was taken away or overwritten, in the past tense and separated by commas; empty if nothing was.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        let tables = self.tables.iter().map(ToString::to_string).filter(|table| !table.is_empty());
        let others = self.dropped.iter().filter(|object| object.kind != "table");
        let others = others.map(|object| format!("dropped the {} `{}`", object.kind, object.name));
        let columns = self.columns.iter().filter(|change| change.to.is_none() && !change.is_new);
        let columns =
            columns.map(|change| format!("dropped the column `{}` of `{}`", change.column, change.table));
        f.write_str(&tables.chain(columns).chain(others).collect::<Vec<_>>().join(", "))
    }
}

impl Account {
    /// The tables that lost rows without being named.
    pub fn lost(&self) -> impl Iterator<Item = &TableChange> {
        self.tables.iter().filter(|table| table.lost > 0)
    }

    /// The tables that were dropped by one step and replaced by a later one, and were not counted since.
    pub(crate) fn uncounted(&mut self) -> impl Iterator<Item = &mut TableChange> {
        let is_meant = |table: &&mut TableChange| {
            table.fate == Fate::Replaced && table.rows_before > Some(0) && table.rows_after.is_none()
        };
        self.tables.iter_mut().filter(is_meant)
    }

    /// The account of these steps and one more: a table that one drops and a later one creates is replaced.
    pub(crate) fn extend(&mut self, later: &Self) {
        // A table that is gone has no successor yet but one of its name; any other has the name that it got last.
        let name = |known: &TableChange| match known.fate {
            Fate::Dropped => (known.table.clone(), true),
            _ => (known.renamed_to.as_ref().unwrap_or(&known.table).clone(), false),
        };
        let names: Vec<(String, bool)> = self.tables.iter().map(name).collect();
        for change in &later.tables {
            let is_new = change.fate == Fate::Created;
            let is_it =
                |(name, is_gone): &(String, bool)| *is_gone == is_new && same_name(name, &change.table);
            match names.iter().position(is_it) {
                Some(place) => self.tables[place].extend(change),
                None => self.tables.push(change.clone()),
            }
        }
        for place in 0..self.tables.len() {
            let known = &self.tables[place];
            let is_it = |name: &str| same_name(name, &known.table);
            let is_created = later.created.iter().any(|object| object.kind == "table" && is_it(&object.name));
            let heir = self.tables.iter().find(|change| change.renamed_to.as_deref().is_some_and(is_it));
            let deleted = heir.map(|heir| heir.deleted);
            if known.fate == Fate::Dropped && (is_created || deleted.is_some()) {
                let known = &mut self.tables[place];
                (known.fate, known.rows_after) = (Fate::Replaced, None);
                // The statement that dropped it is in another script.
                known.by = None;
                known.deleted += deleted.unwrap_or_default();
            }
        }
        self.created.extend(later.created.iter().cloned());
        self.dropped.extend(later.dropped.iter().cloned());
        self.columns.extend(later.columns.iter().cloned());
    }
}

#[cfg(feature = "sqlite")]
impl Account {
    /// Whether statements renamed a table that was there before.
    pub(crate) fn renames(&self, table: &str) -> bool {
        self.tables.iter().any(|change| same_name(&change.table, table) && change.renamed_to.is_some())
    }

    /// The name that a column of a table has now; `None` if statements dropped it.
    pub(crate) fn column(&self, table: &TableChange, column: &str) -> Option<String> {
        // A new table with the name of a dropped one takes its place.
        let is_meant = |change: &&ColumnChange| {
            same_name(&change.table, &table.table) && (!change.is_new || table.fate == Fate::Replaced)
        };
        let mut name = column;
        for change in self.columns.iter().filter(is_meant) {
            if same_name(name, &change.column) {
                name = change.to.as_deref()?;
            }
        }
        Some(name.to_owned())
    }
}

impl TableChange {
    fn extend(&mut self, later: &Self) {
        self.fate = match (self.fate, later.fate) {
            (Fate::Dropped, Fate::Created) => Fate::Replaced,
            (before, Fate::Kept) => before,
            (_, fate) => fate,
        };
        self.rows_before = self.rows_before.or(later.rows_before);
        self.rows_after = later.rows_after;
        self.lost += later.lost;
        self.renamed_to = later.renamed_to.clone().or_else(|| self.renamed_to.take());
        self.inserted += later.inserted;
        self.updated += later.updated;
        self.upserted += later.upserted;
        self.deleted += later.deleted;
        self.by_triggers |= later.by_triggers;
        self.missing_keys.extend(later.missing_keys.iter().cloned());
        self.by = self.by.take().or_else(|| later.by.clone());
    }
}

/// A statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatementPlace {
    pub(crate) number: u32,
    /// Its offset in the script, in bytes.
    pub(crate) offset: usize,
    pub(crate) text: String,
}

/// A side effect of a step that its author may not have intended, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFinding {
    pub(crate) kind: ProblemKind,
    /// A clause about the migration: "replaces `person`, ..."
    pub(crate) what: String,
    pub(crate) remedy: Remedy,
    pub(crate) by: Option<StatementPlace>,
}

impl StepFinding {
    /// A finding, as a clause that follows the id of the migration, and its remedy.
    pub fn new(kind: ProblemKind, what: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { kind, what: what.into(), remedy: remedy.into(), by: None }
    }

    /// The same finding about a statement.
    #[cfg(feature = "sqlite")]
    pub(crate) fn by(self, by: StatementPlace) -> Self {
        Self { by: Some(by), ..self }
    }
}

/// The result of running a script or code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Execution {
    /// The tables that it touched.
    pub touched: Touched,
    /// What it did to their rows and to the schema.
    pub account: Account,
    /// The findings about the step; lost rows are in the account.
    pub findings: Vec<StepFinding>,
}

impl Execution {
    /// Adds what a hook or another script of the same step did.
    pub(crate) fn extend(&mut self, later: Self) {
        self.touched.extend(later.touched);
        self.account.extend(&later.account);
        self.findings.extend(later.findings);
    }
}

impl From<Touched> for Execution {
    fn from(touched: Touched) -> Self {
        Self { touched, ..Self::default() }
    }
}
