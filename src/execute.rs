//! Carries out an approved plan: one transaction a step, or a step outside a transaction where there can be none.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::approval::Approved;
use crate::backend::{Backend, Progress, Scope, Script, Session, TableForm, TrackingTable, patiently};
use crate::dialect::TableName;
use crate::effect::Trust;
use crate::error::{Failure, HookKind, MigrationError, Remains, StepFailure};
use crate::event::{Event, Observer};
use crate::fault::{Fault, FaultKind};
use crate::history::{Dirty, Head, History, HistoryDigest, Record};
use crate::hooks::Hooks;
use crate::log_entry::{LogEntry, LogEntryKind};
use crate::migration::{Action, Body, Meta};
use crate::plan::TransactionMode;
use crate::report::{Applied, Report};
use crate::sql::mentions;
use crate::step::{Atomicity, Direction, ForeignKeys, Step};
use crate::touched::Touched;

use self::atomic::Run;

mod amend;
mod atomic;
mod non_transactional;
mod notify;
mod reconcile;

/// What a plan is carried out with.
pub(crate) struct Executor<'r, B: Backend> {
    pub(crate) table: &'r TableName,
    pub(crate) log: TableName,
    /// The program, for the log.
    pub(crate) program: Option<&'r str>,
    pub(crate) hooks: &'r Hooks<B>,
    pub(crate) observer: Option<&'r Observer>,
    pub(crate) patience: Duration,
    /// Whether each transaction locks the row of [`Lock::Row`](crate::Lock::Row).
    pub(crate) is_row: bool,
    /// Whether no other step is to begin.
    pub(crate) is_stopped: Option<&'r Stopped>,
    /// Finds what a step runs.
    pub(crate) find: Find<'r, B>,
    /// Whether all records are compared around each step, once that is known.
    pub(crate) is_watched: Cell<Option<bool>>,
    /// What is known of the session between scripts, if the run has one for itself.
    pub(crate) session: Option<Session>,
    /// Called as a step begins, for those who wait.
    pub(crate) announce: Box<dyn Fn(&Step) + 'r>,
}

/// Says whether a run is to end before its next step.
pub(crate) type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

/// A migration of the set.
pub(crate) type Found<'r, B> = (&'r Meta, &'r Body<B>);

/// What no step may change.
type Others = (TableForm, Vec<Record>, Vec<LogEntry>);

/// How the migration of a step is found.
pub(crate) type Find<'r, B> = Box<dyn Fn(&Step) -> Option<Found<'r, B>> + 'r>;

/// Why the steps stopped.
pub(crate) enum Stop {
    /// The database is not as it was when the plan was made.
    Moved,
    Failed(MigrationError),
    /// A fault that does not know yet which step it belongs to.
    Fault(Fault),
}

impl Stop {
    /// Whether it can be done again as it is, since others were only in the way.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Moved => true,
            Self::Failed(_) => false,
            Self::Fault(fault) => fault.kind() == FaultKind::Busy && !fault.is_in_doubt,
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<MigrationError> for Stop {
    fn from(error: MigrationError) -> Self {
        Self::Failed(error)
    }
}

/// The tracking table as the executor knows it, and what it makes of it.
#[derive(Debug, Clone, Copy)]
struct TableState {
    form: TableForm,
    head: Head,
    digest: HistoryDigest,
    count: usize,
    /// The version of the database when the table was last looked at.
    version: Option<i64>,
}

impl TableState {
    fn of(tracking: &TrackingTable, history: &History) -> Self {
        let (digest, count) = (history.digest(), history.count());
        Self { form: tracking.form, head: tracking.head, digest, count, version: None }
    }

    /// With one record more or less.
    fn toggled(&self, record: &Record, direction: Direction) -> Self {
        let digest = self.digest.toggled(HistoryDigest::of_record(
            &record.id,
            record.checksum.as_ref(),
            record.dirty.is_some(),
        ));
        let count = match direction {
            Direction::Up => self.count + 1,
            Direction::Down => self.count - 1,
        };
        Self { form: TableForm::Current, head: Head { digest: Some(digest), count }, digest, count, ..*self }
    }
}

/// One step with everything it takes.
struct Work<'p, 'r, B: Backend> {
    step: &'p Step,
    number: usize,
    of: usize,
    meta: &'r Meta,
    action: &'r Action<B>,
    /// The record in the database, if there is one.
    before: Option<Record>,
    /// The record of the migration when it is applied.
    record: Record,
    /// Whether everybody has heard that it is done, though it is done again.
    was_reported: Cell<bool>,
}

impl<B: Backend> Work<'_, '_, B> {
    fn record(&self, dirty: Option<Dirty>, duration: Option<Duration>) -> Record {
        Record { dirty, duration: duration.or(self.record.duration), ..self.record.clone() }
    }

    /// The statement it begins with.
    fn first(&self) -> u32 {
        self.step.from.unwrap_or(1)
    }

    /// Whether it adds its record, which is the newest then.
    fn adds(&self) -> bool {
        self.before.is_none() && self.step.direction == Direction::Up
    }

    fn failed(&self, fault: Fault, atomicity: Atomicity) -> MigrationError {
        // Where a failing statement changes nothing, failing in the first one is as good as a transaction.
        let is_first =
            fault.statement.as_ref().is_some_and(|(number, _)| *number == self.first()) && !fault.is_partial;
        let atomicity = if is_first && B::STATEMENTS_ARE_ATOMIC { Atomicity::Transaction } else { atomicity };
        let at = self.meta.located(self.step.direction, self.action.text(), fault.offset);
        let (migration, direction) = (self.step.id.clone(), self.step.direction);
        let remains = match Remains::of(atomicity, &fault) {
            Remains::Nothing if self.first() > 1 => Remains::Before,
            remains => remains,
        };
        Failure::Step(StepFailure {
            migration,
            direction,
            remains,
            at,
            fault,
            applied_before: 0,
            undone_before: Vec::new(),
        })
        .into()
    }
}

impl<'r, B: Backend> Executor<'r, B> {
    /// Carries out a plan that was made for this ledger. What was committed stands in the report, also if it stopped.
    pub(crate) fn execute(
        &self,
        conn: &mut B::Conn<'_>,
        plan: Approved,
        tracking: &TrackingTable,
        history: &History,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let plan = plan.into_plan();
        let works = self.works(plan.steps(), history)?;
        let mut state = TableState::of(tracking, history);
        let mut first = Some((tracking, history));
        let mode = plan.mode();
        let mut left = &*works;
        while let Some(work) = left.first() {
            self.go_on()?;
            let done = match (mode, work.step.atomicity) {
                (TransactionMode::PerMigration, Atomicity::NonTransactional) => {
                    self.non_transactional(conn, work, &mut state, &mut first, report)?;
                    1
                }
                (TransactionMode::PerMigration, Atomicity::Transaction) => {
                    let may_join = |other: &&Work<'_, '_, B>| {
                        other.step.atomicity == Atomicity::Transaction
                            && other.meta.foreign_keys == work.meta.foreign_keys
                    };
                    let (joining, behind) = left.split_at(left.iter().take_while(may_join).count());
                    let run = Run { works: joining, mode, blocked_by: behind.first() };
                    self.atomic(conn, &run, &mut state, &mut first, report)?
                }
                (TransactionMode::Batch, _) => {
                    let run = Run { works: left, mode, blocked_by: None };
                    self.atomic(conn, &run, &mut state, &mut first, report)?
                }
            };
            left = &left[done..];
        }
        Ok(())
    }

    /// Brings a table of an older form up to date though nothing is pending.
    pub(crate) fn upgrade(
        &self,
        conn: &mut B::Conn<'_>,
        tracking: &TrackingTable,
        history: &History,
    ) -> Result<(), Stop> {
        let mut state = TableState::of(tracking, history);
        B::transaction(conn, &self.record_scope(), |conn| {
            self.reconcile(conn, &mut state, &mut Some((tracking, history)))
        })
    }

    fn works<'p>(
        &self,
        steps: &'p [Step],
        history: &History,
    ) -> Result<Vec<Work<'p, 'r, B>>, MigrationError> {
        let work = |(number, step): (usize, &'p Step)| {
            let unknown = || MigrationError::from(Failure::ForeignPlan(step.id.clone()));
            let (meta, body) = (self.find)(step).ok_or_else(unknown)?;
            let action = body.action(step.direction).ok_or_else(unknown)?;
            // To be applied is what has no record, or one of a beginning.
            let is_there = |record: &&Record| {
                step.direction == Direction::Down
                    || record.dirty.as_ref().is_some_and(|dirty| dirty.resumes(Direction::Up))
            };
            let before = history.get(&step.id).filter(is_there).cloned();
            let record = match &before {
                Some(before) if step.direction == Direction::Down => before.clone(),
                _ => body.record(meta),
            };
            Ok(Work {
                step,
                number,
                of: steps.len(),
                meta,
                action,
                before,
                record,
                was_reported: Cell::new(false),
            })
        };
        (1..).zip(steps).map(work).collect()
    }

    fn record_scope(&self) -> Scope {
        Scope::new(ForeignKeys::Unchecked, self.patience)
    }

    /// Whether the transaction was taken back because another program's went first, as between the nodes of a cluster, where the row
    /// that is locked here is not locked there. Then it can be tried again.
    fn has_lost_to_other(&self, conn: &mut B::Conn<'_>, fault: &Fault) -> bool {
        self.is_row && fault.kind() == FaultKind::Busy && !B::in_transaction(conn).unwrap_or(true)
    }

    /// Makes the log before a transaction that writes to it, where making it would end that.
    fn prepare_log(&self, conn: &mut B::Conn<'_>, is_needed: bool) -> Result<(), Fault> {
        if is_needed && !B::SCHEMA_CAN_BE_ATOMIC {
            patiently(self.patience, || B::create_log(conn, &self.log))
        } else {
            Ok(())
        }
    }

    /// Why the row could not be locked.
    fn kept_out(&self, conn: &mut B::Conn<'_>, fault: Fault) -> Stop {
        if self.has_lost_to_other(conn, &fault) {
            return Stop::Moved;
        }
        if fault.kind() != FaultKind::Busy {
            return fault.into();
        }
        let lock = format!("of `{}`", self.table);
        MigrationError::from(Failure::LockTimeout { lock, holder: fault.to_string(), waited: self.patience })
            .into()
    }

    /// Adds or removes the record of a step that is done.
    fn keep(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        record: &Record,
        state: &mut TableState,
    ) -> Result<(), Stop> {
        if work.adds() {
            *state = state.toggled(record, Direction::Up);
            B::append(conn, self.table, record, state.digest)?;
        } else {
            let kept = (work.step.direction == Direction::Up).then_some(record);
            self.replace(conn, work, work.before.as_ref(), kept, state)?;
            B::stamp(conn, self.table, state.digest)?;
        }
        // A trigger on the table would have fired only now.
        let is_as_written = self.is_watched.get() != Some(true)
            || History::new(B::read(conn, self.table)?.records).digest() == state.digest;
        if is_as_written { Ok(()) } else { Err(self.touched().into()) }
    }

    /// Writes, rewrites or removes the record of a step. One that goes leaves a line in the log.
    fn replace(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        from: Option<&Record>,
        to: Option<&Record>,
        state: &mut TableState,
    ) -> Result<(), Fault> {
        match (from, to) {
            (None, None) => {}
            (None, Some(to)) => B::insert(conn, self.table, to)?,
            (Some(_), Some(to)) => B::update(conn, self.table, to)?,
            (Some(_), None) => {
                B::delete(conn, self.table, &work.step.id)?;
                if work.step.direction == Direction::Down {
                    B::append_log(conn, &self.log, &self.undone(work))?;
                }
            }
        }
        for (record, direction) in [(from, Direction::Down), (to, Direction::Up)] {
            *state = record.map_or_else(|| *state, |record| state.toggled(record, direction));
        }
        Ok(())
    }

    /// The line in the log of a step that is undone.
    fn undone(&self, work: &Work<'_, '_, B>) -> LogEntry {
        let kind = if work.step.is_stored { LogEntryKind::Downgraded } else { LogEntryKind::RolledBack };
        LogEntry { program: self.program.map(str::to_owned), ..work.record.log_entry(kind) }
    }

    /// The fault of a step that wrote where only the engine may.
    fn touched(&self) -> Fault {
        Fault::new(FaultKind::Other, format!("it changes the tracking table `{}`", self.table))
            .remedy("leave that table to the engine, and run again")
    }

    /// Runs the hooks and the script or code of a step, and tells everybody.
    fn within(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        atomicity: Atomicity,
        head: Head,
        progress: &mut Progress<'_, B>,
    ) -> Result<(Applied, Touched), Stop> {
        (self.announce)(work.step);
        let was_reported = work.was_reported.get();
        if !was_reported {
            self.notify(&Event::Started { step: work.step, number: work.number, of: work.of });
        }
        match self.run(conn, work, atomicity, head, progress) {
            Ok((duration, touched)) => {
                if !was_reported {
                    self.notify(&Event::Finished { step: work.step, duration });
                }
                let applied = Applied { id: work.step.id.clone(), direction: work.step.direction, duration };
                Ok((applied, touched))
            }
            Err(error) => {
                match error.failure() {
                    Failure::Step(StepFailure { fault, .. })
                        if atomicity == Atomicity::Transaction && self.has_lost_to_other(conn, fault) =>
                    {
                        return Err(Stop::Moved);
                    }
                    _ => {}
                }
                // Where the connection is gone, what was said first says why.
                let was_open = B::in_transaction(conn).unwrap_or(false);
                let error = self.failed(conn, work, error);
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
        progress: &mut Progress<'_, B>,
    ) -> Result<(Duration, Touched), MigrationError> {
        let fault = |fault| work.failed(fault, atomicity);
        let is_watched = self.watches(conn, work).map_err(fault)?;
        if let Some(session) = self.session.as_ref().filter(|_| !self.is_script(work)) {
            session.forget();
        }
        let others =
            |conn: &mut B::Conn<'_>| is_watched.then(|| self.others(conn, work)).transpose().map_err(fault);
        let before = others(conn)?;
        let mut touched = self.call(HookKind::Before, conn, work, atomicity)?;
        let began = Instant::now();
        let by_step = match work.action {
            Action::Sql(_) => {
                let script = Script {
                    text: work.action.text().unwrap_or_default(),
                    from: work.first(),
                    atomicity,
                    foreign_keys: work.meta.foreign_keys,
                    patience: self.patience,
                    cascade: work.meta.cascade,
                    trust: if work.step.is_stored { Trust::Database } else { Trust::Program },
                    session: self.session.as_ref().filter(|_| self.is_script(work)),
                };
                B::run_script(conn, &script, progress)
            }
            Action::Code(code) => B::run_code(conn, atomicity, |conn| code(B::lend(conn)).map_err(Fault::of))
                .map(|((), touched)| touched),
        };
        touched.extend(by_step.map_err(fault)?);
        let duration = began.elapsed();
        touched.extend(self.call(HookKind::After, conn, work, atomicity)?);
        // Where the table is gone, nothing else can be asked in this transaction.
        let has_same_head =
            !touched.may_have(self.table.as_str()) || B::head(conn, self.table).map_err(fault)? == head;
        let is_as_before = has_same_head && others(conn)? == before;
        if is_as_before { Ok((duration, touched)) } else { Err(fault(self.touched())) }
    }

    /// Whether a step might change the records of others: where it is code, or came out of the database, or has hooks, or names the
    /// table, or where a trigger does, which such a step may also have left behind.
    fn watches(&self, conn: &mut B::Conn<'_>, work: &Work<'_, '_, B>) -> Result<bool, Fault> {
        let hooks = self.hooks.before.len() + self.hooks.after.len();
        let names_table = |text| mentions(text, self.table.as_str());
        let is_watched = match self.is_watched.get() {
            Some(true) => true,
            _ if hooks > 0 || work.step.is_stored || work.action.text().is_none_or(names_table) => true,
            Some(false) => false,
            None => B::has_triggers_on(conn, self.table)?,
        };
        self.is_watched.set(Some(is_watched));
        Ok(is_watched)
    }

    /// The form of the tracking table, the records of all other migrations, and, for a script out of the database, the log.
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
    ) -> Result<Touched, MigrationError> {
        let hooks = match kind {
            HookKind::Before => &self.hooks.before,
            HookKind::After => &self.hooks.after,
        };
        let mut touched = Touched::nothing();
        hooks.iter().try_for_each(|hook| {
            let outcome =
                B::run_code(conn, atomicity, |conn| hook(work.step, B::lend(conn)).map_err(Fault::of));
            let outcome = outcome.map(|((), by_hook)| touched.extend(by_hook));
            outcome.map_err(|fault| {
                let migration = work.step.id.clone();
                let atomicity = if kind == HookKind::Before { Atomicity::Transaction } else { atomicity };
                let remains = Remains::of(atomicity, &fault);
                MigrationError::from(Failure::Hook { kind, migration, remains, fault })
            })
        })?;
        Ok(touched)
    }
}
