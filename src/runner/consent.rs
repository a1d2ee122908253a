//! Confirmation of plans in protected environments.

use super::MigrationRunner;
use crate::approval::Consent;
use crate::backend::Backend;
use crate::error::Result;
use crate::plan::Plan;

impl<B: Backend> MigrationRunner<B> {
    /// Whether a plan needs confirmation.
    pub(super) fn needs_confirmation(&self, plan: &Plan) -> bool {
        self.protected_environment().is_some()
            && plan.steps().iter().any(|step| step.confirmation_reason().is_some())
    }

    /// Calls the `confirm` function if the plan needs it.
    ///
    /// # Errors
    /// The plan needs confirmation, and there is none.
    pub(super) fn confirmed(&self, plan: &Plan) -> Result<Consent<'_>> {
        let environment = self.protected_environment().filter(|_| self.needs_confirmation(plan));
        let consent = match (environment, &self.confirm) {
            (None, _) => Consent::NotNeeded,
            (Some(environment), None) => Consent::Missing { environment },
            (Some(_), Some(confirm)) if confirm(plan) => Consent::Given,
            (Some(environment), Some(_)) => Consent::Withheld { environment },
        };
        plan.refuse_unconfirmed(consent)?;
        Ok(consent)
    }

    /// Returns the environment of this runner if it is protected: there, a plan that destroys something needs
    /// [`confirm`](Self::confirm). For programs that destroy something themselves.
    pub fn protected_environment(&self) -> Option<&str> {
        let environment = self.environment.as_deref()?;
        let is_this = |name: &str| name.eq_ignore_ascii_case(environment);
        let is_protected = match &self.protected {
            Some(protected) => protected.iter().any(|name| is_this(name)),
            None => is_this("production"),
        };
        is_protected.then_some(environment)
    }
}
