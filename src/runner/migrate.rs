//! A run until it holds the lock: reading, planning and asking.

use super::MigrationRunner;
use super::carry_out::{Planned, RunState};
use super::goal::Goal;
use crate::backend::{Backend, TableForm};
use crate::error::Result;
use crate::problem::ProblemKind;
use crate::report::Report;
use crate::target::Target;

impl<B: Backend> MigrationRunner<B> {
    /// Migrates to a target, and asks for confirmation where it is needed.
    pub(super) fn migrate_to(&self, mut conn: B::Conn<'_>, goal: Goal<'_, B>) -> Result<Report> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let mut seen = None;
        if *goal.target == Target::Latest {
            let head = self.clean_head(conn);
            if matches!(head, Ok(head) if head == self.complete) && !self.refuses_misspelled() {
                let mut report = Report { already: self.complete.count, ..Report::default() };
                self.warn_of_misspelled(&mut report);
                return Ok(report);
            }
            self.refuse_open_transaction(conn)?;
            seen = Some(head?);
        } else {
            self.refuse_open_transaction(conn)?;
        }
        let (tracking, history) = self.load(conn, goal.target, seen)?;
        let plan = self.checked_plan(conn, &history, goal)?;
        // A migration may be dirty only because another run is executing it. That is certain only under the lock. Everything else
        // that can be refused is refused before anyone must wait.
        plan.refuse_if(|kind| kind != ProblemKind::Dirty)?;
        let is_dirty = plan.problems().iter().any(|problem| problem.kind == ProblemKind::Dirty);
        if plan.steps().is_empty() && !is_dirty {
            let report = self.report(&plan);
            if tracking.form == TableForm::Old {
                self.upgrade(conn)?;
            }
            return Ok(report);
        }
        self.refuse_foreign_log(conn, &plan)?;
        let mut asked = if is_dirty { None } else { Some((plan.clone(), self.confirmed(&plan)?)) };
        let mut report = Report::default();
        let first = plan.steps().first().map(|step| step.id.clone());
        // What the steps destroy may have changed by the time the lock is held, so such a plan is made again.
        let has_forecast = plan.steps().iter().any(|step| step.effects.is_some());
        let mut before = (!has_forecast && tracking.form == TableForm::Current).then_some(Planned {
            tracking,
            history,
            plan,
        });
        loop {
            let state = self.locked(conn, |conn, holding| {
                if let Some(first) = &first {
                    holding.announce(first);
                }
                self.run_locked(conn, goal, before.take(), asked.as_ref(), holding, &mut report)
            });
            // A person takes minutes to answer, and no other run should wait that long.
            let answered = state.and_then(|state| match state {
                RunState::Finished => Ok(None),
                RunState::NeedsConsent(plan) => self.confirmed(&plan).map(|consent| Some((plan, consent))),
            });
            asked = match answered {
                Ok(None) => return Ok(report),
                Ok(answered) => answered,
                Err(error) => return Err(error.after(report)),
            };
        }
    }
}
