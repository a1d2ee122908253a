//! What a run reports: to its observer, in its report, and as an error.

use super::MigrationRunner;
use crate::backend::Backend;
use crate::cancel;
use crate::direction::Direction;
use crate::error::{Failure, MigrationError};
use crate::event::Event;
use crate::execute::Stop;
use crate::fault::Fault;
use crate::plan::Plan;
use crate::plan::check;
use crate::problem::{Problem, ProblemKind, Verdict};
use crate::report::Report;
use crate::state::unread;

impl<B: Backend> MigrationRunner<B> {
    pub(super) fn notify(&self, event: &Event<'_>) {
        self.observer.iter().for_each(|observer| observer(event));
    }

    pub(super) fn reading(&self) -> impl Fn(Fault) -> MigrationError {
        |fault| self.database("read the migrations", fault)
    }

    /// The error of reading the tracking table, with what the database says about the cause.
    pub(super) fn unread(&self, conn: &mut B::Conn<'_>, fault: Fault) -> MigrationError {
        unread::<B>(conn, &self.table, fault)
    }

    pub(super) fn database(&self, doing: &'static str, fault: Fault) -> MigrationError {
        let fault = cancel::explained(fault);
        if fault.details.is_cancel {
            return Failure::Stopped(0).into();
        }
        let fault = self.set.secrets().mask_fault(fault);
        Failure::Database { doing, table: Some(self.table.clone()), done: None, fault }.into()
    }

    /// The same for what does not concern the tracking table alone.
    pub(super) fn whole_database(doing: &'static str, fault: Fault) -> MigrationError {
        Failure::Database { doing, table: None, done: None, fault }.into()
    }

    /// The error of what ended a run, with what the database says about the cause. The transaction has ended.
    pub(super) fn unwritten(&self, conn: &mut B::Conn<'_>, stop: Stop) -> MigrationError {
        self.failure(match stop {
            Stop::Fault(fault) => Stop::Fault(B::explained(conn, &self.table, fault)),
            stop => stop,
        })
    }

    pub(super) fn failure(&self, stop: Stop) -> MigrationError {
        match stop {
            Stop::Moved | Stop::Unwatched | Stop::Declined => Failure::Stale(0).into(),
            Stop::Blocked(error) | Stop::Failed(error) => error,
            Stop::Fault(fault) => {
                let doing = fault.details.doing.unwrap_or("write the migrations");
                self.database(doing, fault)
            }
        }
    }

    /// The report of a plan that is about to be carried out.
    pub(super) fn report(&self, plan: &Plan) -> Report {
        let mut report = Report { already: plan.already(), ..Report::default() };
        self.warn(plan, &mut report);
        report
    }

    /// Whether the policy refuses files that are not read because their names are misspelled, and there are any.
    pub(super) fn refuses_misspelled(&self) -> bool {
        self.set.misspelled().next().is_some()
            && self.policy.verdict(ProblemKind::UnusedFile, Direction::Up) == Verdict::Deny
    }

    /// Adds them to the report of a start at which nothing is pending: it could seem to have applied them.
    pub(super) fn warn_of_misspelled(&self, report: &mut Report) {
        let found = self.set.misspelled().filter_map(check::unread).collect();
        self.warn_of(&self.policy.judge(found, Direction::Up), report);
    }

    /// Adds the warnings of a plan to the report, each once, and sends them to the observer.
    pub(super) fn warn(&self, plan: &Plan, report: &mut Report) {
        self.warn_of(plan.problems(), report);
    }

    fn warn_of(&self, problems: &[Problem], report: &mut Report) {
        report.warn(problems, |problem| self.notify(&Event::Warning { problem }));
    }
}
