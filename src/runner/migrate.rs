//! A run until it holds the lock: reading, planning and asking.

use super::MigrationRunner;
use super::carry_out::{Planned, RunState};
use super::goal::Goal;
use super::keeper::Run;
use crate::backend::{Backend, TableForm, TrackingTable};
use crate::error::Result;
use crate::history::{Head, History};
use crate::plan::Plan;
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
        let mut run = Run::default();
        match self.migrate(conn, goal, seen, &mut run) {
            Ok(()) => Ok(run.report),
            Err(error) => Err(error.after(run.report)),
        }
    }

    /// Migrates to a target when something may be pending.
    fn migrate(
        &self,
        conn: &mut B::Conn<'_>,
        goal: Goal<'_, B>,
        seen: Option<Head>,
        run: &mut Run,
    ) -> Result<()> {
        let (mut tracking, mut history, mut plan) = self.foreseen_plan(conn, goal, seen)?;
        if self.has_unfinished(conn, &plan) && self.locked(conn, |conn, _| self.settle(conn, run))? {
            (tracking, history, plan) = self.foreseen_plan(conn, goal, None)?;
        }
        // A migration may be dirty only because another run is executing it. That is certain only under the lock. Everything else
        // that can be refused is refused before anyone must wait.
        plan.refuse_if(|kind| kind != ProblemKind::Dirty)?;
        let is_dirty = plan.problems().iter().any(|problem| problem.kind == ProblemKind::Dirty);
        if plan.is_nothing_to_do() && !is_dirty {
            run.report.already = plan.already();
            self.warn(&plan, &mut run.report);
            if tracking.form == TableForm::Old {
                self.upgrade(conn)?;
            }
            return Ok(());
        }
        self.refuse_foreign_log(conn, &plan)?;
        let mut asked = if is_dirty { None } else { Some((plan.clone(), self.confirmed(&plan)?)) };
        let first = plan.steps().first().map(|step| step.id.clone());
        // What the steps destroy may have changed by the time the lock is held, so such a plan is made again.
        let has_forecast = plan.steps().iter().any(|step| step.effects.is_some());
        let is_recorded = plan.baseline().is_none();
        let may_keep = !has_forecast && is_recorded && tracking.form == TableForm::Current;
        let mut before = may_keep.then_some(Planned { tracking, history, plan, version: None });
        loop {
            let state = self.locked(conn, |conn, holding| {
                if let Some(first) = &first {
                    holding.announce(first);
                }
                self.run_locked(conn, goal, before.take(), asked.as_ref(), holding, run)
            });
            // A person takes minutes to answer, and no other run should wait that long.
            let answered = state.and_then(|state| match state {
                RunState::Finished => Ok(None),
                RunState::NeedsConsent(plan) => self.confirmed(&plan).map(|consent| Some((*plan, consent))),
            });
            asked = match answered? {
                None => return Ok(()),
                answered => answered,
            };
        }
    }

    /// What a plan is made from, and the plan. It may be for a history that is not yet recorded.
    fn foreseen_plan(
        &self,
        conn: &mut B::Conn<'_>,
        goal: Goal<'_, B>,
        seen: Option<Head>,
    ) -> Result<(TrackingTable, History, Plan)> {
        let (tracking, history) = self.load(conn, goal.target, seen)?;
        let (history, baseline) = self.foreseen(conn, history, goal.target)?;
        let plan = self.checked_plan(conn, &history, goal)?.with_baseline(baseline);
        Ok((tracking, history, plan))
    }

    /// Whether a plan with something to do finds a run that did not finish. The plan of a run that is only half done may be refused for what
    /// is settled first.
    pub(super) fn has_unfinished(&self, conn: &mut B::Conn<'_>, plan: &Plan) -> bool {
        let Some(keeper) = &self.keeper else { return false };
        let is_pending = !plan.is_nothing_to_do() || plan.refuse_if(|_| true).is_err();
        is_pending && keeper.has_unfinished(conn, &self.site())
    }
}
