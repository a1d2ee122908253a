//! [`Dangling`]: references to something that is missing, and which of them a step caused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use crate::account::StepFinding;
use crate::dialect::quote_in;
use crate::fault::{Fault, FaultKind};
use crate::printable::Escaped;
use crate::problem::ProblemKind;
use crate::remedy::Remedy;
use crate::sql::{folded, same_name};
use crate::step::Atomicity;

/// The values of a row's keys. A rebuild of the table keeps them, but not the row number. `None` if they cannot be determined.
pub type KeyValues = Option<String>;

/// What refers to something that is missing, in a database or a part of it: rows, foreign keys, views and triggers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dangling {
    /// All tables, from the name in lower case to the name as the schema writes it.
    tables: BTreeMap<String, String>,
    rows: Sorted<Pair, BTreeMap<KeyValues, u64>>,
    /// Tables with a key that cannot be checked because the columns it references are not there or not unique, and whether they have rows.
    unchecked: Sorted<String, bool>,
    /// Foreign keys whose parent table does not exist.
    missing_parents: Sorted<Pair, ()>,
    /// Views, triggers, full-text tables and functions that cannot be used: the kind and the name, and why.
    unresolved: Sorted<(&'static str, String), String>,
    /// The functions that were looked at.
    functions: BTreeSet<String>,
    /// Full-text tables whose index does not match the rows of their content table: the name, and that of the content table.
    stale: Sorted<String, String>,
}

/// A map with few entries, sorted by key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sorted<K, V>(Vec<(K, V)>);

impl<K: Ord, V: Default> Sorted<K, V> {
    /// The value of a key, which is added if it is not there.
    fn value(&mut self, key: K) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.0.insert(place, (key, V::default()));
            place
        });
        &mut self.0[place].1
    }

    fn insert(&mut self, key: K, value: V) {
        *self.value(key) = value;
    }

    fn has(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }
}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// A child table and a parent table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    child: String,
    parent: String,
}

impl Dangling {
    /// Records that a table exists.
    pub fn add_table(&mut self, name: &str) {
        self.tables.insert(folded(name), name.to_owned());
    }

    /// Records a row of `child` that references a missing row of `parent`.
    pub fn add_row(&mut self, child: &str, parent: &str, values: KeyValues) {
        let pair = Pair { child: folded(child), parent: parent.to_owned() };
        *self.rows.value(pair).entry(values).or_default() += 1;
    }

    /// Records that a key of `child` cannot be checked.
    pub fn add_unchecked(&mut self, child: &str, has_rows: bool) {
        self.unchecked.insert(folded(child), has_rows);
    }

    /// Records that a key of `child` names a table that does not exist.
    pub fn add_missing_parent(&mut self, child: &str, parent: &str) {
        self.missing_parents.insert(Pair { child: folded(child), parent: parent.to_owned() }, ());
    }

    /// Records that a view, a trigger or a full-text table cannot be used, and why. The kind of an object that only this connection has
    /// begins with "temporary".
    pub fn add_unresolved(&mut self, kind: &'static str, name: &str, why: &str) {
        self.unresolved.insert((kind, name.to_owned()), why.to_owned());
    }

    /// Records that a function was looked at. One that was not there before is not what a step broke.
    pub fn add_function(&mut self, name: &str) {
        self.functions.insert(name.to_owned());
    }

    /// Records that the index of a full-text table does not match the rows of its content table.
    pub fn add_stale(&mut self, name: &str, content: &str) {
        self.stale.insert(name.to_owned(), content.to_owned());
    }

    /// Whether a key of `child` names a table that does not exist.
    pub fn lacks_parent(&self, child: &str) -> bool {
        self.missing_parents.0.iter().any(|(pair, ())| same_name(&pair.child, child))
    }

    /// Whether nothing refers to something that is missing.
    pub fn is_empty(&self) -> bool {
        self.rows.0.is_empty()
            && self.unchecked.0.is_empty()
            && self.missing_parents.0.is_empty()
            && self.unresolved.0.is_empty()
            && self.stale.0.is_empty()
    }

    /// What dangles now and did not before.
    pub(crate) fn since(&self, before: &Self) -> Broken {
        let mut broken = Broken::default();
        for (child, has_rows) in &self.unchecked.0 {
            let is_new = before.tables.contains_key(child) && !before.unchecked.has(child);
            let child = self.spelling(child).to_owned();
            match (is_new, has_rows) {
                (true, true) => _ = broken.unchecked.insert(child),
                (true, false) => broken.references.push(Reference::ToColumns { child }),
                (false, _) => {}
            }
        }
        for (pair, rows) in &self.rows.0 {
            let count = self.new_rows(pair, rows, before);
            if count > 0 {
                broken.rows.push((self.spelling(&pair.child).to_owned(), pair.parent.clone(), count));
            }
        }
        let is_new = |(pair, ()): &&(Pair, ())| !before.missing_parents.has(pair);
        for (Pair { child, parent }, ()) in self.missing_parents.0.iter().filter(is_new) {
            // A new table may reference a table that is created later.
            let existed = before.has(child) || before.has(parent);
            let has_rows =
                broken.rows.iter().any(|(rows_of, of, _)| same_name(rows_of, child) && of == parent);
            if existed && !has_rows {
                let child = self.spelling(child).to_owned();
                broken.references.push(Reference::ToTable { child, parent: parent.clone() });
            }
        }
        let is_new_function =
            |(kind, name): &(&str, String)| *kind == "function" && !before.functions.contains(name);
        let unresolved = self.unresolved.0.iter().filter(|(object, _)| !is_new_function(object));
        for (object, why) in unresolved.filter(|(object, _)| !before.unresolved.has(object)) {
            let ((kind, name), why) = (object.clone(), why.clone());
            broken.references.push(Reference::Of { kind, name, why });
        }
        for (name, content) in self.stale.0.iter().filter(|(name, _)| !before.stale.has(name)) {
            broken.references.push(Reference::Stale { name: name.clone(), content: content.clone() });
        }
        broken
    }

    /// The number of rows of a pair of tables that were not orphans before. An orphan is not new if its table was renamed or copied, or
    /// if its parent was renamed.
    fn new_rows(&self, pair: &Pair, rows: &BTreeMap<KeyValues, u64>, before: &Self) -> u64 {
        let is_new_table = !before.tables.contains_key(&pair.child);
        let is_new_parent = !before.has(&pair.parent);
        let is_same = |old: &Pair| {
            let same_parent = same_name(&old.parent, &pair.parent);
            (is_new_table || old.child == pair.child)
                && (same_parent || is_new_parent || !self.has(&old.parent))
        };
        let old = || before.rows.0.iter().filter(|(old, _)| is_same(old));
        // Rows without key values cannot be told apart, so only their number is compared.
        let is_counted = rows.contains_key(&None) || old().any(|(_, rows)| rows.contains_key(&None));
        if is_counted {
            let known: u64 = old().flat_map(|(_, rows)| rows.values()).sum();
            rows.values().sum::<u64>().saturating_sub(known)
        } else {
            let known = |values| old().filter_map(|(_, rows)| rows.get(values)).sum();
            rows.iter().map(|(values, count)| count.saturating_sub(known(values))).sum()
        }
    }

    /// Whether a table exists.
    pub(crate) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(&folded(table))
    }

    /// A table as the schema writes it.
    fn spelling<'a>(&'a self, table: &'a str) -> &'a str {
        self.tables.get(table).map_or(table, |table| table)
    }
}

/// The foreign key violations that steps would cause if they were committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Broken {
    unchecked: BTreeSet<String>,
    /// Child, parent, and the number of rows.
    rows: Vec<(String, String, u64)>,
    references: Vec<Reference>,
}

/// A reference to something that is missing, other than that of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference {
    /// The key of a table without rows names columns that are not there or not unique.
    ToColumns { child: String },
    /// The key of a table names a missing table.
    ToTable { child: String, parent: String },
    /// A view, a trigger or a full-text table cannot be used.
    Of { kind: &'static str, name: String, why: String },
    /// The index of a full-text table does not match the rows of its content table.
    Stale { name: String, content: String },
}

impl Reference {
    /// A clause about a step: "leaves ..."
    fn finding(&self) -> StepFinding {
        let leave = || Remedy::metadata_for("foreign_keys", "\"off\"", "to leave it so");
        let (what, remedy) = match self {
            Self::ToColumns { child } => (
                format!(
                    "leaves a foreign key of `{child}` that references columns that are not there or not unique, so no row can be added to `{child}`"
                ),
                Remedy::from(UNIQUE_PARENT).or(leave()),
            ),
            Self::ToTable { child, parent } => (
                format!(
                    "leaves a foreign key of `{child}` that references the missing table `{parent}`, so no row can be added to `{child}`"
                ),
                Remedy::from("create the new table under another name, copy the rows, drop the old table, and rename the new one")
                    .or("remove that key")
                    .or(leave()),
            ),
            Self::Of { kind, name, why } if is_temporary(kind) => (
                format!("leaves the {kind} `{name}` of this connection unusable: {why}"),
                "drop it before the migrations run, and create it again afterwards, adapted to the new schema".into(),
            ),
            Self::Of { kind, name, why } => (
                format!("leaves the {kind} `{name}` unusable: {why}"),
                "drop it before the change, and create it again after it, adapted to the new schema".into(),
            ),
            Self::Stale { name, content } => (
                format!(
                    "leaves the full-text table `{name}` with wrong results: its index does not match the rows of `{content}`"
                ),
                format!("rebuild its index in the script: INSERT INTO {0} ({0}) VALUES ('rebuild')", quote_in(name, '`'))
                    .into(),
            ),
        };
        StepFinding::new(ProblemKind::BrokenReference, what, remedy)
    }
}

/// What to do about a key to columns that a key cannot reference.
const UNIQUE_PARENT: &str =
    "give the parent table these columns with a PRIMARY KEY or UNIQUE constraint, or change the key";

fn is_temporary(kind: &str) -> bool {
    kind.starts_with("temporary")
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        match self {
            Self::ToColumns { child } => {
                write!(f, "a foreign key of `{child}` references columns that are not there or not unique")
            }
            Self::ToTable { child, parent } => {
                write!(f, "a foreign key of `{child}` references the missing table `{parent}`")
            }
            Self::Of { kind, name, why } => {
                let of = if is_temporary(kind) { " of this connection" } else { "" };
                write!(f, "the {kind} `{name}`{of} cannot be used ({why})")
            }
            Self::Stale { name, content } => {
                write!(f, "the index of the full-text table `{name}` does not match the rows of `{content}`")
            }
        }
    }
}

impl Broken {
    /// The findings about references other than those of rows.
    pub(crate) fn references(&self) -> Vec<StepFinding> {
        self.references.iter().map(Reference::finding).collect()
    }

    /// Whether no row references a missing row.
    pub(crate) fn is_only_references(&self) -> bool {
        self.unchecked.is_empty() && self.rows.is_empty() && !self.references.is_empty()
    }

    /// Without the broken references that are not rows.
    pub(crate) fn without_references(self) -> Self {
        Self { references: Vec::new(), ..self }
    }

    /// Rows of one table that would reference missing rows of another table.
    pub(crate) fn rows(found: impl IntoIterator<Item = (String, String, u64)>) -> Self {
        Self { rows: found.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.unchecked.is_empty() && self.rows.is_empty() && self.references.is_empty()
    }

    /// The fault of steps that would commit these violations. `why_not_mended` says why no later step repairs them.
    pub(crate) fn fault(&self, why_not_mended: &str, atomicity: Atomicity) -> Fault {
        let accept = || Remedy::metadata_for("foreign_keys", "\"off\"", "to accept them as they are");
        let remedy = match (self.rows.first(), atomicity) {
            (None, _) => Remedy::from(UNIQUE_PARENT),
            (Some((_, parent, _)), Atomicity::Transaction) => Remedy::from(format!(
                "give `{parent}` the rows that they need (in this script, or in a later one, which then is one transaction with it)"
            ))
            .or(accept())
            .or("delete them in this script if they may go"),
            (Some((_, parent, _)), Atomicity::NonTransactional) => {
                Remedy::from(format!("give `{parent}` the rows that they need")).or(accept())
            }
        };
        Fault::new(
            FaultKind::Other,
            format!("afterwards {}{why_not_mended}", self.said(["would reference"; 2])),
        )
        .remedy(remedy)
    }

    /// The violations in words, in the present tense.
    pub(crate) fn reason(&self) -> String {
        self.said(["references", "reference"])
    }

    /// The violations in words, with the verb for one row and the verb for several rows.
    fn said(&self, verbs: [&str; 2]) -> String {
        let unchecked = self
            .unchecked
            .iter()
            .map(|child| format!("the rows of `{child}` reference columns that are not there or not unique"));
        let rows = self.rows.iter().enumerate().map(|(place, (child, parent, count))| {
            let (rows, reference) = if *count == 1 { ("row", verbs[0]) } else { ("rows", verbs[1]) };
            match place {
                0 => format!("{count} {rows} of `{child}` {reference} missing rows of `{parent}`"),
                _ => format!("{count} {rows} of `{child}` missing rows of `{parent}`"),
            }
        });
        let references = self.references.iter().map(ToString::to_string);
        unchecked.chain(rows).chain(references).collect::<Vec<_>>().join(", and ")
    }
}
