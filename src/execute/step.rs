//! Running one step: its hooks and its script or code.

use std::time::{Duration, Instant};

use super::Executor;
use super::stop::Stop;
use super::tries::Begun;
use super::work::Work;
use crate::account::{Execution, StepFinding};
use crate::backend::{Backend, Blocker, Listener, Progress, Script, TableForm, TrackingTable};
use crate::cancel;
use crate::effect::Trust;
use crate::error::{Failure, HookKind, MigrationError, Remains, StepFailure};
use crate::event::Event;
use crate::fault::{Fault, FaultKind};
use crate::history::{Head, Record};
use crate::log_entry::LogEntry;
use crate::migration::{Action, ScriptText};
use crate::notice::Notices;
use crate::report::Applied;
use crate::sql::mentions;
use crate::step::Atomicity;

/// The data that no step may change.
type Others = (TableForm, Vec<Record>, Vec<LogEntry>);

impl<B: Backend> Executor<'_, B> {
    /// Runs the hooks and the script or code of a step, and reports the events.
    pub(super) fn within(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
        head: Head,
        begun: Option<&Begun<'_, '_, '_, B>>,
        progress: &mut Progress<'_, B>,
    ) -> Result<(Applied, Execution), Stop> {
        (self.announce)(work.step);
        let was_reported = work.was_reported.get();
        if !was_reported {
            self.notify(&Event::Started { step: work.step, number: work.number, of: work.of });
        }
        let notices = Notices::default();
        let mut run = |conn: &mut B::Conn<'_>| self.run(conn, work, atomicity, head, &notices, progress);
        let (outcome, blocker) = self.watched(conn, work, atomicity, |conn| match atomicity {
            Atomicity::Transaction => {
                self.limited(conn, work, atomicity, |conn| run(conn).map_err(Stop::from))
            }
            // The whole step is.
            Atomicity::NonTransactional => run(conn).map_err(Stop::from),
        });
        let outcome = match outcome {
            Ok(done) => Ok(done),
            Err(Stop::Failed(error)) => Err(match blocker {
                Some(Blocker { lock, holder, .. }) => error.of_wait(&lock, &holder),
                None => error,
            }),
            Err(Stop::Fault(fault)) => Err(work.failed(fault, atomicity)),
            Err(stop) => return Err(stop),
        };
        let mut notices = notices.take();
        for notice in &mut notices {
            if let Some(values) = work.action.as_script().and_then(ScriptText::values) {
                values.move_notice(notice);
            }
            self.secrets.mask(&mut notice.message);
            let at = |offset| work.meta.located(work.step.direction, work.action.text(), Some(offset));
            notice.at = notice.offset.map(at);
            if !was_reported {
                self.notify(&Event::Notice { step: work.step, notice });
            }
        }
        match outcome {
            Ok((duration, execution)) => {
                if !was_reported {
                    self.notify(&Event::Finished { step: work.step, duration });
                }
                if self.is_watched.get().is_none() && execution.touched.may_have(self.table.as_str()) {
                    work.was_reported.set(true);
                    return Err(Stop::Unwatched);
                }
                let applied = Applied {
                    id: work.step.id.clone(),
                    direction: work.step.direction,
                    duration,
                    account: execution.account.clone(),
                    notices,
                };
                Ok((applied, execution))
            }
            Err(error) => {
                match error.failure() {
                    Failure::Step(StepFailure { fault, .. })
                        if atomicity == Atomicity::Transaction && self.has_lost_to_other(conn, fault) =>
                    {
                        return Err(Stop::Moved);
                    }
                    Failure::Step(StepFailure { fault, .. })
                        if begun.is_some_and(|begun| self.may_try_again(begun, fault)) =>
                    {
                        return Err(Stop::Blocked(error.with_notices(notices)));
                    }
                    _ => {}
                }
                // If the connection is lost, the first error has the reason.
                let was_open = B::in_transaction(conn).unwrap_or(false);
                let error = self.failed(
                    conn,
                    work,
                    error.with_notices(notices).after_tries(begun.map_or(1, |begun| begun.tries.made())),
                );
                let is_lost = atomicity == Atomicity::Transaction
                    && was_open
                    && !B::in_transaction(conn).unwrap_or(true);
                Err(if is_lost { error.has_lost_transaction() } else { error }.into())
            }
        }
    }

    fn run(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
        head: Head,
        notices: &Notices,
        progress: &mut Progress<'_, B>,
    ) -> Result<(Duration, Execution), MigrationError> {
        let fault = |fault| work.failed(fault, atomicity);
        let is_watched = self.watches(conn, work, atomicity).map_err(fault)?;
        let keeps_session = self.is_script(work) && self.lock_timeout(work).is_none();
        if let Some(session) = self.session.as_ref().filter(|_| !keeps_session) {
            session.forget();
        }
        let others =
            |conn: &mut B::Conn<'_>| is_watched.then(|| self.others(conn, work)).transpose().map_err(fault);
        let before = others(conn)?;
        let mut execution = self.call(HookKind::Before, conn, work, atomicity)?;
        execution.findings.extend(self.hidden(conn, work, atomicity)?);
        let began = Instant::now();
        let by_step = match work.action {
            Action::Sql(script) => {
                // The plan is refused before.
                let Some(sql) = script.sql() else {
                    let what = "a placeholder in its script has no value";
                    return Err(work.failed(Fault::new(FaultKind::Other, what), Atomicity::Transaction));
                };
                let tell = |number, of| self.notify(&Event::Statement { step: work.step, number, of });
                let is_told = self.observer.is_some() && !work.was_reported.get();
                let listener: Option<&dyn Fn(u32, Option<u32>)> = if is_told { Some(&tell) } else { None };
                let script = Script {
                    text: sql,
                    from: work.first(),
                    atomicity,
                    foreign_keys: work.meta.foreign_keys,
                    patience: self.patience,
                    lock_timeout: self.lock_timeout(work),
                    cascade: work.meta.cascade,
                    data_loss: self.data_loss(work),
                    trust: if work.step.is_stored { Trust::Database } else { Trust::Program },
                    notices,
                    session: self.session.as_ref().filter(|_| keeps_session),
                    listener: Listener(listener),
                };
                let ran = match self.run_stored {
                    Some((run, limits)) if work.step.is_stored => run(conn, &script, progress, limits),
                    _ => B::run_script(conn, &script, progress),
                };
                ran.map(|execution| work.execution_as_written(execution))
                    .map_err(|fault| work.as_written(fault))
            }
            Action::Code(code) => B::run_code(conn, atomicity, |conn| code(B::lend(conn)).map_err(Fault::of))
                .map_err(|fault| cancel::explained_of_code(B::fault_of_code(fault)))
                .map(|((), touched)| touched.into()),
        };
        execution.extend(by_step.map_err(fault)?);
        let duration = began.elapsed();
        execution.extend(self.call(HookKind::After, conn, work, atomicity)?);
        let may_differ = execution.touched.may_have(self.table.as_str());
        // A table that is missing has the head of an empty one.
        if may_differ && head.count == 0 && B::form(conn, self.table).map_err(fault)? == TableForm::Missing {
            return Err(fault(self.touched()));
        }
        // If the table is missing, no further query is possible in this transaction.
        let has_same_head = !may_differ || B::head(conn, self.table).map_err(fault)? == head;
        if atomicity == Atomicity::Transaction {
            // The interrupted work may have ended before the interrupt, or code may have ignored it.
            cancel::check().map_err(fault)?;
        }
        let is_as_before = has_same_head && others(conn)? == before;
        if is_as_before { Ok((duration, execution)) } else { Err(fault(self.touched())) }
    }

    /// The findings about tables that code of this run hides from the script of a step.
    ///
    /// # Errors
    /// The policy does not allow one of them.
    fn hidden(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
    ) -> Result<Vec<StepFinding>, MigrationError> {
        let ran_code = self.ran_code.replace(self.ran_code.get() || !self.is_script(work));
        let has_hook = !self.hooks.before.is_empty();
        let Some(script) = work.action.sql().filter(|_| ran_code || has_hook) else { return Ok(Vec::new()) };
        let found = Self::hidden_by_code(conn, script).map_err(|fault| work.failed(fault, atomicity))?;
        // Nothing has run if there is no hook. The step is judged at its end too, which reports what the policy does not refuse.
        let atomicity = if has_hook { atomicity } else { Atomicity::Transaction };
        self.judge(work, &found, atomicity)?;
        Ok(found)
    }

    /// Whether a step might change the records of others: if it is code, is stored in the database, has hooks or names the table,
    /// or if a trigger does. Such a step may also have created a trigger. If [`TOUCHED_IS_COMPLETE`](crate::backend::Driver), what
    /// triggers do is known after the script.
    fn watches(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
    ) -> Result<bool, Fault> {
        let is_seen_later = B::TOUCHED_IS_COMPLETE && atomicity == Atomicity::Transaction && work.adds();
        let hooks = self.hooks.before.len() + self.hooks.after.len();
        let names_table = |text| mentions(text, self.table.as_str());
        let is_watched = match self.is_watched.get() {
            Some(true) => true,
            _ if hooks > 0 || work.step.is_stored || work.action.sql().is_none_or(names_table) => true,
            Some(false) => false,
            None if is_seen_later => return Ok(false),
            None => B::has_triggers_on(conn, self.table)?,
        };
        self.is_watched.set(Some(is_watched));
        Ok(is_watched)
    }

    /// The form of the tracking table, the records of all other migrations, and, for a script stored in the database, the log.
    fn others(&self, conn: &mut B::Conn<'_>, work: &Work<'_, '_, B>) -> Result<Others, Fault> {
        let TrackingTable { form, mut records, .. } = B::read(conn, self.table)?;
        records.retain(|record| record.id != work.step.id);
        let log_entries = if work.step.is_stored { B::read_log(conn, &self.log)? } else { Vec::new() };
        Ok((form, records, log_entries))
    }

    fn call(
        &self,
        kind: HookKind,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
    ) -> Result<Execution, MigrationError> {
        let hooks = match kind {
            HookKind::Before => &self.hooks.before,
            HookKind::After => &self.hooks.after,
        };
        let mut execution = Execution::default();
        hooks.iter().try_for_each(|hook| {
            let outcome =
                B::run_code(conn, atomicity, |conn| hook(work.step, B::lend(conn)).map_err(Fault::of));
            let outcome = outcome.map(|((), by_hook)| execution.extend(by_hook.into()));
            outcome.map_err(|fault| cancel::explained_of_code(B::fault_of_code(fault))).map_err(|fault| {
                let migration = work.step.id.clone();
                let atomicity = if kind == HookKind::Before { Atomicity::Transaction } else { atomicity };
                let fault = self.secrets.mask_fault(fault);
                let remains = Remains::of(atomicity, &fault);
                MigrationError::from(Failure::Hook { kind, migration, remains, fault })
            })
        })?;
        Ok(execution)
    }
}
