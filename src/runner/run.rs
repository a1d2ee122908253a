//! Going somewhere.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Forecaster, MigrationRunner};
use crate::approval::Consent;
use crate::backend::{Backend, LockAttempt, Session, TableForm, TrackingTable, patiently};
use crate::error::{Failure, MigrationError, Result};
use crate::event::Event;
use crate::execute::{Executor, Found, Stop};
use crate::fault::Fault;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::lock::{Held, Holding, Lock, LockError, taken};
use crate::migration::{Body, Meta};
use crate::plan::Plan;
use crate::problem::{ProblemKind, Verdict};
use crate::report::Report;
use crate::step::{Direction, Step};
use crate::target::Target;

/// Migrations that only the database knows, made from what it keeps of them.
pub(super) type Stored<B> = HashMap<MigrationId, (Meta, Body<B>)>;

/// How far a run came under the lock.
enum RunState {
    Finished,
    /// Somebody has to be asked about this plan before it goes on.
    NeedsConsent(Plan),
}

impl<B: Backend> MigrationRunner<B> {
    /// Applies everything that is pending.
    ///
    /// # Errors
    /// Anything of [`ErrorKind`](crate::ErrorKind) but those of making a runner. What was committed before the error stands in its
    /// [`report`](MigrationError::report).
    pub fn run(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.travel(conn, &Target::Latest, None)
    }

    /// Undoes so many of the applied migrations, newest first, or all if there are fewer. Two programs that do so at once undo twice as
    /// many; [`rollback_to`](Self::rollback_to) names the place instead.
    ///
    /// The whole way is checked before the first step. Each migration and its record go in one transaction, and a line in the log
    /// ([`history`](Self::history)) remains.
    ///
    /// # A change of mind
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, LogEntryKind};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([
    ///     Migration::reversible("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
    ///     Migration::reversible("2_b", "CREATE TABLE b (x)", "DROP TABLE b"),
    /// ])?
    /// .program("notes 1.2");
    /// runner.run(&conn)?;
    ///
    /// assert_eq!(runner.rollback(&conn, 1)?.applied[0].id, "2_b");
    /// let history = runner.history(&conn)?;
    /// assert_eq!(history.records().len(), 1);
    /// assert_eq!(history.log()[0].kind, LogEntryKind::RolledBack);
    /// assert_eq!(history.log()[0].program.as_deref(), Some("notes 1.2"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn rollback(&self, conn: B::Conn<'_>, count: usize) -> Result<Report> {
        self.run_to(conn, Target::Back(count))
    }

    /// Undoes everything that was applied after a migration, which stays. If it is not applied, nothing is done.
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn rollback_to(&self, conn: B::Conn<'_>, id: impl Into<MigrationId>) -> Result<Report> {
        self.run_to(conn, Target::BackTo(id.into()))
    }

    /// Undoes the newest applied migration and applies it again: for its author, while it is being written. If it runs in a
    /// transaction, both do together, so a script that fails leaves it applied.
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to).
    pub fn redo(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.run_to(conn, Target::Redo)
    }

    /// Undoes what this program does not know, newest first, with the scripts that were stored in the database when it was applied. It
    /// is for a program that meets a database newer than itself ([`is_database_ahead`](MigrationError::is_database_ahead)), when its
    /// user decides to stay with it.
    ///
    /// Only if every unknown migration has an undamaged script is anything done. A database file can come from anywhere, so each script
    /// is first run on a copy of the schema, where SQLite refuses it whatever is not about the application's own tables.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// const USERS: Migration = Migration::reversible("1_users", "CREATE TABLE users (name)", "DROP TABLE users");
    /// const EMAIL: Migration =
    ///     Migration::reversible("2_email", "ALTER TABLE users ADD email", "ALTER TABLE users DROP COLUMN email");
    /// let conn = Connection::open_in_memory()?;
    /// MigrationRunner::new([USERS, EMAIL])?.run(&conn)?;
    ///
    /// let older = MigrationRunner::new([USERS])?;
    /// assert!(older.run(&conn).unwrap_err().is_database_ahead());
    /// assert_eq!(older.downgrade(&conn)?.applied[0].id, "2_email");
    /// assert!(older.run(&conn)?.is_up_to_date());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run_to`](Self::run_to). [`ErrorKind::Refused`](crate::ErrorKind::Refused) if one of the migrations has no script, if a
    /// script is not what was stored, or if it did not pass.
    pub fn downgrade(&self, conn: B::Conn<'_>) -> Result<Report> {
        self.run_to(conn, Target::Known)
    }

    /// Goes to a target.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::UnknownMigration`](crate::ErrorKind::UnknownMigration) if the target names a migration that
    /// the set does not have.
    #[allow(clippy::needless_pass_by_value)]
    pub fn run_to(&self, conn: B::Conn<'_>, target: Target) -> Result<Report> {
        self.travel(conn, &target, Some(Self::with_forecast))
    }

    fn travel(
        &self,
        mut conn: B::Conn<'_>,
        target: &Target,
        forecaster: Option<Forecaster<B>>,
    ) -> Result<Report> {
        let conn = &mut conn;
        self.run_session_sql(conn)?;
        let mut seen = None;
        if *target == Target::Latest {
            let head = self.clean_head(conn);
            if matches!(head, Ok(head) if head == self.complete) {
                return Ok(Report { already: self.complete.count, ..Report::default() });
            }
            self.refuse_open_transaction(conn)?;
            seen = Some(head?);
        } else {
            self.refuse_open_transaction(conn)?;
        }
        let (tracking, history) = self.known(conn, target, seen)?;
        let plan = self.judged(conn, &history, target, forecaster)?;
        // A migration may be dirty only because another run is in the middle of it. Under the lock that is known; everything else that
        // can be refused is refused before anybody has to wait.
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
        let mut asked = if is_dirty { None } else { Some((plan.clone(), self.ask(&plan)?)) };
        let mut report = Report::default();
        let first = plan.steps().first().map(|step| step.id.clone());
        // What the steps would take away may have changed by the time the lock is taken, so such a plan is made again.
        let is_looked_into = plan.steps().iter().any(|step| step.effects.is_some());
        let mut known =
            (!is_looked_into && tracking.form == TableForm::Current).then_some((tracking, history, plan));
        loop {
            let state = self.locked(conn, |conn, holding| {
                if let Some(first) = &first {
                    holding.announce(first);
                }
                self.go(conn, (target, forecaster), known.take(), asked.as_ref(), holding, &mut report)
            });
            // A person takes minutes to answer, and nobody is to wait for that.
            let answered = state.and_then(|state| match state {
                RunState::Finished => Ok(None),
                RunState::NeedsConsent(plan) => self.ask(&plan).map(|consent| Some((plan, consent))),
            });
            asked = match answered {
                Ok(None) => return Ok(report),
                Ok(answered) => answered,
                Err(error) => return Err(error.after(report)),
            };
        }
    }

    /// Goes to a target under the lock, as far as an answer reaches. If the head has not changed since
    /// before the lock, the plan that was made then is used.
    fn go(
        &self,
        conn: &mut B::Conn<'_>,
        (target, forecaster): (&Target, Option<Forecaster<B>>),
        mut known: Option<(TrackingTable, History, Plan)>,
        asked: Option<&(Plan, Consent<'_>)>,
        holding: &Holding,
        report: &mut Report,
    ) -> Result<RunState> {
        let (began, mut pause) = (Instant::now(), Duration::from_millis(1));
        let mut last = None;
        loop {
            let before = known.take();
            let head = before.as_ref().map(|_| self.clean_head(conn)).transpose()?;
            let is_same = |(tracking, ..): &(TrackingTable, History, Plan)| {
                head.is_some_and(|head| head.digest.is_some() && head == tracking.head)
            };
            let (tracking, history, plan) = if let Some(before) = before.filter(is_same) {
                before
            } else {
                let (tracking, history) = self.known(conn, target, head)?;
                // Steps that change nothing in the books would be taken for ever.
                if last == Some(history.digest()) {
                    return Err(Failure::Stale(0).into());
                }
                let plan = self.judged(conn, &history, target, forecaster)?;
                (tracking, history, plan)
            };
            if self.lock == Lock::Row && self.waits_for(&history, began, &mut pause) {
                continue;
            }
            plan.refuse_if(|_| true)?;
            let consent = match asked {
                Some((asked, consent @ Consent::Given)) if asked.is_same(&plan) => *consent,
                _ if self.is_concern(&plan) => return Ok(RunState::NeedsConsent(plan)),
                _ => Consent::NotNeeded,
            };
            let started = report.applied.len();
            let again = |report: &Report| target.is_a_place() || report.applied.len() == started;
            let digest = history.digest();
            report.already = if started == 0 { plan.already() } else { report.already };
            self.warn(&plan, report);
            match self.carry_out(conn, plan, consent, &tracking, &history, report, holding) {
                Ok(()) => return Ok(RunState::Finished),
                // Somebody without the lock was faster. A place is reached from wherever one stands.
                Err(Stop::Moved) if again(report) && self.lock != Lock::Row => {}
                Err(Stop::Moved) if again(report) && began.elapsed() < self.lock_timeout => {
                    std::thread::sleep(pause);
                }
                Err(stop) => return Err(self.failure(stop)),
            }
            last = (report.applied.len() > started).then_some(digest);
        }
    }

    /// Waits a little if another run may be in the middle of a step, and says whether it did. Nothing but the record of such a step
    /// keeps it from others where only a row is locked, so whether that run still goes on is known when the time to wait is over.
    fn waits_for(&self, history: &History, began: Instant, pause: &mut Duration) -> bool {
        let is_running = |record: &&Record| {
            record.dirty.as_ref().is_some_and(|dirty| dirty.failure.is_none() && !dirty.is_to_resume)
        };
        let Some(record) = history.records().iter().find(is_running) else { return false };
        let holder = format!("migration `{}`, begun at {} UTC", record.id, record.run_on);
        self.waits(&format!("of `{}`", self.table), &holder, began, pause)
    }

    /// Waits a little for somebody, and says whether there was time left for it.
    pub(super) fn waits(&self, lock: &str, holder: &str, began: Instant, pause: &mut Duration) -> bool {
        if began.elapsed() >= self.lock_timeout {
            return false;
        }
        self.notify(&Event::Waiting { lock, holder });
        std::thread::sleep(*pause);
        *pause = (*pause * 2).min(Duration::from_millis(50));
        true
    }

    /// Carries out a plan, if the database is still as it was when the plan was made. It is judged by this runner, whoever made it.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the database has changed, or if the plan was made
    /// with other migrations.
    #[allow(clippy::needless_pass_by_value, reason = "a plan is carried out once")]
    pub fn apply(&self, mut conn: B::Conn<'_>, plan: Plan) -> Result<Report> {
        let conn = &mut conn;
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        let is_foreign = |step: &&Step| {
            !step.is_stored && self.find(step).is_none_or(|(meta, _)| meta.checksum != step.checksum)
        };
        if let Some(step) = plan.steps().iter().find(is_foreign) {
            return Err(Failure::ForeignPlan(step.id.clone()).into());
        }
        plan.refuse_if(|_| true)?;
        if plan.steps().is_empty() {
            return Ok(self.report(&plan));
        }
        self.refuse_foreign_log(conn, &plan)?;
        let consent = self.ask(&plan)?;
        self.locked(conn, |conn, holding| {
            let (tracking, history) = self.read_table(conn)?;
            let fresh = self.same(conn, &history, &plan)?;
            if consent == Consent::NotNeeded && self.is_concern(&fresh) {
                return Err(Failure::Stale(0).into());
            }
            let mut report = self.report(&fresh);
            match self.carry_out(conn, fresh, consent, &tracking, &history, &mut report, holding) {
                Ok(()) => Ok(report),
                Err(stop) => Err(self.failure(stop).after(report)),
            }
        })
    }

    /// The plan as this runner makes it now, if that is still the same.
    fn same(&self, conn: &mut B::Conn<'_>, history: &History, plan: &Plan) -> Result<Plan> {
        if history.digest() != plan.digest() {
            return Err(Failure::Stale(0).into());
        }
        let fresh = self.judged(conn, history, plan.target(), Some(Self::with_forecast))?;
        fresh.refuse_if(|_| true)?;
        let (steps, planned) = (fresh.steps(), plan.steps());
        let differs = |(step, planned): &(&Step, &Step)| !step.is_same(planned);
        if let Some((_, step)) = steps.iter().zip(planned).find(differs) {
            return Err(Failure::ForeignPlan(step.id.clone()).into());
        }
        if fresh.is_same(plan) { Ok(fresh) } else { Err(Failure::Stale(0).into()) }
    }

    /// Looks whether a plan can leave its lines in the log, before anything is done.
    fn refuse_foreign_log(&self, conn: &mut B::Conn<'_>, plan: &Plan) -> Result<()> {
        if plan.direction() == Direction::Up {
            return Ok(());
        }
        let log = self.table.log();
        patiently(self.lock_timeout, || B::read_log(conn, &log)).map(drop).map_err(self.reading())
    }

    /// Whether somebody has to be asked about a plan.
    fn is_concern(&self, plan: &Plan) -> bool {
        self.protected_environment().is_some()
            && plan.steps().iter().any(|step| step.reason_to_ask().is_some())
    }

    /// Asks whoever has to be asked about a plan.
    ///
    /// # Errors
    /// It needs a yes, and there is none.
    fn ask(&self, plan: &Plan) -> Result<Consent<'_>> {
        let environment = self.protected_environment().filter(|_| self.is_concern(plan));
        let consent = match (environment, &self.confirm) {
            (None, _) => Consent::NotNeeded,
            (Some(environment), None) => Consent::Missing { environment },
            (Some(_), Some(confirm)) if confirm(plan) => Consent::Given,
            (Some(environment), Some(_)) => Consent::Withheld { environment },
        };
        plan.refuse_unconfirmed(consent)?;
        Ok(consent)
    }

    pub(super) fn protected_environment(&self) -> Option<&str> {
        let environment = self.environment.as_deref()?;
        let is_this = |name: &str| name.eq_ignore_ascii_case(environment);
        let is_protected = match &self.protected {
            Some(protected) => protected.iter().any(|name| is_this(name)),
            None => is_this("production"),
        };
        is_protected.then_some(environment)
    }

    pub(super) fn find(&self, step: &Step) -> Option<Found<'_, B>> {
        let place = self.set.graph().place(&step.id)?;
        Some((&self.set.graph().metas()[place], &self.set.bodies()[place]))
    }

    /// The migration of a step, out of the database if it is a stored one.
    pub(super) fn find_with<'r>(&'r self, stored: &'r Stored<B>, step: &Step) -> Option<Found<'r, B>> {
        match stored.get(&step.id) {
            Some((meta, body)) if step.is_stored => Some((meta, body)),
            _ => self.find(step),
        }
    }

    pub(super) fn refuse_open_transaction(&self, conn: &mut B::Conn<'_>) -> Result<()> {
        if !B::is_free(conn).map_err(self.reading())? {
            return Err(Failure::OpenTransaction.into());
        }
        Ok(())
    }

    pub(super) fn locked<R>(
        &self,
        conn: &mut B::Conn<'_>,
        body: impl FnOnce(&mut B::Conn<'_>, &Holding) -> Result<R>,
    ) -> Result<R> {
        let mut waiting = |lock: &str, holder: &str| self.notify(&Event::Waiting { lock, holder });
        let timeout = self.lock_timeout;
        let table = B::resolve(conn, &self.table).map_err(self.reading())?;
        let body = |conn: &mut B::Conn<'_>, holding: &Holding| {
            self.make_table(conn, &holding.table)?;
            body(conn, holding)
        };
        if self.lock == Lock::Sidecar {
            let taken = taken::<B>(conn, &table, timeout, &mut waiting).map_err(|taking| match taking {
                LockError::Failed(error) => error,
                LockError::Fault(fault) => self.database("take the lock", fault),
            });
            if taken? {
                let held = Held::<B> { conn, table: &table };
                return body(held.conn, &Holding::of(&table));
            }
        }
        if self.lock == Lock::Row {
            let made = patiently(timeout, || B::create_lock_row(conn, &table));
            if made.map_err(|fault| self.database("make the row that is locked", fault))?
                == LockAttempt::Unsupported
            {
                return Err(Failure::NoSuchLock(B::DIALECT).into());
            }
        }
        let database = B::locate(conn);
        self.lock.held(database, timeout, &mut waiting, &table, |holding| body(conn, holding))
    }

    fn notify(&self, event: &Event<'_>) {
        self.observer.iter().for_each(|observer| observer(event));
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "all of it is about one run, and nothing else needs it together"
    )]
    fn carry_out(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Plan,
        consent: Consent<'_>,
        tracking: &TrackingTable,
        history: &History,
        report: &mut Report,
        holding: &Holding,
    ) -> Result<(), Stop> {
        let stored = Self::stored(&plan, history);
        let approved = plan.approve(consent)?;
        let executor = self.executor(holding, &stored);
        executor.execute(conn, approved, tracking, &self.completed(history), report)
    }

    pub(super) fn executor<'r>(&'r self, holding: &'r Holding, stored: &'r Stored<B>) -> Executor<'r, B> {
        Executor {
            table: &holding.table,
            log: holding.table.log(),
            program: self.program.as_deref(),
            hooks: &self.hooks,
            observer: self.observer.as_ref(),
            patience: self.lock_timeout,
            is_row: self.lock == Lock::Row,
            is_watched: Cell::new(None),
            session: (self.lock == Lock::Sidecar).then(Session::default),
            is_stopped: self.is_stopped.as_ref(),
            find: Box::new(|step| self.find_with(stored, step)),
            announce: Box::new(|step| holding.announce(&step.id)),
        }
    }

    pub(super) fn reading(&self) -> impl Fn(Fault) -> MigrationError {
        |fault| self.database("read the migrations", fault)
    }

    pub(super) fn database(&self, doing: &'static str, fault: Fault) -> MigrationError {
        Failure::Database { doing, table: self.table.clone(), fault }.into()
    }

    pub(super) fn failure(&self, stop: Stop) -> MigrationError {
        match stop {
            Stop::Moved => Failure::Stale(0).into(),
            Stop::Failed(error) => error,
            Stop::Fault(fault) => self.database("write the migrations", fault),
        }
    }

    /// The report of a plan that is about to be carried out.
    fn report(&self, plan: &Plan) -> Report {
        let mut report = Report { already: plan.already(), ..Report::default() };
        self.warn(plan, &mut report);
        report
    }

    /// Notes the warnings of a plan, each once, and lets observers hear them.
    fn warn(&self, plan: &Plan, report: &mut Report) {
        for problem in plan.problems().iter().filter(|problem| problem.verdict == Verdict::Warn) {
            if !report.notes.contains(problem) {
                self.notify(&Event::Warning { problem });
                report.notes.push(problem.clone());
            }
        }
    }
}
