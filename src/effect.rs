//! [`Effect`]: what a step removes, as far as that is known before it runs.

use std::fmt::{self, Write};

use crate::account::StepFinding;
use crate::fault::Fault;
use crate::printable::Escaped;
use crate::script_options::{Atomicity, ForeignKeys};

mod scan;

pub(crate) use scan::scan;

/// Something that a step removes. Its `Display` is a clause: "drops the table `notes` with 12 rows".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// What happens to it.
    pub kind: EffectKind,
    /// The table, index, trigger or view, by the name that it has before the plan runs.
    pub object: String,
    /// The name of the column, if the effect is on a column; `object` is then its table.
    pub column: Option<String>,
    /// The number of rows that the table has now; for a column, the number of rows with a value in it. `None` if nothing was counted.
    pub rows: Option<u64>,
    /// How this is known.
    pub evidence: Evidence,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EffectKind {
    /// A table is removed with its rows.
    DropsTable,
    /// A table is removed and another table then has its name, as in a rebuild. Whether all rows were copied is checked when it runs.
    ReplacesTable,
    /// A column is removed with its values.
    DropsColumn,
    /// An index is removed. It holds nothing that its table does not hold.
    DropsIndex,
    /// A trigger is removed.
    DropsTrigger,
    /// A view is removed.
    DropsView,
    /// Rows of a table are deleted: all, some or none.
    DeletesRows,
    /// Rows of a table are overwritten: all, some or none.
    OverwritesRows,
    /// A column gets a type that may not hold its values: they may be cut or rounded.
    ChangesType,
    /// A schema is removed with everything in it.
    DropsSchema,
    /// A database is removed with everything in it.
    DropsDatabase,
    /// Everything that a role owns is removed.
    DropsOwned,
    /// Something else is removed: a sequence, a role, or what `CASCADE` takes with it, such as a constraint, a default or a function. `object`
    /// has its type and its name.
    DropsObject,
    /// Rows leave a table, and another table has them: a partition that is detached or exchanged.
    MovesRows,
    /// A table keeps its rows from now on only until the server stops, or until it crashes.
    MakesVolatile,
    /// What depends on an object is removed with it, and what that is was not determined.
    DropsDependents,
    /// Something runs whose effect is not in the text, such as a routine. `object` is the statement, or the trigger or rule with its table.
    Unread,
    /// It is unknown whether something is removed: a statement could not be tried out. `object` says why.
    Unknown,
}

impl EffectKind {
    /// Whether it removes something that nothing in the database can restore, or may do so. Rows that are overwritten do not count, since
    /// every script that seeds or fills a table does that.
    pub const fn is_destructive(self) -> bool {
        !matches!(self, Self::DropsIndex | Self::OverwritesRows | Self::MovesRows)
    }
}

/// How an effect is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The database reported it, on a copy of the schema.
    SchemaCopy,
    /// The text of the script and the catalogue of the database say it. The number of rows is an estimate.
    Catalog,
    /// The text of the script says it. Names are not resolved, and the effects of triggers and views are not seen.
    Text,
}

impl Effect {
    /// An effect on a whole object, without a count.
    pub fn new(kind: EffectKind, object: impl Into<String>, evidence: Evidence) -> Self {
        Self { kind, object: object.into(), column: None, rows: None, evidence }
    }

    /// Sets the column of the object.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        let Self { kind, object, column, rows, evidence } = self;
        match kind {
            EffectKind::DropsTable => write!(f, "drops the table `{object}`")?,
            EffectKind::ReplacesTable => write!(f, "replaces the table `{object}`")?,
            EffectKind::DropsColumn => {
                write!(f, "drops the column `{object}.{}`", column.as_deref().unwrap_or("?"))?;
            }
            EffectKind::DropsIndex => write!(f, "drops the index `{object}`")?,
            EffectKind::DropsTrigger => write!(f, "drops the trigger `{object}`")?,
            EffectKind::DropsView => write!(f, "drops the view `{object}`")?,
            EffectKind::DeletesRows => write!(f, "deletes rows of `{object}`")?,
            EffectKind::OverwritesRows => write!(f, "overwrites rows of `{object}`")?,
            EffectKind::ChangesType => write!(
                f,
                "changes the type of the column `{object}.{}`, which can cut its values",
                column.as_deref().unwrap_or("?")
            )?,
            EffectKind::DropsSchema => write!(f, "drops the schema `{object}` and all in it")?,
            EffectKind::DropsDatabase => write!(f, "drops the database `{object}` and all in it")?,
            EffectKind::DropsOwned => write!(f, "drops all that `{object}` owns")?,
            EffectKind::DropsObject => write!(f, "drops the {object}")?,
            EffectKind::MovesRows => write!(f, "moves rows of `{object}` into another table")?,
            EffectKind::MakesVolatile => {
                write!(f, "makes `{object}` a table that can lose all rows when the server stops")?;
            }
            EffectKind::DropsDependents => write!(f, "drops all that depends on the {object}")?,
            EffectKind::Unread => return write!(f, "runs `{object}`, and what it does cannot be read"),
            EffectKind::Unknown => return write!(f, "may remove something: {object}"),
        }
        let (one, many) = match kind {
            EffectKind::DropsColumn => ("value", "values"),
            _ => ("row", "rows"),
        };
        let with = if *kind == EffectKind::DeletesRows { ", which has" } else { " with" };
        let about = if *evidence == Evidence::Catalog { " about" } else { "" };
        match rows {
            None => {}
            Some(1) => write!(f, "{with}{about} 1 {one}")?,
            Some(rows) => write!(f, "{with}{about} {rows} {many}")?,
        }
        match evidence {
            Evidence::SchemaCopy | Evidence::Catalog => Ok(()),
            Evidence::Text => f.write_str(" (as its text reads)"),
        }
    }
}

/// The destructive effects in words; `None` if there are none.
pub(crate) fn losses(effects: &[Effect]) -> Option<String> {
    let lost: Vec<String> =
        effects.iter().filter(|effect| effect.kind.is_destructive()).map(ToString::to_string).collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// The expected results of a script.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Forecast {
    /// What it removes.
    pub effects: Vec<Effect>,
    /// The first failure on the copy of the schema. For a script from the database, this includes a forbidden action.
    pub failure: Option<Fault>,
    /// What makes it fail, as far as that is certain.
    pub cause: FailureCause,
    /// Words in double quotes that the database takes as texts, since they name nothing.
    pub quoted: Vec<QuotedText>,
    /// The rows that would reference a table that is missing after the script and existed before all of the scripts.
    pub orphans: Vec<Unparented>,
    /// What else would refer to something that is missing after the script, and did not before all of the scripts; `None` if that is
    /// unknown.
    pub references: Option<Vec<StepFinding>>,
}

/// What makes a script fail on a copy.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCause {
    /// Unknown. The copy may lack something that the live database or the connection has.
    #[default]
    Unknown,
    /// The script does not fit the schema. It fails in the live database too.
    Schema,
    /// The script does not fit rows of the live database, and fails there too.
    Rows,
}

/// A word in double quotes that is a text for the database, since it names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a backend creates them")]
pub struct QuotedText {
    /// The word, without its quotes.
    pub text: String,
    /// Its position in the script, as a byte offset.
    pub offset: usize,
    /// The statement.
    pub statement: String,
}

/// How many rows of the live database a trial uses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sample {
    /// None, and statements over rows do not run.
    None,
    /// A few of each table, for a plan.
    #[default]
    Small,
    /// As many as fit into a limited memory, for a validation. Reading a whole table is also allowed.
    Large,
}

/// Rows that would reference a missing table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a backend creates them")]
pub struct Unparented {
    /// Their table, by the name that it has before the plan runs.
    pub child: String,
    /// The table that is missing.
    pub parent: String,
    /// The number of rows.
    pub rows: u64,
}

impl Forecast {
    /// A forecast without effects and without a failure.
    pub fn new() -> Self {
        Self::default()
    }

    /// With positions in a script of which only the part from `begin` on was tried.
    pub(crate) fn after(mut self, begin: usize) -> Self {
        if let Some(offset) = self.failure.as_mut().and_then(|failure| failure.details.offset.as_mut()) {
            *offset += begin;
        }
        self.quoted.iter_mut().for_each(|quoted| quoted.offset += begin);
        self
    }

    /// The failure, if it is certain that the script fails in the live database.
    pub(crate) fn certain_failure(&self) -> Option<&Fault> {
        self.failure.as_ref().filter(|_| self.cause != FailureCause::Unknown)
    }
}

/// Where a script comes from, and thus what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// The program. Everything that the script does is intended by its author.
    Program,
    /// The database, which anybody may have written to. The script may change the schema and the rows of the application, and nothing
    /// else.
    Database,
}

/// A script whose effects are to be determined.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PlannedScript<'a> {
    /// The script; `None` for code, whose effects are unknown.
    pub text: Option<&'a str>,
    /// Where it comes from.
    pub trust: Trust,
    /// The enforcement of foreign keys it runs under.
    pub foreign_keys: ForeignKeys,
    /// Whether it runs in a transaction of the engine.
    pub atomicity: Atomicity,
}

impl<'a> PlannedScript<'a> {
    /// A script, or code.
    pub fn new(text: Option<&'a str>, trust: Trust) -> Self {
        Self { text, trust, foreign_keys: ForeignKeys::Checked, atomicity: Atomicity::Transaction }
    }

    /// Sets whether it runs in a transaction.
    pub fn running(self, atomicity: Atomicity) -> Self {
        Self { atomicity, ..self }
    }

    /// Sets the enforcement of foreign keys, if it is not the default.
    pub fn under(self, foreign_keys: ForeignKeys) -> Self {
        Self { foreign_keys, ..self }
    }
}
