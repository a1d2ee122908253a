//! Applying a plan that was reviewed.

use std::time::Duration;

use super::MigrationRunner;
use super::carry_out::{Planned, RunState};
use super::goal::Goal;
use super::keeper::Run;
use crate::approval::Consent;
use crate::backend::{Backend, patiently};
use crate::direction::Direction;
use crate::error::{Failure, MigrationError, Result};
use crate::history::History;
use crate::lock::Holding;
use crate::plan::Plan;
use crate::report::Report;
use crate::step::Step;

impl<B: Backend> MigrationRunner<B> {
    /// Applies a plan, if the database has not changed since the plan was made. This runner judges the plan, whoever made it.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the database has changed, or if the plan was made
    /// with other migrations.
    #[allow(clippy::needless_pass_by_value, reason = "a plan is applied only once")]
    pub fn apply(&self, conn: B::Conn<'_>, plan: Plan) -> Result<Report> {
        self.apply_if(conn, &plan, None, |_| Ok(None))
    }

    /// Applies a plan, if `check` accepts the database under the lock. The first transaction must then find the version that `check` returns.
    pub(super) fn apply_if(
        &self,
        mut conn: B::Conn<'_>,
        plan: &Plan,
        expected: Option<Duration>,
        check: impl FnOnce(&mut B::Conn<'_>) -> Result<Option<i64>>,
    ) -> Result<Report> {
        let conn = &mut conn;
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        let is_foreign = |step: &&Step| {
            !step.is_stored && self.find(step).is_none_or(|(meta, _)| meta.checksum != step.checksum)
        };
        if let Some(step) = plan.steps().iter().find(is_foreign) {
            return Err(Failure::ForeignPlan(step.id.clone()).into());
        }
        let mut run = Run::default();
        if self.has_unfinished(conn, plan) && self.locked(conn, |conn, _| self.settle(conn, &mut run))? {
            return Err(MigrationError::from(Failure::Stale(0)).after(run.report));
        }
        plan.refuse_if(|_| true)?;
        if plan.is_nothing_to_do() {
            return Ok(self.report(plan));
        }
        self.refuse_foreign_log(conn, plan)?;
        let consent = self.confirmed(plan)?;
        let applied = self.locked(conn, |conn, holding| {
            let state = self.apply_locked(conn, (plan, expected), check, consent, holding, &mut run);
            self.end(conn, state, &mut run)
        });
        match applied {
            Ok(_) => Ok(run.report),
            Err(error) => Err(error.after(run.report)),
        }
    }

    fn apply_locked(
        &self,
        conn: &mut B::Conn<'_>,
        (plan, expected): (&Plan, Option<Duration>),
        check: impl FnOnce(&mut B::Conn<'_>) -> Result<Option<i64>>,
        consent: Consent<'_>,
        holding: &Holding,
        run: &mut Run,
    ) -> Result<RunState> {
        self.settle(conn, run)?;
        let version = check(conn)?;
        self.take_over(conn, Some(plan).filter(|plan| plan.baseline().is_some()), holding, &mut run.report)?;
        let (tracking, history) = self.read_table(conn)?;
        let fresh = self.same(conn, &history, plan)?;
        if consent == Consent::NotNeeded && self.needs_confirmation(&fresh) {
            return Err(Failure::Stale(0).into());
        }
        run.report.already = fresh.already();
        self.warn(&fresh, &mut run.report);
        self.announce(&fresh, expected);
        self.begin(conn, &fresh, run)?;
        let planned = Planned { tracking, history, plan: fresh, version };
        let done = self.carry_out(conn, planned, consent, (holding, Some(B::run_stored_script)), run);
        done.map(|()| RunState::Finished).map_err(|stop| self.unwritten(conn, stop))
    }

    /// The plan as this runner makes it now, if that is the same plan.
    fn same(&self, conn: &mut B::Conn<'_>, history: &History, plan: &Plan) -> Result<Plan> {
        if history.digest() != plan.digest() {
            return Err(Failure::Stale(0).into());
        }
        let fresh = self.checked_plan(conn, history, Goal::to(plan.target()))?;
        fresh.refuse_if(|_| true)?;
        let (steps, planned) = (fresh.steps(), plan.steps());
        let differs = |(step, planned): &(&Step, &Step)| !step.is_same(planned);
        if let Some((_, step)) = steps.iter().zip(planned).find(differs) {
            return Err(Failure::ForeignPlan(step.id.clone()).into());
        }
        if fresh.is_same(plan) { Ok(fresh) } else { Err(Failure::Stale(0).into()) }
    }

    /// Checks whether a plan can write its lines to the log, before anything is done.
    pub(super) fn refuse_foreign_log(&self, conn: &mut B::Conn<'_>, plan: &Plan) -> Result<()> {
        if plan.direction() == Direction::Up {
            return Ok(());
        }
        let log = self.table.log();
        patiently(self.lock_timeout, || B::read_log(conn, &log)).map(drop).map_err(self.reading())
    }
}
