//! Under the lock: planning again, and carrying the plan out.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::MigrationRunner;
use super::goal::Goal;
use super::keeper::{Run, Site};
use super::locked::refuse_cancelled;
use super::stored::Stored;
use crate::approval::Consent;
use crate::backend::{Backend, Session, TrackingTable};
use crate::error::{Failure, Result};
use crate::event::Event;
use crate::execute::RunStored;
use crate::execute::{Executor, Stop, Watcher};
use crate::history::{History, Record};
use crate::lock::Holding;
use crate::plan::Plan;
use crate::report::Report;
use crate::snapshot::intent::Trace;
use crate::step::{Atomicity, Step};

/// A plan, and the history it was made for.
pub(super) struct Planned {
    pub(super) tracking: TrackingTable,
    pub(super) history: History,
    pub(super) plan: Plan,
    /// The version of the database that it was made for, if the run must not begin with another one.
    pub(super) version: Option<i64>,
}

/// How far a run got under the lock.
pub(super) enum RunState {
    Finished,
    /// This plan needs confirmation before the run continues.
    NeedsConsent(Box<Plan>),
}

/// How often a plan is made again although the table that it is made from has not changed. The table may have been written to meanwhile,
/// but a table that reads differently each time must not keep a run busy forever.
const MOST_IN_VAIN: u32 = 100;

impl<B: Backend> MigrationRunner<B> {
    /// Migrates to a target under the lock, until confirmation is needed. It uses the plan that was made before the lock if the
    /// head has not changed since.
    pub(super) fn run_locked(
        &self,
        conn: &mut B::Conn<'_>,
        goal: Goal<'_, B>,
        before: Option<Planned>,
        asked: Option<&(Plan, Consent<'_>)>,
        holding: &Holding,
        run: &mut Run,
    ) -> Result<RunState> {
        let state = self.attempt(conn, goal, before, asked, holding, run);
        self.end(conn, state, run)
    }

    /// Does the work of `run_locked`.
    fn attempt(
        &self,
        conn: &mut B::Conn<'_>,
        goal: Goal<'_, B>,
        mut before: Option<Planned>,
        asked: Option<&(Plan, Consent<'_>)>,
        holding: &Holding,
        run: &mut Run,
    ) -> Result<RunState> {
        if self.settle(conn, run)? {
            before = None;
        }
        if self.take_over(conn, asked.map(|(plan, _)| plan), holding, &mut run.report)? {
            before = None;
        }
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        let (mut last, mut announced) = (None, None::<Plan>);
        let (mut previous, mut in_vain) = (None, 0);
        loop {
            refuse_cancelled()?;
            let before = before.take();
            // Before a plan without problems, nothing is reported until the first transaction, and that compares the head.
            let is_compared = |planned: &&Planned| {
                planned.plan.problems().is_empty()
                    && planned.tracking.head.digest.is_some()
                    && !self.lock.is_per_transaction()
                    // A snapshot is made before the first transaction.
                    && self.keeper.is_none()
            };
            let to_compare = before.as_ref().filter(|planned| !is_compared(planned));
            let head = to_compare.map(|_| self.clean_head(conn)).transpose()?;
            let is_same = |planned: &Planned| match head {
                Some(head) => head.digest.is_some() && head == planned.tracking.head,
                None => true,
            };
            let planned = if let Some(before) = before.filter(is_same) {
                before
            } else {
                let (tracking, history) = self.load(conn, goal.target, head)?;
                // Steps that change no record would be repeated forever.
                if last == Some(history.digest()) {
                    return Err(Failure::Stale(0).into());
                }
                let plan = self.checked_plan(conn, &history, goal)?;
                Planned { tracking, history, plan, version: None }
            };
            if self.lock.is_per_transaction() && self.wait_for_step(&planned.history, began, &mut pause) {
                continue;
            }
            planned.plan.refuse_if(|_| true)?;
            let consent = match asked {
                Some((asked, consent @ Consent::Given)) if asked.is_same(&planned.plan) => *consent,
                _ if self.needs_confirmation(&planned.plan) => {
                    return Ok(RunState::NeedsConsent(Box::new(planned.plan)));
                }
                _ => Consent::NotNeeded,
            };
            let started = run.report.applied.len();
            let again = |report: &Report| goal.target.is_fixed() || report.applied.len() == started;
            let digest = planned.history.digest();
            if started == 0 {
                run.report.already = planned.plan.already();
            }
            self.warn(&planned.plan, &mut run.report);
            if self.observer.is_some() && !announced.as_ref().is_some_and(|it| it.is_same(&planned.plan)) {
                self.announce(&planned.plan, None);
                announced = Some(planned.plan.clone());
            }
            self.begin(conn, &planned.plan, run)?;
            match self.carry_out(conn, planned, consent, (holding, goal.run_stored), run) {
                Ok(()) => return Ok(RunState::Finished),
                // Another program without the lock was faster. A fixed target can be reached from any state.
                Err(Stop::Moved) if again(&run.report) && !self.lock.is_per_transaction() => {
                    if in_vain == MOST_IN_VAIN {
                        return Err(self.failure(Stop::Moved));
                    }
                }
                Err(Stop::Moved) if again(&run.report) && began.elapsed() < self.lock_timeout => {
                    std::thread::sleep(pause);
                }
                Err(stop) => return Err(self.unwritten(conn, stop)),
            }
            last = (run.report.applied.len() > started).then_some(digest);
            in_vain = if previous == Some(digest) { in_vain + 1 } else { 0 };
            previous = Some(digest);
        }
    }

    /// Reports a plan that is about to be carried out.
    pub(super) fn announce(&self, plan: &Plan, expected: Option<Duration>) {
        if !plan.steps().is_empty() {
            self.notify(&Event::Planned { plan, expected });
        }
    }

    /// What keeping a snapshot needs of the runner.
    pub(super) fn site(&self) -> Site<'_, B> {
        Site {
            table: &self.table,
            prepare: self.prepare.as_ref(),
            patience: self.lock_timeout,
            policy: &self.policy,
            observer: self.observer.as_ref(),
            is_exclusive: self.lock.is_exclusive(),
        }
    }

    /// Settles an unfinished run that has a snapshot, and returns whether that changed the database.
    pub(super) fn settle(&self, conn: &mut B::Conn<'_>, run: &mut Run) -> Result<bool> {
        match &self.keeper {
            Some(keeper) => keeper.settle(conn, &self.site(), run),
            None => Ok(false),
        }
    }

    /// Keeps the snapshot of a run.
    pub(super) fn begin(&self, conn: &mut B::Conn<'_>, plan: &Plan, run: &mut Run) -> Result<()> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let is_script = |step: &Step| {
            step.is_stored || self.find(step).is_some_and(|(_, body)| !body.is_code(step.direction))
        };
        // A step outside a transaction has a record before it does anything. Code inside one could end it.
        let is_recorded = |step: &Step| step.atomicity == Atomicity::NonTransactional || is_script(step);
        let is_recorded = self.hooks.is_empty() && plan.steps().iter().all(is_recorded);
        let trace = if is_recorded { Trace::Recorded } else { Trace::Unknown };
        keeper.begin(conn, &self.site(), plan, trace, run)
    }

    /// Ends what was done under the lock, as far as the snapshot of the run is concerned.
    pub(super) fn end(
        &self,
        conn: &mut B::Conn<'_>,
        state: Result<RunState>,
        run: &mut Run,
    ) -> Result<RunState> {
        let Some(keeper) = self.keeper.as_ref().filter(|_| run.kept.is_some()) else { return state };
        match &state {
            Ok(RunState::Finished) => keeper.succeed(conn, &self.site(), run),
            Ok(RunState::NeedsConsent(_)) => keeper.pause(conn, &self.site(), run),
            Err(_) => {}
        }
        state.map_err(|error| keeper.fail(conn, &self.site(), run, error))
    }

    pub(super) fn carry_out(
        &self,
        conn: &mut B::Conn<'_>,
        planned: Planned,
        consent: Consent<'_>,
        (holding, run_stored): (&Holding, Option<RunStored<B>>),
        run: &mut Run,
    ) -> Result<(), Stop> {
        let Planned { tracking, history, plan, version } = planned;
        let stored = self.stored(&plan, &history);
        let approved = plan.approve(consent)?;
        let run_stored = run_stored.map(|run| (run, self.stored_limits));
        let witness = run.kept.as_ref().and_then(|kept| kept.witness.as_deref());
        let executor = Executor { version, run_stored, witness, ..self.executor(holding, &stored) };
        executor.execute(conn, approved, &tracking, &self.completed(&history), &mut run.report)
    }

    /// Waits briefly if another run may be executing a step, and returns whether it did. If only a row is locked, the record of
    /// such a step is all that keeps other runs away from it, so whether that run is still active is known only when the lock
    /// timeout has passed.
    fn wait_for_step(&self, history: &History, began: Instant, pause: &mut Duration) -> bool {
        let is_running = |record: &&Record| {
            record.dirty.as_ref().is_some_and(|dirty| dirty.failure.is_none() && !dirty.is_to_resume)
        };
        let Some(record) = history.records().iter().find(is_running) else { return false };
        let holder = format!("migration `{}`, begun at {} UTC", record.id, record.run_on);
        self.wait_briefly(&format!("of `{}`", self.table), &holder, began, pause)
    }

    /// Waits briefly for the holder, and returns whether there was time left.
    pub(super) fn wait_briefly(
        &self,
        lock: &str,
        holder: &str,
        began: Instant,
        pause: &mut Duration,
    ) -> bool {
        if began.elapsed() >= self.lock_timeout {
            return false;
        }
        self.notify(&Event::Waiting { lock, holder });
        std::thread::sleep(*pause);
        *pause = (*pause * 2).min(Duration::from_millis(50));
        true
    }

    pub(super) fn executor<'r>(&'r self, holding: &'r Holding, stored: &'r Stored<B>) -> Executor<'r, B> {
        Executor {
            table: &holding.table,
            log: holding.table.log(),
            program: self.program.as_deref(),
            hooks: &self.hooks,
            observer: self.observer.as_ref(),
            patience: self.lock_timeout,
            waits: &self.waits,
            watcher: self.connect.as_ref().map(|connect| Watcher::new(connect, self.observer.as_ref())),
            policy: &self.policy,
            secrets: self.set.secrets(),
            lock: &self.lock,
            version: None,
            is_watched: Cell::new(None),
            ran_code: Cell::new(false),
            session: self.lock.has_one_session().then(Session::default),
            is_stopped: self.is_stopped.as_ref(),
            find: Box::new(|step| self.find_with(stored, step)),
            run_stored: None,
            announce: Box::new(|step| holding.announce(&step.id)),
            rehearsal: None,
            witness: None,
        }
    }
}
