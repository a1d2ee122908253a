//! Steps and their records in one transaction.

use super::{Executor, Stop, TableState, Work};
use crate::backend::{Backend, Scope, TrackingTable, patiently};
use crate::fault::Fault;
use crate::history::History;
use crate::orphans::{Broken, Orphans};
use crate::plan::TransactionMode;
use crate::report::{Applied, Report, Together};
use crate::step::{Atomicity, Direction, ForeignKeys};
use crate::touched::Touched;

/// Steps that may share a transaction, in their order.
pub(super) struct Run<'w, 'p, 'r, B: Backend> {
    pub(super) works: &'w [Work<'p, 'r, B>],
    pub(super) mode: TransactionMode,
    /// The step behind them, which cannot be in their transaction.
    pub(super) blocked_by: Option<&'w Work<'p, 'r, B>>,
}

/// What came of one try.
struct Try<'l> {
    state: TableState,
    first: Option<(&'l TrackingTable, &'l History)>,
    done: Vec<Applied>,
    together: Option<Together>,
}

/// Why a try ended.
enum Halt {
    Stop(Stop),
    /// Rows reference missing ones. It has to be seen whether they did before, so all of it is done again after that.
    Suspect,
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Stop(fault.into())
    }
}

impl<B: Backend> Executor<'_, B> {
    /// Does the steps of a batch; or else the first one, and as many of those behind it as it takes until no row references a missing
    /// one that did not before. Says how many were done.
    pub(super) fn atomic<'l>(
        &self,
        conn: &mut B::Conn<'_>,
        run: &Run<'_, '_, '_, B>,
        state: &mut TableState,
        first: &mut Option<(&'l TrackingTable, &'l History)>,
        report: &mut Report,
    ) -> Result<usize, Stop> {
        let (Some(opening), Some(last)) = (run.works.first(), run.works.last()) else { return Ok(0) };
        let scope = Scope::new(opening.meta.foreign_keys, self.patience);
        self.prepare_log(conn, run.works.iter().any(|work| work.step.direction == Direction::Down))?;
        let mut is_suspect = false;
        loop {
            let mut attempt = Try { state: *state, first: *first, done: Vec::new(), together: None };
            let outcome = B::transaction(conn, &scope, |conn| {
                let before = if is_suspect { Some(self.orphans(conn, &Touched::anything())?) } else { None };
                self.attempt(conn, run, before.as_ref(), &mut attempt)
            });
            let stop = match outcome {
                Ok(()) => {
                    (*state, *first) = (attempt.state, attempt.first);
                    let count = attempt.done.len();
                    report.applied.append(&mut attempt.done);
                    report.together.extend(attempt.together);
                    return Ok(count);
                }
                Err(Halt::Suspect) => {
                    // Nobody hears twice of what is done twice.
                    run.works.iter().take(attempt.done.len()).for_each(|work| work.was_reported.set(true));
                    is_suspect = true;
                    continue;
                }
                Err(Halt::Stop(stop)) => stop,
            };
            return Err(match (stop, run.mode) {
                (Stop::Fault(fault), _) if self.has_lost_to_other(conn, &fault) => Stop::Moved,
                // Beginning, committing or checking failed: the last step is where a transaction of several ends.
                (Stop::Fault(fault), TransactionMode::Batch) => {
                    let fault = if run.works.len() > 1 { fault.of_all(run.works.len()) } else { fault };
                    self.told(conn, last, Stop::Fault(fault), Atomicity::Transaction)
                }
                (Stop::Failed(error), TransactionMode::PerMigration) => {
                    let before = run.works.iter().take(attempt.done.len());
                    Stop::Failed(error.undoing(before.map(|work| work.step.id.clone()).collect()))
                }
                (stop, _) => self.told(conn, opening, stop, Atomicity::Transaction),
            });
        }
    }

    fn attempt(
        &self,
        conn: &mut B::Conn<'_>,
        run: &Run<'_, '_, '_, B>,
        before: Option<&Orphans>,
        attempt: &mut Try<'_>,
    ) -> Result<(), Halt> {
        self.reconcile(conn, &mut attempt.state, &mut attempt.first)?;
        let (mut touched, mut opened) = (Touched::nothing(), None);
        let mut broken = Broken::default();
        for (place, work) in run.works.iter().enumerate() {
            self.go_on().map_err(Stop::from)?;
            let head = attempt.state.head;
            let (applied, by_step) =
                self.within(conn, work, Atomicity::Transaction, head, &mut |_, _| Ok(()))?;
            touched.extend(by_step);
            let record = match work.step.direction {
                Direction::Up => work.record(None, Some(applied.duration)),
                Direction::Down => work.record.clone(),
            };
            self.keep(conn, work, &record, &mut attempt.state)?;
            attempt.done.push(applied);
            if run.mode == TransactionMode::Batch && place + 1 < run.works.len() {
                continue;
            }
            broken = self.broken(conn, work.meta.foreign_keys, &touched, before)?;
            if broken.is_nothing() {
                attempt.together = opened.map(|opened: Broken| {
                    let steps = run.works[..=place].iter().map(|work| work.step.id.clone()).collect();
                    Together { steps, why: opened.reason() }
                });
                return Ok(());
            }
            opened.get_or_insert_with(|| broken.clone());
        }
        Err(broken.fault(&run.why_not_mended(), Atomicity::Transaction).into())
    }

    /// What is broken now and was not before.
    fn broken(
        &self,
        conn: &mut B::Conn<'_>,
        foreign_keys: ForeignKeys,
        touched: &Touched,
        before: Option<&Orphans>,
    ) -> Result<Broken, Halt> {
        match before {
            _ if foreign_keys != ForeignKeys::Checked => Ok(Broken::default()),
            Some(before) => Ok(self.orphans(conn, &Touched::anything())?.since(before)),
            None if self.orphans(conn, touched)?.is_empty() => Ok(Broken::default()),
            None => Err(Halt::Suspect),
        }
    }

    pub(super) fn orphans(&self, conn: &mut B::Conn<'_>, touched: &Touched) -> Result<Orphans, Fault> {
        patiently(self.patience, || B::orphans(conn, touched))
    }
}

impl<B: Backend> Run<'_, '_, '_, B> {
    /// Why rows still reference missing ones when all of it is done.
    fn why_not_mended(&self) -> String {
        let behind = match (self.mode, self.works.len()) {
            (TransactionMode::Batch, _) | (_, 0 | 1) => String::new(),
            (_, 2) => ", and the step behind it does not mend that".to_owned(),
            (_, all) => format!(", and the {} steps behind it do not mend that", all - 1),
        };
        match self.blocked_by {
            Some(work) => format!("{behind}, and `{}` cannot be in one transaction with it", work.step.id),
            None => behind,
        }
    }
}
