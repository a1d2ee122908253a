//! [`Approved`]: a plan that may be carried out.

use crate::error::{Failure, Result};
use crate::plan::Plan;
use crate::problem::{Problem, ProblemKind};

/// A plan that nothing forbids. It is all that the executor takes, so the check cannot be forgotten.
#[derive(Debug)]
pub(crate) struct Approved(Plan);

impl Plan {
    /// Lets the plan pass if no finding forbids it.
    ///
    /// # Errors
    /// All findings that do.
    pub(crate) fn approve(self) -> Result<Approved> {
        self.refuse_if(|_| true)?;
        Ok(Approved(self))
    }

    /// Refuses the plan if one of the findings that forbid it is like this.
    ///
    /// # Errors
    /// All findings that forbid it.
    pub(crate) fn refuse_if(&self, counts: impl Fn(ProblemKind) -> bool) -> Result<()> {
        let refused: Vec<Problem> =
            self.problems().iter().filter(|problem| problem.kind.is_refused()).cloned().collect();
        if refused.iter().any(|problem| counts(problem.kind)) {
            return Err(Failure::Refused(refused).into());
        }
        Ok(())
    }
}

impl Approved {
    pub(crate) fn into_plan(self) -> Plan {
        self.0
    }
}

impl ProblemKind {
    /// Whether a plan with this finding is refused; the other findings are reported.
    ///
    /// A start at a customer's must not fail for something that harms nobody, and nothing that could lose data or leave
    /// the schema half known may pass.
    pub const fn is_refused(self) -> bool {
        match self {
            Self::DatabaseAhead
            | Self::Changed
            | Self::Dirty
            | Self::NeedsExcluded
            | Self::Irreversible
            | Self::NotInBatch => true,
            Self::OutOfOrder
            | Self::OtherDatabase
            | Self::OtherEnvironment
            | Self::Unconventional
            | Self::UnusedFile => false,
        }
    }
}
