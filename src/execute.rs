//! Carries out an approved plan: one transaction per step, and steps outside a transaction for scripts that cannot run in one.

use std::cell::Cell;
use std::time::Duration;

use crate::account::Execution;
use crate::approval::Approved;
use crate::backend::{
    Backend, Driver, Progress, RehearsalPlace, Scope, Script, Session, TableForm, TrackingTable, Witness,
    patiently,
};
use crate::cancel;
use crate::dialect::TableName;
use crate::direction::Direction;
use crate::error::{Failure, MigrationError};
use crate::event::Observer;
use crate::fault::{Fault, FaultKind};
use crate::history::{History, Record};
use crate::hooks::Hooks;
use crate::lock::Lock;
use crate::migration::{Body, Meta};
use crate::placeholder::Secrets;
use crate::plan::TransactionMode;
use crate::policy::Policy;
use crate::report::{Applied, Report};
use crate::step::{Atomicity, ForeignKeys, Step};

pub(crate) use self::stop::Stop;
use self::table_state::TableState;
pub(crate) use self::waits::Waits;
pub(crate) use self::watcher::{Connect, Watcher};
use self::work::{Group, Work};
use crate::stored_limits::StoredLimits;

mod amend;
mod atomic;
mod judge;
mod limited;
mod non_transactional;
mod notify;
mod reconcile;
mod record;
mod step;
mod stop;
mod table_state;
mod tries;
mod waits;
mod watcher;
mod work;

/// Everything that is needed to carry out a plan.
pub(crate) struct Executor<'r, B: Backend> {
    pub(crate) table: &'r TableName,
    pub(crate) log: TableName,
    /// The name of the program, for the records and the log.
    pub(crate) program: Option<&'r str>,
    pub(crate) hooks: &'r Hooks<B>,
    /// Judges what a step did.
    pub(crate) policy: &'r Policy,
    /// The values that no message may contain.
    pub(crate) secrets: &'r Secrets,
    pub(crate) observer: Option<&'r Observer>,
    pub(crate) patience: Duration,
    pub(crate) waits: &'r Waits,
    /// Looks for who is in the way of a step, if there is another connection for it.
    pub(crate) watcher: Option<Watcher<B>>,
    /// The lock that the run holds.
    pub(crate) lock: &'r Lock,
    /// Returns whether no further step should begin.
    pub(crate) is_stopped: Option<&'r Stopped>,
    /// Finds the migration of a step.
    pub(crate) find: Find<'r, B>,
    /// The version of the database that the first transaction must find; `None` if it may be any.
    pub(crate) version: Option<i64>,
    /// Whether all records are compared around each step; `None` until that is determined.
    pub(crate) is_watched: Cell<Option<bool>>,
    /// Whether code or a hook ran, which may have created temporary tables.
    pub(crate) ran_code: Cell<bool>,
    /// The state of the session between scripts, if the whole run uses one session.
    pub(crate) session: Option<Session>,
    /// Runs a script that is stored in the database, and its limits. Only a run that undoes what it does not know has one.
    pub(crate) run_stored: Option<(RunStored<B>, StoredLimits)>,
    /// Called when a step begins, to inform waiting runs.
    pub(crate) announce: Box<dyn Fn(&Step) + 'r>,
    /// Is asked in each transaction whether others have written since the snapshot of the run.
    pub(crate) witness: Option<&'r dyn Witness>,
    /// What is done with the steps of a rehearsal.
    pub(crate) rehearsal: Option<Rehearsing<'r, B>>,
}

/// What is done with the steps of a rehearsal.
pub(crate) struct Rehearsing<'r, B: Backend> {
    pub(crate) place: RehearsalPlace,
    pub(crate) measure: Box<MeasureSteps<'r, B>>,
}

/// Is given the steps that were just committed, or that will be rolled back.
pub(crate) type MeasureSteps<'r, B> = dyn Fn(&mut <B as Driver>::Conn<'_>, &[Applied]) + 'r;

/// Runs a script that is stored in the database. It is a function type, so a program that runs none does not link it.
pub(crate) type RunStored<B> = fn(
    &mut <B as Driver>::Conn<'_>,
    &Script<'_>,
    &mut Progress<'_, B>,
    StoredLimits,
) -> Result<Execution, Fault>;

/// Returns whether a run should end before its next step.
pub(crate) type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

/// A migration: its metadata and its body.
pub(crate) type Found<'r, B> = (&'r Meta, &'r Body<B>);

/// Finds the migration of a step.
pub(crate) type Find<'r, B> = Box<dyn Fn(&Step) -> Option<Found<'r, B>> + 'r>;

impl<'r, B: Backend> Executor<'r, B> {
    /// Carries out a plan that was made for this state of the tracking table. Whatever was committed is in the report, even after
    /// an error.
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
        let extended;
        let is_rolled_back = self.measures(RehearsalPlace::Transaction).is_some();
        let adds_apart = B::ADDING_COLUMNS_BLOCKS_READERS && !is_rolled_back;
        let tracking = if tracking.form == TableForm::Lacking && adds_apart && !works.is_empty() {
            extended = self.extend(conn, tracking)?;
            &extended
        } else {
            tracking
        };
        let hidden = self.hidden_tables(conn, &works)?;
        self.note(&hidden, report);
        let mut state = TableState::of(tracking, history);
        let mode = plan.mode();
        let only_scripts = self.hooks.on_error.is_empty() && works.iter().all(|work| self.is_script(work));
        let mut left = &*works;
        while let Some(work) = left.first() {
            self.check_stopped()?;
            let before = report.applied.len();
            let done = match (mode, work.step.atomicity) {
                (TransactionMode::PerMigration, Atomicity::NonTransactional) => {
                    self.non_transactional(conn, work, &mut state, report)?;
                    1
                }
                (TransactionMode::PerMigration, Atomicity::Transaction) => {
                    let may_join = |other: &&Work<'_, '_, B>| {
                        other.step.atomicity == Atomicity::Transaction
                            && other.meta.foreign_keys == work.meta.foreign_keys
                    };
                    let (joining, behind) = left.split_at(left.iter().take_while(may_join).count());
                    let group = Group { works: joining, mode, blocked_by: behind.first(), only_scripts };
                    self.atomic(conn, &group, &mut state, report)?
                }
                (TransactionMode::Batch, _) => {
                    let group = Group { works: left, mode, blocked_by: None, only_scripts };
                    self.atomic(conn, &group, &mut state, report)?
                }
            };
            if let Some(measure) = self.measures(RehearsalPlace::Copy) {
                measure(conn, report.applied.get(before..).unwrap_or_default());
            }
            left = &left[done..];
        }
        Ok(())
    }

    /// Measures the steps of a rehearsal in this place.
    fn measures(&self, place: RehearsalPlace) -> Option<&MeasureSteps<'r, B>> {
        self.rehearsal.as_ref().filter(|rehearsal| rehearsal.place == place).map(|it| &*it.measure)
    }

    /// Adds the columns that the table lacks, in a transaction of its own, and returns the table as it is then.
    fn extend(&self, conn: &mut B::Conn<'_>, tracking: &TrackingTable) -> Result<TrackingTable, Fault> {
        patiently(self.patience, || {
            B::transaction(conn, &self.record_scope(), |conn| B::add_columns(conn, self.table))
        })?;
        let mut extended = tracking.clone();
        extended.form = TableForm::Current;
        Ok(extended)
    }

    /// Upgrades a table of an older form although nothing is pending.
    pub(crate) fn upgrade(
        &self,
        conn: &mut B::Conn<'_>,
        tracking: &TrackingTable,
        history: &History,
    ) -> Result<(), Stop> {
        let mut state = TableState::of(tracking, history);
        B::transaction(conn, &self.record_scope(), |conn| self.reconcile(conn, &mut state))
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
            // A migration to apply has no record, or the record of an unfinished step.
            let is_there = |record: &&Record| {
                step.direction == Direction::Down
                    || record.dirty.as_ref().is_some_and(|dirty| dirty.resumes(Direction::Up))
            };
            let before = history.get(&step.id).filter(is_there).cloned();
            let record = match &before {
                Some(before) if step.direction == Direction::Down => before.clone(),
                _ => body.record(meta).by(self.program),
            };
            Ok(Work {
                step,
                number,
                of: steps.len(),
                meta,
                action,
                secrets: self.secrets,
                before,
                record,
                was_reported: Cell::new(false),
            })
        };
        (1..).zip(steps).map(work).collect()
    }

    /// The scope of a transaction that only writes records.
    fn record_scope(&self) -> Scope {
        Scope { is_script: true, ..Scope::new(ForeignKeys::Unchecked, self.patience) }
    }

    /// Whether the transaction was rolled back because another program's committed first, as between the nodes of a cluster, where
    /// a row that is locked on one node is not locked on the others. The transaction can then be retried.
    fn has_lost_to_other(&self, conn: &mut B::Conn<'_>, fault: &Fault) -> bool {
        self.lock.is_per_transaction()
            && fault.kind() == FaultKind::Busy
            && !B::in_transaction(conn).unwrap_or(true)
    }

    /// The error of a transaction that could not lock the tracking table.
    fn entry_error(&self, conn: &mut B::Conn<'_>, fault: Fault) -> Stop {
        let fault = cancel::explained(fault);
        if fault.details.is_cancel {
            return MigrationError::from(Failure::Stopped(0)).into();
        }
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
}
