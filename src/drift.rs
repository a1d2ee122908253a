//! [`Drift`]: how the schema of a database differs from what its applied migrations produce.

use std::fmt;

use crate::dialect::{Dialect, quote_in};
use crate::history::HistoryDigest;
use crate::id::MigrationId;
use crate::printable::Printable;
use crate::remedy::{Remedy, Render, Worded, Wording, for_programmers};
use crate::schema::{Definition, Schema, SchemaChange, ended};

/// How the schema of a database differs from what its applied migrations produce, as
/// [`MigrationRunner::drift`](crate::MigrationRunner::drift) finds it.
///
/// Its Display says in a few lines what is missing, extra or changed, each with the lines that differ, and what to do about it. A table whose
/// definition has another text but the same columns, keys and constraints is no difference.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The objects that differ. `before` is the statement as the migrations produce it, `after` as the database has it.
    pub changes: Vec<SchemaChange>,
    /// Why it is not known what the migrations produce, if it is not. Then there are no `changes`.
    pub unknown: Option<DriftReason>,
    /// Why a difference may have been there before the records: migrations that are recorded here and whose scripts did not run here. They
    /// are listed only if there are `changes`.
    pub doubts: Vec<DriftReason>,
    pub(crate) made: Schema,
    pub(crate) live: Schema,
    pub(crate) digest: HistoryDigest,
    pub(crate) dialect: Dialect,
    named: Vec<String>,
}

/// Why drift is unknown or in doubt. Its Display is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriftReason {
    /// The migration it is about, if it is about one.
    pub migration: Option<MigrationId>,
    /// The reason, worded to follow the id.
    pub why: String,
    /// What a person can do, if anything.
    pub remedy: Option<Remedy>,
}

impl DriftReason {
    pub(crate) fn of(migration: &MigrationId, why: impl Into<String>) -> Self {
        Self { migration: Some(migration.clone()), why: why.into(), remedy: None }
    }

    pub(crate) fn general(why: impl Into<String>) -> Self {
        Self { migration: None, why: why.into(), remedy: None }
    }

    pub(crate) fn asking(self, remedy: impl Into<Option<Remedy>>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

impl fmt::Display for DriftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.migration.iter().try_for_each(|id| write!(f, "`{id}` "))?;
        f.write_str(&self.why)
    }
}

/// The most lines of one object that the Display shows.
const MOST_LINES: usize = 20;

impl Drift {
    /// Compares two schemas.
    pub(crate) fn between(made: Schema, live: Schema, digest: HistoryDigest, dialect: Dialect) -> Self {
        let changes = made.changes_to(&live);
        Self { changes, unknown: None, doubts: Vec::new(), made, live, digest, dialect, named: Vec::new() }
    }

    /// It is not known what the migrations produce.
    pub(crate) fn not_known(
        reason: DriftReason,
        live: Schema,
        digest: HistoryDigest,
        dialect: Dialect,
    ) -> Self {
        Self {
            unknown: Some(reason),
            changes: Vec::new(),
            ..Self::between(Schema::default(), live, digest, dialect)
        }
    }

    /// Whether it is known that nothing differs.
    pub fn is_empty(&self) -> bool {
        self.unknown.is_none() && self.changes.is_empty()
    }

    /// The objects that the migrations produce and the database does not have.
    pub fn missing(&self) -> impl Iterator<Item = &SchemaChange> {
        self.changes.iter().filter(|change| change.after.is_none())
    }

    /// The objects that the database has and no applied migration makes.
    pub fn extra(&self) -> impl Iterator<Item = &SchemaChange> {
        self.changes.iter().filter(|change| change.before.is_none())
    }

    /// The objects that both have, with different definitions.
    pub fn changed(&self) -> impl Iterator<Item = &SchemaChange> {
        self.changes.iter().filter(|change| change.before.is_some() && change.after.is_some())
    }

    /// The same drift, whose repair also drops an extra index, trigger or view of this name, or repairs one of this name that is missing or
    /// changed although the drift is in doubt.
    ///
    /// [`MigrationRunner::repair_drift`](crate::MigrationRunner::repair_drift) refuses a name that is not among the differences.
    pub fn including(mut self, name: impl Into<String>) -> Self {
        self.named.push(name.into());
        self
    }

    /// The names to repair, in addition to what is repaired without being named.
    pub(crate) fn named(&self) -> &[String] {
        &self.named
    }

    /// Whether both describe the same difference of the same database.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parts = |drift: &'_ Self| (drift.unknown.is_none(), drift.digest);
        parts(self) == parts(other) && self.made == other.made && self.live == other.live
    }

    /// The differences that a repair removes: missing and changed indexes, triggers and views whose table is there, and what was named.
    pub(crate) fn repaired(&self) -> Vec<&SchemaChange> {
        let is_repaired = |change: &&SchemaChange| {
            let is_named = self.named.contains(&change.name);
            let is_certain = change.before.is_some() && self.doubts.is_empty();
            change.carries_no_data() && (is_named || is_certain) && self.has_table_of(change)
        };
        self.changes.iter().filter(is_repaired).collect()
    }

    /// Whether the table or view that an index or trigger belongs to is there, or will be there again.
    fn has_table_of(&self, change: &SchemaChange) -> bool {
        let is_table = |it: &&Definition| ["table", "view", "materialized view"].contains(&&*it.kind);
        let is_there = |schema: &Schema, kind: Option<&str>| {
            let is_it =
                |it: &Definition| it.is_named(&change.table) && kind.is_none_or(|kind| it.kind == kind);
            schema.definitions().iter().filter(is_table).any(is_it)
        };
        change.kind == "view"
            || change.before.is_none()
            || is_there(&self.live, None)
            || is_there(&self.made, Some("view"))
    }

    /// The differences as a script to look at and to take statements from: a repair runs those for missing and changed indexes, triggers and
    /// views. Statements that would lose rows or objects are comments, and so is what only a person can decide.
    pub fn sql(&self) -> String {
        let mut script = Vec::new();
        for change in &self.changes {
            let statements = match (&change.before, &change.after) {
                (Some(before), None) => vec![ended(before)],
                (None, _) if change.kind == "table" => {
                    vec![commented(&format!("{}; -- this loses its rows", self.drop_statement(change)))]
                }
                (None, _) => vec![commented(&format!("{};", self.drop_statement(change)))],
                (Some(before), Some(_)) if change.carries_no_data() => match self.replacement(change) {
                    Some(statement) => vec![ended(&statement)],
                    None => vec![format!("{};", self.drop_statement(change)), ended(before)],
                },
                (Some(before), Some(_)) => self.alterations(change, before),
            };
            script.push(format!("-- {}\n{}\n", headline(change), statements.join("\n")));
        }
        script.join("\n")
    }

    /// The statements that turn a table into what the migrations produce.
    fn alterations(&self, change: &SchemaChange, before: &str) -> Vec<String> {
        let columns =
            |schema: &'_ Schema| schema.find(change).map(Definition::columns).unwrap_or_default().to_vec();
        let (made, live) = (columns(&self.made), columns(&self.live));
        let quote = if self.dialect == Dialect::Mysql { '`' } else { '"' };
        let table = quote_in(&change.name, quote);
        let is_in = |columns: &[(String, String)], name: &str| {
            columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let added = made.iter().filter(|(name, _)| !is_in(&live, name));
        let added = added.map(|(_, column)| format!("ALTER TABLE {table} ADD COLUMN {column};"));
        let dropped = live.iter().filter(|(name, _)| !is_in(&made, name));
        let dropped = dropped.map(|(name, _)| {
            commented(&format!("ALTER TABLE {table} DROP COLUMN {name}; -- this loses its values"))
        });
        let mut statements: Vec<String> = added.chain(dropped).collect();
        statements.push(commented(&format!("the {} has to become\n{before}", change.kind)));
        statements
    }

    /// The statement that replaces a changed object without dropping it, where there is one. On PostgreSQL, the rights to a view and its
    /// comment would be dropped with it.
    pub(crate) fn replacement(&self, change: &SchemaChange) -> Option<String> {
        let before = change.before.as_deref().filter(|_| change.after.is_some())?;
        let is_view = self.dialect == Dialect::Postgres && change.kind == "view";
        let rest = before.strip_prefix("CREATE VIEW ").filter(|_| is_view)?;
        Some(format!("CREATE OR REPLACE VIEW {rest}"))
    }

    /// The statement that drops an object.
    pub(crate) fn drop_statement(&self, change: &SchemaChange) -> String {
        drop_statement(self.dialect, &change.kind, &change.name, &change.table)
    }

    /// What differs, one finding for each object: the object, the finding worded to follow its name, and the remedy.
    #[cfg(feature = "validation")]
    pub(crate) fn findings(&self) -> impl Iterator<Item = (&SchemaChange, String, Remedy)> {
        self.changes.iter().map(|change| {
            let kind = &change.kind;
            let (finding, remedy) = match (&change.before, &change.after) {
                (Some(_), None) => {
                    (format!("is missing: the applied migrations create this {kind}"), Remedy::RepairDrift)
                }
                (None, _) => {
                    (format!("is extra: no applied migration creates this {kind}"), Remedy::RepairNamed)
                }
                (Some(_), Some(_)) => (
                    format!("is changed: the applied migrations define this differently: {kind}"),
                    Remedy::RepairDrift,
                ),
            };
            let remedy = if change.carries_no_data() { remedy } else { Remedy::ShowDriftSql };
            let remedy = if change.before.is_none() { remedy.or(Remedy::IgnoreInDrift) } else { remedy };
            (change, finding, remedy)
        })
    }

    /// What differs, then the remedies in your words. The Display words them for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }

    fn advice(&self, wording: Wording<'_>) -> Vec<String> {
        let (mut advice, repaired) = (Vec::new(), self.repaired());
        let mut say = |lead: &str, changes: &[&SchemaChange], remedy: &Remedy| {
            let names: Vec<String> =
                changes.iter().map(|change| format!("`{}`", Printable(&change.name))).collect();
            if !names.is_empty() {
                advice.push(format!("{lead}{}: {}", names.join(", "), wording(remedy)));
            }
        };
        let left = |is_extra: bool| -> Vec<&SchemaChange> {
            let is_left = |change: &&SchemaChange| {
                change.carries_no_data()
                    && change.before.is_none() == is_extra
                    && !repaired.contains(change)
                    && self.has_table_of(change)
            };
            self.changes.iter().filter(is_left).collect()
        };
        let data: Vec<_> = self.changes.iter().filter(|change| !change.carries_no_data()).collect();
        let extra: Vec<_> = self.extra().collect();
        say("to recreate ", &repaired, &Remedy::RepairDrift);
        say("to recreate ", &left(false), &Remedy::RepairNamed);
        say("to drop ", &left(true), &Remedy::RepairNamed);
        say("to correct ", &data, &Remedy::ShowDriftSql);
        say("to keep ", &extra, &Remedy::IgnoreInDrift);
        let doubts = self
            .doubts
            .iter()
            .map(|doubt| format!("note: {doubt}, so the difference may be older than the records"));
        advice.splice(0..0, doubts);
        advice
    }
}

impl Render for Drift {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        if let Some(reason) = &self.unknown {
            write!(f, "drift cannot be determined: {reason}")?;
            return reason.remedy.iter().try_for_each(|remedy| write!(f, "; {}", wording(remedy)));
        }
        match self.changes.len() {
            0 => return f.write_str("no drift: the schema is the one that the applied migrations produce"),
            1 => write!(f, "1 object differs")?,
            count => write!(f, "{count} objects differ")?,
        }
        writeln!(f, " between the schema that the applied migrations produce (-) and this database (+):")?;
        for change in &self.changes {
            writeln!(f, "\n{}", headline(change))?;
            let diff = change.diff();
            for line in diff.lines().take(MOST_LINES) {
                writeln!(f, "    {}", Printable(line))?;
            }
            let rest = diff.lines().count().saturating_sub(MOST_LINES);
            if rest > 0 {
                writeln!(f, "    ... and {rest} more lines")?;
            }
        }
        self.advice(wording).iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)
    }
}

/// An object and how it differs: missing index `by_date` of `notes`.
fn headline(change: &SchemaChange) -> String {
    let what = match (&change.before, &change.after) {
        (Some(_), None) => "missing",
        (None, _) => "extra",
        (Some(_), Some(_)) => "changed",
    };
    let of = if change.table == change.name || change.table.is_empty() {
        String::new()
    } else {
        format!(" of `{}`", Printable(&change.table))
    };
    format!("{what} {} `{}`{of}", change.kind, Printable(&change.name))
}

/// The statement that drops an object. On SQLite, it drops the one of the main database.
fn drop_statement(dialect: Dialect, kind: &str, name: &str, table: &str) -> String {
    let quote = if dialect == Dialect::Mysql { '`' } else { '"' };
    let place = if dialect == Dialect::Sqlite { "main." } else { "" };
    if ["function", "procedure", "aggregate"].contains(&kind) && name.ends_with(')') {
        // The name has the types of the arguments, and the server has written it.
        return format!("DROP {} {name}", kind.to_uppercase());
    }
    let of = if dialect == Dialect::Postgres && ["trigger", "policy"].contains(&kind) {
        format!(" ON {}", quote_in(table, quote))
    } else {
        String::new()
    };
    format!("DROP {} {place}{}{of}", kind.to_uppercase(), quote_in(name, quote))
}

/// A text as comments.
fn commented(text: &str) -> String {
    text.lines().map(|line| format!("-- {line}")).collect::<Vec<_>>().join("\n")
}
