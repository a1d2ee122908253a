//! [`Step`]: one step of a plan.

use std::fmt;

use crate::checksum::Checksum;
use crate::dialect::Dialect;
use crate::direction::Direction;
use crate::effect::{Effect, losses};
use crate::id::MigrationId;
use crate::printable::Printable;

pub(crate) use crate::script_options::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};

/// One migration to run, in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The id of the migration.
    pub id: MigrationId,
    /// The direction.
    pub direction: Direction,
    /// Whether it runs in a transaction.
    pub atomicity: Atomicity,
    /// The statement of its script at which it continues, if it began before and did not finish.
    pub from: Option<u32>,
    /// The author's description.
    pub description: Option<String>,
    /// The migrations it needs, in order; empty when rolling back.
    pub needs: Vec<MigrationId>,
    /// The databases it is limited to; if empty, it runs on all.
    pub databases: Vec<Dialect>,
    /// The environments it is limited to; if empty, it runs in all.
    pub environments: Vec<String>,
    /// Where it is defined: a file, or a line of code.
    pub origin: String,
    /// The checksum to record.
    pub checksum: Option<Checksum>,
    /// Whether its script is the one stored in the database, because the program does not know the migration.
    pub is_stored: bool,
    /// What it destroys; `None` if that was not determined.
    pub effects: Option<Vec<Effect>>,
}

#[cfg(test)]
impl Step {
    /// A step that applies this migration in a transaction.
    pub(crate) fn up(id: &str) -> Self {
        Self {
            id: id.into(),
            direction: Direction::Up,
            atomicity: Atomicity::Transaction,
            from: None,
            description: None,
            needs: Vec::new(),
            databases: Vec::new(),
            environments: Vec::new(),
            origin: String::new(),
            checksum: None,
            is_stored: false,
            effects: None,
        }
    }
}

impl Step {
    /// Whether it means the same in two plans, apart from its effects.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let parts = |step: &Self| (step.direction, step.atomicity, step.from, step.checksum, step.is_stored);
        self.id == other.id && parts(self) == parts(other)
    }

    /// Whether the other plan has the same effects, except for the number of rows; or one plan did not determine them.
    pub(crate) fn has_same_effects(&self, other: &Self) -> bool {
        let (Some(own), Some(others)) = (&self.effects, &other.effects) else { return true };
        let parts = |effect: &Effect| (effect.kind, effect.object.clone(), effect.column.clone());
        own.iter().map(parts).eq(others.iter().map(parts))
    }

    /// Why it needs confirmation in a protected environment.
    pub(crate) fn confirmation_reason(&self) -> Option<String> {
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
            write!(f, ": {}", Printable(description))?;
        }
        list(f, "needs", &self.needs)?;
        list(f, "only on", &self.databases)?;
        list(f, "only in", &self.environments)?;
        if self.atomicity == Atomicity::NonTransactional {
            write!(f, "; outside a transaction")?;
        }
        if let Some(statement) = self.from {
            write!(f, "; continues at statement {statement}")?;
        }
        write!(f, " ({})", Printable(&self.origin))?;
        self.effects.iter().flatten().try_for_each(|effect| write!(f, "\n     {effect}"))
    }
}

/// `; needs a, b`, or nothing.
fn list(f: &mut fmt::Formatter<'_>, what: &str, names: &[impl fmt::Display]) -> fmt::Result {
    for (place, name) in names.iter().enumerate() {
        match place {
            0 => write!(f, "; {what} {}", Printable(&name.to_string()))?,
            _ => write!(f, ", {}", Printable(&name.to_string()))?,
        }
    }
    Ok(())
}
