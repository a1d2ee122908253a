//! Rehearsing a run on a copy, and applying what was rehearsed.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use super::MigrationRunner;
use super::goal::Goal;
use crate::account::Account;
use crate::approval::Consent;
use crate::backend::{Backend, RehearsalRequest, Rehearsed, Source, patiently};
use crate::direction::Direction;
use crate::error::{Failure, Result};
use crate::execute::Executor;
use crate::fault::{Fault, FaultKind};
use crate::hooks::Hooks;
use crate::impact::{DataState, StepImpact};
use crate::lock::{Holding, Lock};
use crate::migration::Action;
use crate::plan::Plan;
use crate::problem::{ProblemKind, Verdict};
use crate::rehearsal::{Impact, Rehearsal};
use crate::remedy::Remedy;
use crate::report::{Applied, Report};
use crate::sql::has_word;

/// What a step does to rows is measured even if the policy denies it.
const MEASURED: [ProblemKind; 3] =
    [ProblemKind::RowsLost, ProblemKind::LostInRebuild, ProblemKind::ValuesChanged];

impl<B: Backend> MigrationRunner<B> {
    /// Runs the pending migrations, or a rollback, on a copy of the database with all its rows, and returns what they did to it: the rows of
    /// each table, what became `NULL`, the schema, the time. The database itself is only read, and others can use it meanwhile.
    ///
    /// On SQLite the copy is made with the backup API. It is in memory, or in a temporary file if the database has more than 64 MiB, and
    /// needs room for the database twice. Migrations in code run too, on the copy; hooks run only if the [`Rehearsal`] says so. If a
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
        let (conn, rehearsal) = (&mut conn, rehearsal.into());
        self.refuse_open_transaction(conn)?;
        self.run_session_sql(conn)?;
        let failed = |fault| self.database("rehearse the migrations", fault);
        let state = patiently(self.lock_timeout, || B::data_state(conn)).map_err(failed)?;
        let tables = [self.table.clone(), self.table.log()];
        let request = RehearsalRequest {
            tables: &tables,
            prepare: self.prepare.as_deref(),
            patience: self.lock_timeout,
        };
        let impact = B::rehearsal(conn, &request, |copy, rehearsed| {
            self.run_session_sql(copy)?;
            self.rehearsed(copy, rehearsed, &rehearsal, state)
        });
        impact.map_err(failed)?.unwrap_or_else(|| {
            let what = format!("{} has no way to copy a database", B::DIALECT);
            Err(failed(Fault::new(FaultKind::Other, what).remedy(Remedy::from("look at the plan"))))
        })
    }

    /// Carries out what was rehearsed, if nobody has changed the database since.
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
        let Impact { plan, state, .. } = impact;
        self.apply_if(conn, &plan, |conn| {
            let now = patiently(self.lock_timeout, || B::data_state(conn)).map_err(self.reading())?;
            if now == state { Ok(()) } else { Err(Failure::Stale(0).into()) }
        })
    }

    fn rehearsed(
        &self,
        copy: &mut B::Conn<'_>,
        rehearsed: &mut Rehearsed<'_, B>,
        rehearsal: &Rehearsal,
        state: DataState,
    ) -> Result<Impact> {
        let (tracking, history) = self.read_table(copy)?;
        let plan = self.checked_plan(copy, &history, Goal::to(&rehearsal.target))?;
        let approved = plan.clone().one_by_one().approve(Consent::NotNeeded)?;
        let mut policy = self.policy.clone();
        for kind in MEASURED {
            if Direction::BOTH.iter().any(|&direction| policy.verdict(kind, direction) == Verdict::Deny) {
                policy = policy.with(kind, Verdict::Warn);
            }
        }
        let no_hooks = Hooks::for_backend();
        let stored = Self::stored(&plan, &history);
        let holding = Holding::of(&self.table);
        let steps = RefCell::new(Vec::new());
        let fault = RefCell::new(None);
        let began = Cell::new(Instant::now());
        let size = Cell::new(rehearsed.bytes);
        let measure = RefCell::new(&mut *rehearsed.measure);
        let committed = |copy: &mut B::Conn<'_>, applied: &[Applied]| {
            let duration = began.get().elapsed();
            let source = self.source(&plan, applied, rehearsal);
            match (measure.borrow_mut())(copy, applied, source) {
                Ok(measured) => steps.borrow_mut().push(StepImpact {
                    ids: applied.iter().map(|step| step.id.clone()).collect(),
                    direction: applied.first().map_or(Direction::Up, |step| step.direction),
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
            committed: Some(Box::new(committed)),
            ..self.executor(&holding, &stored)
        };
        let mut report = Report::default();
        began.set(Instant::now());
        let outcome = executor.execute(copy, approved, &tracking, &self.completed(&history), &mut report);
        drop(executor);
        if let Some(fault) = fault.into_inner() {
            return Err(self.database("rehearse the migrations", fault));
        }
        let mut problems: Vec<_> = plan.problems().to_vec();
        problems.extend(self.policy.judge(report.notes, plan.direction()));
        if let Err(stop) = outcome {
            let error = self.failure(stop);
            match error.failed_in_trial("on a copy of this database") {
                Some(problem) => problems.push(problem),
                None => return Err(error),
            }
        }
        Ok(Impact {
            steps: steps.into_inner(),
            problems,
            lacks: std::mem::take(&mut rehearsed.lacks),
            bytes_before: rehearsed.bytes,
            bytes_after: size.get(),
            copied_in: rehearsed.copied_in,
            plan,
            state,
        })
    }

    /// What ran in these steps.
    fn source(&self, plan: &Plan, applied: &[Applied], rehearsal: &Rehearsal) -> Source {
        let has_hooks = !self.hooks.before.is_empty() || !self.hooks.after.is_empty();
        let mut source = Source::Scripts;
        for step in plan.steps().iter().filter(|step| applied.iter().any(|applied| applied.id == step.id)) {
            let action = self.find(step).filter(|_| !step.is_stored);
            match action.and_then(|(_, body)| body.action(step.direction)).map(Action::text) {
                Some(None) => return Source::Code,
                Some(Some(text)) if has_word(text, &["rollback"]) => source = Source::ScriptsThatUndo,
                _ => {}
            }
        }
        if has_hooks && rehearsal.runs_hooks { Source::Code } else { source }
    }
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
