//! [`StepFailure`]: a script or function that failed, and [`Remains`], what is left of it.

use std::fmt;

use super::display::Abridged;
use crate::fault::Fault;
use crate::id::MigrationId;
use crate::location::Location;
use crate::step::{Atomicity, Direction};

/// A script or a function that failed.
#[derive(Debug)]
pub(crate) struct StepFailure {
    pub(crate) migration: MigrationId,
    pub(crate) direction: Direction,
    pub(crate) remains: Remains,
    pub(crate) at: Location,
    pub(crate) fault: Fault,
    pub(crate) applied_before: usize,
    /// The steps before it that were one transaction with it.
    pub(crate) undone_before: Vec<MigrationId>,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.direction {
            Direction::Up => "migration",
            Direction::Down => "rollback of",
        };
        write!(f, "{verb} `{}` failed at {}", self.migration, self.at)?;
        if let Some((_, text)) = &self.fault.statement {
            write!(f, " in `{}`", Abridged(text))?;
        }
        write!(f, ": {}; {}", self.fault, self.remains)?;
        if let Some(first) = self.undone_before.first() {
            let steps = if self.undone_before.len() == 1 { "is" } else { "and those behind it are" };
            write!(f, ", `{first}` {steps} one transaction with it and undone too")?;
        }
        if self.applied_before > 0 {
            let (steps, were) = if self.applied_before == 1 { ("step", "was") } else { ("steps", "were") };
            write!(f, ", {} {steps} before it {were} done and kept", self.applied_before)?;
        }
        match self.remains {
            Remains::Dirty => {
                let remedy = self.fault.remedy.as_deref().unwrap_or("correct it");
                write!(
                    f,
                    "; {remedy}; then call `recover` with `Recovery::Retry` to have it go on where it stopped, or finish it by hand and \
                     call it with `Recovery::MarkDone`"
                )
            }
            Remains::InDoubt => f.write_str("; run again, which finds out"),
            _ => write!(f, "; {}", self.fault.advice().unwrap_or("correct it and run again")),
        }
    }
}

/// What is left of a step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    Nothing,
    /// Of a step that was to go on: what was done before.
    Before,
    /// Of a step outside a transaction: its record, marked dirty, and what it did.
    Dirty,
    /// Of code that ended its transaction: perhaps what it did, and no record.
    Perhaps,
    /// All that was to be committed, or nothing.
    InDoubt,
    /// What is another run's by now.
    Theirs,
}

impl Remains {
    pub(crate) fn of(atomicity: Atomicity, fault: &Fault) -> Self {
        match atomicity {
            _ if fault.is_taken_over => Self::Theirs,
            Atomicity::NonTransactional => Self::Dirty,
            Atomicity::Transaction if fault.has_lost_transaction => Self::Perhaps,
            Atomicity::Transaction if fault.is_in_doubt => Self::InDoubt,
            Atomicity::Transaction => Self::Nothing,
        }
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing of it was kept",
            Self::Before => "what was done of it before stays, and it is to go on here",
            Self::Dirty => {
                "it runs outside a transaction, so what it did before stays and it is marked dirty"
            }
            Self::Perhaps => "it is not recorded, but what it committed by itself stays",
            Self::InDoubt => {
                "the connection was lost during a commit, and whether that was done is not known"
            }
            Self::Theirs => "this run does nothing more",
        })
    }
}
