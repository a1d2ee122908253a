//! The failure of a migration in a trial, as a finding.

use super::MigrationError;
use super::display::Abridged;
use super::failure::Failure;
use crate::fault::Fault;
use crate::problem::{Problem, ProblemKind};

impl MigrationError {
    /// The fault with which a step failed.
    pub(crate) fn step_fault(&self) -> Option<&Fault> {
        match self.failure() {
            Failure::Step(step) => Some(&step.fault),
            _ => None,
        }
    }

    /// The finding that a migration failed at a place: "on a copy of this database". `None` if the error is not about a migration.
    pub(crate) fn failed_in_trial(&self, place: &str) -> Option<Problem> {
        let id = self.migration()?;
        let Failure::Step(step) = self.failure() else {
            let remedy = self.remedy().unwrap_or_else(|| "correct it".into());
            let finding = format!("fails {place}: {}", self.finding());
            return Some(Problem::new(ProblemKind::Fails, id, finding, remedy));
        };
        let statement = match &step.fault.details.statement {
            Some((_, text)) => format!(" in `{}`", Abridged(text)),
            None => String::new(),
        };
        let finding = format!("fails {place}, at {}{statement}: {}", step.at, step.fault);
        let remedy = step.fault.advice().unwrap_or_else(|| "correct it before anybody has it".into());
        Some(Problem::new(ProblemKind::Fails, id, finding, remedy).at(step.at.clone()))
    }
}
