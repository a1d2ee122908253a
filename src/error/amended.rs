//! What the engine adds to an error after it occurred: what is left of the step, and the steps before it.

use super::MigrationError;
use super::failure::Failure;
use super::step::{Remains, StepFailure};
use crate::fault::FaultKind;
use crate::id::MigrationId;
use crate::notice::Notice;
use crate::remedy::Remedy;
use crate::report::Report;

impl MigrationError {
    /// Records that what the run did was undone, since the database has the content of the snapshot again.
    #[cfg(feature = "sqlite")]
    pub(crate) fn undone_by_restore(self) -> Self {
        let mut error = self.with(Remains::Nothing);
        if let Failure::Step(step) = &mut error.0.failure {
            step.undone_before.clear();
        }
        error
    }

    /// Records what remains of the step.
    fn with(mut self, left: Remains) -> Self {
        if let Failure::Step(StepFailure { remains, .. }) | Failure::Hook { remains, .. } =
            &mut self.0.failure
        {
            *remains = left;
        }
        self
    }

    /// Records that the code of the step ended its transaction.
    pub(crate) fn has_lost_transaction(self) -> Self {
        self.with(Remains::Perhaps)
    }

    /// With what the server said while the step ran.
    pub(crate) fn with_notices(mut self, notices: Vec<Notice>) -> Self {
        if let Failure::Step(step) = &mut self.0.failure {
            step.notices = notices;
        }
        self
    }

    /// With what the step waited for, and who held that, if it failed because of another session.
    pub(crate) fn of_wait(mut self, lock: &str, holder: &str) -> Self {
        let Failure::Step(StepFailure { fault, .. }) = &mut self.0.failure else { return self };
        if fault.kind() == FaultKind::Busy {
            let held = if holder.is_empty() { String::new() } else { format!(", held by {holder}") };
            let message = format!("{}; it waited for {lock}{held}", fault.details.message);
            fault.details.message = message.into();
        }
        self
    }

    /// With the number of attempts.
    pub(crate) fn after_tries(mut self, tries: u32) -> Self {
        if let Failure::Step(step) = &mut self.0.failure {
            step.tries = tries;
        }
        self
    }

    /// Records that the record of the step could not be restored.
    pub(crate) fn stays_dirty(self) -> Self {
        self.with(Remains::Dirty)
    }

    /// Records that the tracking table no longer has the record of the step.
    pub(crate) fn loses_record(self) -> Self {
        self.with(Remains::Unrecorded)
    }

    /// Records that the previous steps in the same transaction were undone too.
    pub(crate) fn undoing(mut self, before: Vec<MigrationId>) -> Self {
        if let Failure::Step(step) = &mut self.0.failure {
            step.undone_before = before;
        }
        self
    }

    /// The same, of a step in one transaction with others: a statement that needs another transaction gets it only if each has its own.
    pub(crate) fn in_batch(mut self) -> Self {
        let Failure::Step(StepFailure { fault, .. }) = &mut self.0.failure else { return self };
        let needs_commit = fault.details.needs_commit;
        if let Some(remedy @ Remedy::SetMetadata { key: "run_in_transaction", .. }) =
            fault.details.remedy.as_deref_mut()
        {
            let alone = std::mem::replace(remedy, Remedy::PerMigration);
            if !needs_commit {
                *remedy = alone.then(Remedy::PerMigration);
            }
        }
        self
    }

    /// Whether it is a script that was cancelled.
    pub(crate) fn is_cancel_of_step(&self) -> bool {
        matches!(self.failure(), Failure::Step(StepFailure { fault, .. }) if fault.details.is_cancel)
    }

    /// Records that the next run continues the step.
    pub(crate) fn continues(mut self) -> Self {
        if let Failure::Step(step) = &mut self.0.failure {
            step.remains = Remains::Before;
        }
        self
    }

    /// Whether the record of the step now belongs to another run.
    pub(crate) fn is_taken_over(&self) -> bool {
        matches!(self.failure(), Failure::Step(StepFailure { fault, .. }) if fault.details.is_taken_over)
    }

    /// Whether the record of the step is known to be gone.
    pub(crate) fn is_unrecorded(&self) -> bool {
        matches!(self.failure(), Failure::Step(StepFailure { remains: Remains::Unrecorded, .. }))
    }

    /// Whether nothing remains of the failed step.
    pub(crate) fn is_undone(&self) -> bool {
        match &self.0.failure {
            Failure::Step(StepFailure { remains, .. }) | Failure::Hook { remains, .. } => {
                matches!(remains, Remains::Nothing | Remains::Before)
            }
            _ => false,
        }
    }

    /// The error with the steps that were done before it, ahead of those it already has.
    pub(crate) fn after(mut self, mut report: Report) -> Self {
        report.applied.append(&mut self.0.report.applied);
        match &mut self.0.failure {
            Failure::Step(step) => step.applied_before = report.applied.len(),
            Failure::Stale(done)
            | Failure::Refused(_, done)
            | Failure::Stopped(done)
            | Failure::Database { done: Some(done), .. } => {
                *done = report.applied.len();
            }
            _ => {}
        }
        self.0.report = report;
        self
    }
}
