//! [`StepFailure`]: a failed script or function, and [`Remains`]: what remains of it.

use std::fmt::{self, Write};

use crate::direction::Direction;
use crate::fault::{Fault, FaultKind};
use crate::id::MigrationId;
use crate::location::Location;
use crate::notice::Notice;
use crate::problem::Problem;
use crate::remedy::Remedy;
use crate::step::Atomicity;

/// A failed script or function.
#[derive(Debug)]
pub(crate) struct StepFailure {
    pub(crate) migration: MigrationId,
    pub(crate) direction: Direction,
    pub(crate) remains: Remains,
    pub(crate) at: Location,
    pub(crate) fault: Fault,
    pub(crate) applied_before: usize,
    /// The previous steps in the same transaction.
    pub(crate) undone_before: Vec<MigrationId>,
    /// What it did that the policy does not allow.
    pub(crate) problems: Vec<Problem>,
    /// What the server said about the statements before the one that failed.
    pub(crate) notices: Vec<Notice>,
    /// How often it was tried.
    pub(crate) tries: u32,
}

impl StepFailure {
    pub(super) fn what(&self) -> String {
        let verb = match self.direction {
            Direction::Up => "migration",
            Direction::Down => "rollback of",
        };
        if self.fault.details.is_cancel {
            return format!("the run was cancelled in {verb} `{}`", self.migration);
        }
        format!("{verb} `{}` failed", self.migration)
    }

    /// What remains of it and of the previous steps.
    pub(super) fn outcome(&self) -> String {
        let mut outcome = match (self.remains, self.undone()) {
            (Remains::Dirty, Some((first, undone))) => format!(
                "it runs outside a transaction: {undone} stay, and it is marked dirty at statement {first}"
            ),
            (Remains::Before, Some((first, _))) => {
                format!("what was done before stays, and it will continue at statement {first}")
            }
            (remains, _) => remains.to_string(),
        };
        if self.tries > 1 {
            let _ = write!(outcome, ", it was tried {} times", self.tries);
        }
        if let Some(first) = self.undone_before.first() {
            let steps = if self.undone_before.len() == 1 { "is" } else { "and those after it are" };
            let _ = write!(outcome, ", `{first}` {steps} one transaction with it and undone too");
        }
        if self.applied_before > 0 {
            let (steps, were) = if self.applied_before == 1 { ("step", "was") } else { ("steps", "were") };
            let _ = write!(outcome, ", {} {steps} before it {were} done and kept", self.applied_before);
        }
        outcome
    }

    /// The statements before the failed one that were undone with it, if there are any: the first, and words about all of them that "stay"
    /// follows.
    fn undone(&self) -> Option<(u32, String)> {
        let first = self.fault.details.undone_from?;
        let failed = self.fault.details.statement.as_ref().map(|(number, _)| *number)?;
        match failed.checked_sub(first)? {
            0 => None,
            1 => Some((first, format!("statement {first} was undone with it, the statements before it"))),
            _ => {
                let last = failed - 1;
                let words =
                    format!("statements {first} to {last} were undone with it, the statements before them");
                Some((first, words))
            }
        }
    }

    pub(super) fn remedy(&self) -> Remedy {
        match self.remains {
            Remains::Dirty if self.fault.details.is_cancel => {
                Remedy::Retry.or(Remedy::MarkDone { direction: self.direction })
            }
            Remains::Before if self.fault.details.is_cancel && self.direction == Direction::Down => {
                Remedy::RollBack
            }
            Remains::Nothing | Remains::Before if self.fault.details.is_cancel => {
                "run again to continue".into()
            }
            Remains::Perhaps if self.fault.details.is_cancel => "see what it committed, and run again".into(),
            // There is nothing to correct in the script.
            Remains::Dirty if self.fault.kind() == FaultKind::Disconnected => {
                Remedy::Retry.or(Remedy::MarkDone { direction: self.direction })
            }
            Remains::Dirty => {
                let correct = self.fault.own_remedy().unwrap_or_else(|| match self.fault.kind() {
                    FaultKind::Full => "make room on the disk".into(),
                    FaultKind::ReadOnly => "make the file and its folder writable".into(),
                    FaultKind::Busy => "wait until the other connection has finished".into(),
                    _ => "correct it".into(),
                });
                if correct.settles() {
                    return correct.towards(self.direction);
                }
                correct.then(Remedy::Retry.or(Remedy::MarkDone { direction: self.direction }))
            }
            Remains::Unrecorded => {
                let again = Remedy::from("restore the tracking table from a backup").or(Remedy::Baseline);
                // Otherwise it was another program.
                let is_of_script = self.fault.details.is_unrecorded;
                if is_of_script { again.then("take that statement out of the script") } else { again }
            }
            Remains::InDoubt => {
                let again = "run again; the next run finds out";
                self.fault.own_remedy().map_or(again.into(), |cause| cause.then(again))
            }
            _ => self.fault.advice().unwrap_or_else(|| "correct it and run again".into()),
        }
    }
}

/// What remains of a failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remains {
    Nothing,
    /// For a step that continued: what was done before.
    Before,
    /// For a step outside a transaction: its effects and its record, which is marked dirty.
    Dirty,
    /// For code that ended its transaction: possibly its effects, and no record.
    Perhaps,
    /// Either everything that was being committed, or nothing.
    InDoubt,
    /// The record belongs to another run.
    Theirs,
    /// For a step outside a transaction: its effects. Its record is gone, with those of others or alone.
    Unrecorded,
}

impl Remains {
    pub(crate) fn of(atomicity: Atomicity, fault: &Fault) -> Self {
        match atomicity {
            _ if fault.details.is_taken_over => Self::Theirs,
            _ if fault.details.is_unrecorded => Self::Unrecorded,
            Atomicity::NonTransactional => Self::Dirty,
            Atomicity::Transaction if fault.details.has_lost_transaction => Self::Perhaps,
            Atomicity::Transaction if fault.details.is_in_doubt => Self::InDoubt,
            Atomicity::Transaction => Self::Nothing,
        }
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing of it was kept",
            Self::Before => "what was done before stays, and it will continue here",
            Self::Dirty => {
                "it runs outside a transaction, so what it did before stays and it is marked dirty"
            }
            Self::Perhaps => "it is not recorded, but what it committed by itself stays",
            Self::InDoubt => "it failed during a commit, and whether that was done is not known",
            Self::Theirs => "this run does nothing more",
            Self::Unrecorded => {
                "it runs outside a transaction, so what it did stays, and the tracking table no longer has its record"
            }
        })
    }
}
