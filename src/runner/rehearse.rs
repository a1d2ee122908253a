//! Rehearsing a run on a copy, and applying what was rehearsed.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use super::MigrationRunner;
use super::goal::Goal;
use super::stored::Stored;
use crate::account::Account;
use crate::approval::Consent;
use crate::backend::{
    Backend, CopyObserver, RanSteps, RehearsalPlace, RehearsalRequest, Rehearsed, Source, patiently,
};
use crate::direction::Direction;
use crate::error::{ErrorKind, Failure, MigrationError, Result};
use crate::execute::{Executor, Rehearsing};
use crate::fault::{Fault, FaultKind};
use crate::hooks::Hooks;
use crate::id::MigrationId;
use crate::impact::{DataState, StepImpact};
use crate::lock::{Holding, Lock};
use crate::plan::{Plan, TransactionMode};
use crate::policy::Policy;
use crate::problem::{ProblemKind, Verdict};
use crate::rehearsal::{Impact, Rehearsal};
use crate::report::{Applied, Report};
use crate::step::{Atomicity, Step};

/// What a step does to rows is measured even if the policy denies it.
const MEASURED: [ProblemKind; 3] =
    [ProblemKind::RowsLost, ProblemKind::LostInRebuild, ProblemKind::ValuesChanged];

impl<B: Backend> MigrationRunner<B> {
    /// Runs the pending migrations, or a rollback, on a copy of the database with all its rows, and returns what they did to it: the rows of
    /// each table, what became `NULL`, the schema, the time. The database itself is only read, and others can use it meanwhile.
    ///
    /// On SQLite the copy is made with the backup API. It is in memory, or in a temporary file if the database has more than 64 MiB, and
    /// a second copy is needed to compare with. On PostgreSQL everything runs in one transaction of the database itself, which is rolled back: others
    /// wait for the locks that the scripts take, sequence values are not rolled back, and all rows are counted in `by_statements`. If a step is code, cannot
    /// run in a transaction, or does what a rollback does not undo, such as `dblink` (only its own text is read, not the functions that it calls), if
    /// hooks are to run, and on MySQL, nothing runs, and the impact has the plan only ([`Impact::not_rehearsed`]).
    ///
    /// Migrations in code run too, on the copy; hooks run only if the [`Rehearsal`] says so. If a
    /// step fails, the impact has what was measured before it, and the failure in [`Impact::problems`]. What the policy denies is measured
    /// too, and is there as a refused problem. [`apply_rehearsed`](Self::apply_rehearsed) then carries it out.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Target};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let notes = Migration::sql("1_notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text, draft)");
    /// MigrationRunner::new([notes.clone()])?.run(&conn)?;
    /// conn.execute_batch("INSERT INTO notes (text, draft) VALUES ('a', 1), ('b', 1), ('c', 0)")?;
    ///
    /// let runner = MigrationRunner::new([notes, Migration::sql("2_no_drafts", "DELETE FROM notes WHERE draft")])?;
    /// let impact = runner.rehearse(&conn, Target::Latest)?;
    /// assert_eq!(impact.rows().deleted, 2);
    /// assert!(impact.to_string().contains("`notes`: 2 rows deleted; 3 before, 1 after"));
    /// assert_eq!(conn.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)), Ok(3));
    ///
    /// runner.apply_rehearsed(&conn, impact)?;
    /// assert_eq!(conn.query_row("SELECT count(*) FROM notes", [], |row| row.get(0)), Ok(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`run`](Self::run), if the plan is refused before its first step; and if the database cannot be copied, for example because
    /// there is no room.
    #[allow(clippy::needless_pass_by_value)]
    pub fn rehearse(&self, mut conn: B::Conn<'_>, rehearsal: impl Into<Rehearsal>) -> Result<Impact> {
        let rehearsal = rehearsal.into();
        self.cancellable(|| self.rehearse_within(&mut conn, &rehearsal))
    }

    fn rehearse_within(&self, conn: &mut B::Conn<'_>, rehearsal: &Rehearsal) -> Result<Impact> {
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        let failed = |fault| Self::whole_database("rehearse the migrations", fault);
        let state = patiently(self.lock_timeout, || B::data_state(conn)).map_err(failed)?;
        let tables = [self.table.clone(), self.table.log()];
        let request = RehearsalRequest {
            tables: &tables,
            places: &[RehearsalPlace::Copy, RehearsalPlace::Transaction],
            prepare: self.prepare.as_deref(),
            patience: self.lock_timeout,
            observer: self.observer.as_ref().map(|observer| observer as &dyn CopyObserver),
        };
        let impact = B::rehearsal(conn, &request, |copy, rehearsed| {
            self.run_session_sql(copy)?;
            self.rehearsed(copy, rehearsed, rehearsal, &state)
        });
        if let Some(impact) = impact.map_err(failed)? {
            return self.with_snapshot_of(conn, impact?);
        }
        let plan = self.plan(B::lend(conn), rehearsal.target.clone())?;
        let reason = format!("{} can neither copy the database nor roll back the whole run", B::DIALECT);
        Ok(Impact::only_planned(plan, reason, state))
    }

    /// Carries out what was rehearsed, if nobody has changed the database since. A server has no number that changes with every write, so
    /// there only the history is compared, not the data.
    ///
    /// # Errors
    /// As [`apply`](Self::apply). [`ErrorKind::Stale`](crate::ErrorKind::Stale) if the data, the schema or the history have changed, or if
    /// this is another connection. [`ErrorKind::Refused`](crate::ErrorKind::Refused) if the rehearsal failed, or did what the policy
    /// denies. In these cases nothing is done.
    pub fn apply_rehearsed(&self, conn: B::Conn<'_>, impact: Impact) -> Result<Report> {
        let refused: Vec<_> =
            impact.problems.iter().filter(|problem| problem.verdict == Verdict::Deny).cloned().collect();
        if !refused.is_empty() {
            return Err(Failure::Refused(refused, 0).into());
        }
        let rehearsed: usize = impact.steps.iter().map(|step| step.ids.len()).sum();
        let expected = (rehearsed > 0 && rehearsed == impact.plan.steps().len()).then(|| impact.duration());
        let Impact { plan, state, .. } = impact;
        self.apply_if(conn, &plan, expected, |conn| {
            // Others can write while a snapshot is made, so the first transaction looks at this number again.
            let version = patiently(self.lock_timeout, || B::data_version(conn)).map_err(self.reading())?;
            let now = patiently(self.lock_timeout, || B::data_state(conn)).map_err(self.reading())?;
            if now == state { Ok(version) } else { Err(Failure::Stale(0).into()) }
        })
    }

    fn rehearsed(
        &self,
        copy: &mut B::Conn<'_>,
        rehearsed: &mut Rehearsed<'_, B>,
        rehearsal: &Rehearsal,
        state: &DataState,
    ) -> Result<Impact> {
        let (tracking, history) = self.read_table(copy)?;
        let (history, baseline) = self.foreseen(copy, history, &rehearsal.target)?;
        let plan = self.plan_without_snapshot(copy, &history, Goal::to(&rehearsal.target))?;
        let plan = plan.with_baseline(baseline);
        let stored = self.stored(&plan, &history);
        if rehearsed.place == RehearsalPlace::Transaction {
            if let Some(reason) = self.unfit(&plan, &stored, rehearsal) {
                return Ok(Impact::only_planned(plan, reason, state.clone()));
            }
            self.count_before(copy, rehearsed, &plan, &stored)?;
        }
        let mode = match rehearsed.place {
            RehearsalPlace::Copy => TransactionMode::PerMigration,
            RehearsalPlace::Transaction => TransactionMode::Batch,
        };
        let approved = plan.clone().committed(mode).approve(Consent::NotNeeded)?;
        let policy = self.measuring_policy();
        let no_hooks = Hooks::for_backend();
        let holding = Holding::of(&self.table);
        let steps = RefCell::new(Vec::new());
        let fault = RefCell::new(None);
        let began = Cell::new(Instant::now());
        let size = Cell::new(rehearsed.bytes);
        let gauge = RefCell::new(&mut *rehearsed.measure);
        let measure = |copy: &mut B::Conn<'_>, applied: &[Applied]| {
            let duration = began.get().elapsed();
            let source = self.source(&plan, &stored, applied, rehearsal);
            // A step that runs again after a rollback is the same step.
            let direction = applied.first().map_or(Direction::Up, |step| step.direction);
            let is_other = |step: &StepImpact| (&step.ids, step.direction) != (&ids(applied), direction);
            steps.borrow_mut().retain(is_other);
            let is_it = |step: &Step| {
                let same = |applied: &Applied| (&applied.id, applied.direction) == (&step.id, step.direction);
                applied.iter().any(same)
            };
            let left = plan.steps().iter().rposition(is_it);
            let remaining = left.map(|place| plan.steps().len() - 1 - place);
            let ran = RanSteps { steps: applied, source, remaining };
            match (gauge.borrow_mut())(copy, &ran) {
                Ok(measured) => steps.borrow_mut().push(StepImpact {
                    ids: ids(applied),
                    direction,
                    duration,
                    tables: measured.tables,
                    schema: measured.schema,
                    account: sum(applied),
                    growth: difference(measured.bytes, size.replace(measured.bytes)),
                }),
                Err(failed) => _ = fault.borrow_mut().get_or_insert(failed),
            }
            began.set(Instant::now());
        };
        let executor = Executor {
            hooks: if rehearsal.runs_hooks { &self.hooks } else { &no_hooks },
            policy: &policy,
            observer: None,
            lock: &Lock::Off,
            run_stored: Some((B::run_stored_script, self.stored_limits)),
            rehearsal: Some(Rehearsing { place: rehearsed.place, measure: Box::new(measure) }),
            ..self.executor(&holding, &stored)
        };
        let mut report = Report::default();
        began.set(Instant::now());
        let outcome = executor.execute(copy, approved, &tracking, &self.completed(&history), &mut report);
        drop(executor);
        let failed = fault.into_inner();
        let is_full = |fault: &Fault| fault.kind() == FaultKind::Full;
        let stopped = outcome.err().map(|stop| self.failure(stop));
        if failed.as_ref().or(stopped.as_ref().and_then(MigrationError::step_fault)).is_some_and(is_full) {
            if let Some(no_room) = rehearsed.no_room.take() {
                return Err(Self::whole_database("rehearse the migrations", no_room));
            }
        }
        if let Some(fault) = failed {
            return Err(Self::whole_database("rehearse the migrations", fault));
        }
        let mut problems = plan.problems().to_vec();
        problems.extend(self.policy.judge(report.notes, plan.direction()));
        if let Some(error) = stopped {
            if error.kind() == ErrorKind::Stopped {
                return Err(error);
            }
            match error.failed_in_trial("on a copy of this database") {
                Some(problem) => problems.push(problem),
                None => return Err(error),
            }
        }
        Ok(Impact {
            not_rehearsed: None,
            steps: steps.into_inner(),
            problems,
            lacks: std::mem::take(&mut rehearsed.lacks),
            bytes_before: rehearsed.bytes,
            bytes_after: size.get(),
            copied_in: rehearsed.copied_in,
            place: rehearsed.place,
            plan,
            state: state.clone(),
        })
    }

    /// The policy of a rehearsal, which denies nothing that can be measured.
    fn measuring_policy(&self) -> Policy {
        let is_denied = |policy: &Policy, kind| {
            Direction::BOTH.iter().any(|&direction| policy.verdict(kind, direction) == Verdict::Deny)
        };
        MEASURED.into_iter().fold(self.policy.clone(), |policy, kind| {
            if is_denied(&policy, kind) { policy.with(kind, Verdict::Warn) } else { policy }
        })
    }

    /// The impact with the snapshot that a run keeps of the database itself, or with why it keeps none.
    fn with_snapshot_of(&self, conn: &mut B::Conn<'_>, mut impact: Impact) -> Result<Impact> {
        let known = impact.plan.problems().len();
        impact.plan = self.with_snapshot(conn, impact.plan)?;
        let added = impact.plan.problems().iter().skip(known).cloned();
        impact.problems.extend(added);
        Ok(impact)
    }

    /// Lets the backend count the rows before the first step, if it does not count all that a step deletes.
    fn count_before(
        &self,
        conn: &mut B::Conn<'_>,
        rehearsed: &mut Rehearsed<'_, B>,
        plan: &Plan,
        stored: &Stored<B>,
    ) -> Result<()> {
        let may_undo = |step: &Step| self.text(stored, step).is_some_and(undoes);
        if plan.steps().iter().any(may_undo) {
            let nothing = RanSteps { steps: &[], source: Source::ScriptsThatUndo, remaining: None };
            let counted = (rehearsed.measure)(conn, &nothing);
            counted.map_err(|fault| Self::whole_database("rehearse the migrations", fault))?;
        }
        Ok(())
    }

    /// Why these steps cannot be rolled back, if they are to run in a transaction of the database itself.
    fn unfit(&self, plan: &Plan, stored: &Stored<B>, rehearsal: &Rehearsal) -> Option<String> {
        if rehearsal.runs_hooks && !self.hooks.is_empty() {
            return Some("hooks are code, which could commit".to_owned());
        }
        let reason = |step: &Step| {
            if step.atomicity == Atomicity::NonTransactional {
                return Some(format!(
                    "`{}` runs outside a transaction and could not be rolled back",
                    step.id
                ));
            }
            match self.text(stored, step) {
                None => Some(format!("`{}` is code, which could commit", step.id)),
                Some(text) => B::outlasts_rollback(text).map(|what| format!("`{}` {what}", step.id)),
            }
        };
        plan.steps().iter().find_map(reason)
    }

    /// The script of a step; `None` if it is code.
    fn text<'s>(&'s self, stored: &'s Stored<B>, step: &Step) -> Option<&'s str> {
        self.find_with(stored, step)?.1.action(step.direction)?.sql()
    }

    /// What ran in these steps.
    fn source(&self, plan: &Plan, stored: &Stored<B>, applied: &[Applied], rehearsal: &Rehearsal) -> Source {
        let mut source = Source::Scripts;
        for step in plan.steps().iter().filter(|step| applied.iter().any(|applied| applied.id == step.id)) {
            match self.text(stored, step) {
                None => return Source::Code,
                Some(text) if undoes(text) => source = Source::ScriptsThatUndo,
                Some(_) => {}
            }
        }
        if rehearsal.runs_hooks && !self.hooks.is_empty() { Source::Code } else { source }
    }
}

/// Whether a script may undo a part of what it did, or deletes rows that are not counted. A block is a text, so texts are read too.
fn undoes(script: &str) -> bool {
    let lower = script.to_lowercase();
    ["rollback", "exception", "truncate"].iter().any(|word| lower.contains(word))
}

fn ids(applied: &[Applied]) -> Vec<MigrationId> {
    applied.iter().map(|step| step.id.clone()).collect()
}

/// The account of several steps.
fn sum(applied: &[Applied]) -> Account {
    let mut account = Account::default();
    for step in applied {
        account.extend(&step.account);
    }
    account
}

fn difference(after: u64, before: u64) -> i64 {
    i64::try_from(i128::from(after) - i128::from(before)).unwrap_or_default()
}
