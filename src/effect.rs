//! [`Effect`]: what a step takes away, as far as it can be known before it is done.

use std::fmt;

use crate::fault::Fault;
use crate::script_options::{Atomicity, ForeignKeys};

mod scan;

pub(crate) use scan::scan;

/// Something that a step takes away. Its Display is a clause: "drops the table `notes` with 12 rows".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effect {
    /// What becomes of it.
    pub kind: EffectKind,
    /// The table, index, trigger or view, by the name it has before the plan is carried out.
    pub object: String,
    /// Of a column, its name; `object` is its table.
    pub column: Option<String>,
    /// How many rows the table has now; of a column, how many rows have a value in it. `None` where nothing was counted.
    pub rows: Option<u64>,
    /// How this is known.
    pub evidence: Evidence,
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EffectKind {
    /// A table goes with its rows.
    DropsTable,
    /// A table goes, and another one has its name afterwards: a rebuild. Whether all rows went over is the script's business.
    ReplacesTable,
    /// A column goes with its values.
    DropsColumn,
    /// An index goes. It holds nothing that its table does not.
    DropsIndex,
    /// A trigger goes.
    DropsTrigger,
    /// A view goes.
    DropsView,
    /// Some or all rows of a table go, perhaps none.
    DeletesRows,
    /// Something may go that is not known: a statement could not be tried out. `object` says why.
    Unknown,
}

impl EffectKind {
    /// Whether something goes that nothing in the database could bring back.
    pub const fn is_destructive(self) -> bool {
        !matches!(self, Self::DropsIndex)
    }
}

/// How an effect is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// The database said it, of a copy of the schema.
    SchemaCopy,
    /// The text of the script says it. Names are not resolved, and what triggers and views do is not seen.
    Text,
}

impl Effect {
    /// An effect on a whole object, nothing counted.
    pub fn new(kind: EffectKind, object: impl Into<String>, evidence: Evidence) -> Self {
        Self { kind, object: object.into(), column: None, rows: None, evidence }
    }

    /// On this column of it.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
            EffectKind::Unknown => return write!(f, "may take something away: {object}"),
        }
        let (one, many) = match kind {
            EffectKind::DropsColumn => ("value", "values"),
            _ => ("row", "rows"),
        };
        let with = if *kind == EffectKind::DeletesRows { ", which has" } else { " with" };
        match rows {
            None => {}
            Some(1) => write!(f, "{with} 1 {one}")?,
            Some(rows) => write!(f, "{with} {rows} {many}")?,
        }
        match evidence {
            Evidence::SchemaCopy => Ok(()),
            Evidence::Text => f.write_str(" (as its text reads)"),
        }
    }
}

/// What is lost, in words, if something is.
pub(crate) fn losses(effects: &[Effect]) -> Option<String> {
    let lost: Vec<String> =
        effects.iter().filter(|effect| effect.kind.is_destructive()).map(ToString::to_string).collect();
    (!lost.is_empty()).then(|| lost.join(", "))
}

/// What is to be expected of a script.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Forecast {
    /// What it takes away.
    pub effects: Vec<Effect>,
    /// The first thing that went wrong on the copy of the schema; of a script that came out of the database, also what it must
    /// not do.
    pub failure: Option<Fault>,
    /// The rows that would reference a table which is not there when it has run, and was there before all of them.
    pub orphans: Vec<Unparented>,
}

/// Rows that would reference a missing table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "a backend makes them")]
pub struct Unparented {
    /// Their table, by the name it has before the plan is carried out.
    pub child: String,
    /// The table that is missing.
    pub parent: String,
    /// How many.
    pub rows: u64,
}

impl Forecast {
    /// Nothing is known to go, and nothing went wrong.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Where a script comes from, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// From the program: whatever it does, its author means it.
    Program,
    /// From the database, which anybody can have written: it may change the schema and the rows of the application, and nothing
    /// else.
    Database,
}

/// A script whose effects are wanted.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PlannedScript<'a> {
    /// The script; `None` for code, whose effects nobody can know.
    pub text: Option<&'a str>,
    /// Where it comes from.
    pub trust: Trust,
    /// The enforcement of foreign keys it runs under.
    pub foreign_keys: ForeignKeys,
    /// Whether it runs in a transaction of the engine's.
    pub atomicity: Atomicity,
}

impl<'a> PlannedScript<'a> {
    /// A script, or code.
    pub fn new(text: Option<&'a str>, trust: Trust) -> Self {
        Self { text, trust, foreign_keys: ForeignKeys::Checked, atomicity: Atomicity::Transaction }
    }

    /// Outside a transaction, where it does not run in one.
    pub fn running(self, atomicity: Atomicity) -> Self {
        Self { atomicity, ..self }
    }

    /// Under another enforcement of foreign keys than the default.
    pub fn under(self, foreign_keys: ForeignKeys) -> Self {
        Self { foreign_keys, ..self }
    }
}
