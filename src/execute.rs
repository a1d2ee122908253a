//! Carries out an approved plan: one transaction a step, or a step outside a transaction where there can be none.

use std::cell::Cell;
use std::time::Duration;

use crate::approval::Approved;
use crate::backend::{Backend, Scope, Session, TrackingTable};
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError};
use crate::event::Observer;
use crate::fault::{Fault, FaultKind};
use crate::history::{History, Record};
use crate::hooks::Hooks;
use crate::lock::Lock;
use crate::migration::{Body, Meta};
use crate::plan::TransactionMode;
use crate::report::Report;
use crate::step::{Atomicity, Direction, ForeignKeys, Step};

pub(crate) use self::stop::Stop;
use self::table_state::TableState;
use self::work::{Group, Work};

mod amend;
mod atomic;
mod non_transactional;
mod notify;
mod reconcile;
mod record;
mod step;
mod stop;
mod table_state;
mod work;

/// What a plan is carried out with.
pub(crate) struct Executor<'r, B: Backend> {
    pub(crate) table: &'r TableName,
    pub(crate) log: TableName,
    /// The program, for the log.
    pub(crate) program: Option<&'r str>,
    pub(crate) hooks: &'r Hooks<B>,
    pub(crate) observer: Option<&'r Observer>,
    pub(crate) patience: Duration,
    /// The lock that the run holds.
    pub(crate) lock: &'r Lock,
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

/// How the migration of a step is found.
pub(crate) type Find<'r, B> = Box<dyn Fn(&Step) -> Option<Found<'r, B>> + 'r>;

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
        let mode = plan.mode();
        let mut left = &*works;
        while let Some(work) = left.first() {
            self.go_on()?;
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
                    let group = Group { works: joining, mode, blocked_by: behind.first() };
                    self.atomic(conn, &group, &mut state, report)?
                }
                (TransactionMode::Batch, _) => {
                    let group = Group { works: left, mode, blocked_by: None };
                    self.atomic(conn, &group, &mut state, report)?
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
        self.lock.is_per_transaction()
            && fault.kind() == FaultKind::Busy
            && !B::in_transaction(conn).unwrap_or(true)
    }

    /// Why a transaction could not be entered.
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
}
