//! [`Approved`]: a plan that may be carried out, and the checks that refuse others.

use crate::error::{Failure, Result};
use crate::plan::Plan;
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::remedy::Remedy;

/// A plan that nothing forbids. The executor accepts only this type, so the check cannot be forgotten.
#[derive(Debug)]
pub(crate) struct Approved(Plan);

/// Whether a plan that destroys something was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent<'a> {
    /// The environment is not protected, or the plan needs no confirmation.
    NotNeeded,
    /// This environment is protected, and the plan is not confirmed yet.
    Missing {
        environment: &'a str,
    },
    /// The plan was confirmed.
    Given,
    Withheld {
        environment: &'a str,
    },
}

impl Plan {
    /// Approves the plan if no finding forbids it.
    ///
    /// # Errors
    /// All findings that forbid it.
    pub(crate) fn approve(self, consent: Consent<'_>) -> Result<Approved> {
        self.refuse_if(|_| true)?;
        self.refuse_unconfirmed(consent)?;
        Ok(Approved(self))
    }

    /// Refuses the plan if it needs a confirmation that it does not have.
    ///
    /// # Errors
    /// The steps that need the confirmation.
    pub(crate) fn refuse_unconfirmed(&self, consent: Consent<'_>) -> Result<()> {
        let unconfirmed = self.unconfirmed(consent);
        if unconfirmed.is_empty() { Ok(()) } else { Err(Failure::Refused(unconfirmed, 0).into()) }
    }

    /// Refuses the plan if a finding that forbids it is of such a kind.
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

    /// The steps that need a confirmation and do not have it.
    fn unconfirmed(&self, consent: Consent<'_>) -> Vec<Problem> {
        let (environment, what, remedy) = match consent {
            Consent::NotNeeded | Consent::Given => return Vec::new(),
            Consent::Missing { environment } => (
                environment,
                "the plan was not confirmed",
                Remedy::Confirm.or("run in an environment that is not protected"),
            ),
            Consent::Withheld { environment } => (
                environment,
                "the plan was rejected",
                "run again and accept the plan if that is intended".into(),
            ),
        };
        let kept = self.snapshot().map_or_else(String::new, |snapshot| format!(" ({snapshot})"));
        let problem = |step: &crate::step::Step| {
            let reason = step.confirmation_reason()?;
            let finding = format!("{reason}, `{environment}` is protected and {what}{kept}");
            Some(Problem::new(ProblemKind::Unconfirmed, &step.id, finding, remedy.clone()))
        };
        self.steps().iter().filter_map(problem).collect()
    }
}

impl Approved {
    pub(crate) fn into_plan(self) -> Plan {
        self.0
    }
}
