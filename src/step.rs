//! [`Step`]: one thing a plan does.

use std::fmt;

use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::effect::{Effect, losses};
use crate::id::MigrationId;

pub(crate) use crate::script_options::{Atomicity, Cascade, DataLoss, ForeignKeys};

/// Which script of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Apply it.
    Up,
    /// Undo it.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// One migration to run, in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which migration.
    pub id: MigrationId,
    /// Which way.
    pub direction: Direction,
    /// In a transaction or not.
    pub atomicity: Atomicity,
    /// The statement of its script at which it goes on, if it began before and did not finish.
    pub from: Option<u32>,
    /// What its author says it does.
    pub description: Option<String>,
    /// The migrations it needs before it, in their order; going back, none.
    pub needs: Vec<MigrationId>,
    /// The databases it is limited to; empty means it is for all.
    pub databases: Vec<Dialect>,
    /// The environments it is limited to; empty means it is for all.
    pub environments: Vec<String>,
    /// Where it is defined: a file, or a line of code.
    pub origin: String,
    /// The checksum of what will run, to be recorded.
    pub checksum: Option<Checksum>,
    /// Whether its script is the one stored in the database, since the program does not know the migration.
    pub is_stored: bool,
    /// What it takes away; `None` if nobody looked.
    pub effects: Option<Vec<Effect>>,
}

impl Step {
    /// Whether two plans mean the same by it, whatever they know of its effects.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parts = |step: &Self| (step.direction, step.atomicity, step.from, step.checksum, step.is_stored);
        self.id == other.id && parts(self) == parts(other)
    }

    /// Whether another plan's look at it found the same, but for the number of rows; or nobody looked.
    pub(crate) fn has_same_effects(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.effects, &other.effects) else { return true };
        let parts = |effect: &Effect| (effect.kind, effect.object.clone(), effect.column.clone());
        own.iter().map(parts).eq(others.iter().map(parts))
    }

    /// Why somebody should be asked before it runs in a protected environment.
    pub(crate) fn reason_to_ask(&self) -> Option<String> {
        match (self.direction, self.effects.as_deref()) {
            (Direction::Down, _) => Some("would be undone".to_owned()),
            (Direction::Up, Some(effects)) => losses(effects),
            (Direction::Up, None) => {
                Some("may take anything away, which is not known before it runs".to_owned())
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.direction, self.id)?;
        if let Some(description) = &self.description {
            write!(f, ": {description}")?;
        }
        list(f, "needs", &self.needs)?;
        list(f, "only on", &self.databases)?;
        list(f, "only in", &self.environments)?;
        if self.atomicity == Atomicity::NonTransactional {
            write!(f, "; outside a transaction")?;
        }
        if let Some(statement) = self.from {
            write!(f, "; goes on at statement {statement}")?;
        }
        write!(f, " ({})", self.origin)?;
        self.effects.iter().flatten().try_for_each(|effect| write!(f, "\n     {effect}"))
    }
}

/// `; needs a, b`, or nothing.
fn list(f: &mut fmt::Formatter<'_>, what: &str, names: &[impl fmt::Display]) -> fmt::Result {
    for (place, name) in names.iter().enumerate() {
        match place {
            0 => write!(f, "; {what} {name}")?,
            _ => write!(f, ", {name}")?,
        }
    }
    Ok(())
}
