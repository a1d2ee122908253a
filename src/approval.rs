//! [`Approved`]: a plan that may be carried out; and what keeps others from it.

use crate::error::{Failure, Result};
use crate::plan::Plan;
use crate::problem::{Problem, ProblemKind, Verdict};

/// A plan that nothing forbids. It is all that the executor takes, so the check cannot be forgotten.
#[derive(Debug)]
pub(crate) struct Approved(Plan);

/// What keeps a plan from being carried out unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent<'a> {
    /// The environment is nobody's concern.
    NotNeeded,
    /// This environment is protected, and nobody has been asked yet.
    Missing {
        environment: &'a str,
    },
    /// Somebody was asked about this environment.
    Given,
    Withheld {
        environment: &'a str,
    },
}

impl Plan {
    /// Lets the plan pass if no finding forbids it.
    ///
    /// # Errors
    /// All findings that do.
    pub(crate) fn approve(self, consent: Consent<'_>) -> Result<Approved> {
        self.refuse_if(|_| true)?;
        self.refuse_unconfirmed(consent)?;
        Ok(Approved(self))
    }

    /// Refuses the plan if it needs a yes that nobody gave.
    ///
    /// # Errors
    /// The steps that need it.
    pub(crate) fn refuse_unconfirmed(&self, consent: Consent<'_>) -> Result<()> {
        let unconfirmed = self.unconfirmed(consent);
        if unconfirmed.is_empty() { Ok(()) } else { Err(Failure::Refused(unconfirmed, 0).into()) }
    }

    /// Refuses the plan if one of the findings that forbid it is like this.
    ///
    /// # Errors
    /// All findings that forbid it.
    pub(crate) fn refuse_if(&self, counts: impl Fn(ProblemKind) -> bool) -> Result<()> {
        let refused: Vec<Problem> =
            self.problems().iter().filter(|problem| problem.verdict == Verdict::Deny).cloned().collect();
        if refused.iter().any(|problem| counts(problem.kind)) {
            return Err(Failure::Refused(refused, 0).into());
        }
        Ok(())
    }

    /// The steps that need a yes which nobody gave.
    fn unconfirmed(&self, consent: Consent<'_>) -> Vec<Problem> {
        let (environment, what, remedy) = match consent {
            Consent::NotNeeded | Consent::Given => return Vec::new(),
            Consent::Missing { environment } => (
                environment,
                "nobody was asked",
                "say yes to the plan with `confirm`, or run where it is not protected",
            ),
            Consent::Withheld { environment } => {
                (environment, "`confirm` said no", "run again and say yes if it is meant")
            }
        };
        let problem = |step: &crate::step::Step| {
            let reason = step.reason_to_ask()?;
            let finding = format!("{reason}, `{environment}` is protected and {what}");
            Some(Problem::new(ProblemKind::Unconfirmed, &step.id, finding, remedy))
        };
        self.steps().iter().filter_map(problem).collect()
    }
}

impl Approved {
    pub(crate) fn into_plan(self) -> Plan {
        self.0
    }
}
