//! Steps and their records in one transaction.

use super::Executor;
use super::stop::Stop;
use super::table_state::TableState;
use super::work::Group;
use crate::backend::{Backend, Scope, patiently};
use crate::direction::Direction;
use crate::fault::Fault;
use crate::orphans::{Broken, Orphans};
use crate::plan::TransactionMode;
use crate::report::{Applied, Report, Together};
use crate::step::{Atomicity, ForeignKeys};
use crate::touched::Touched;

/// The result of one attempt.
struct Attempt<'l> {
    state: TableState<'l>,
    done: Vec<Applied>,
    together: Option<Together>,
}

/// Why an attempt ended.
enum AttemptError {
    Stop(Stop),
    /// Rows reference missing rows. To find out whether they did before, everything is repeated after a check.
    MayBeOld,
}

impl From<Stop> for AttemptError {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Fault> for AttemptError {
    fn from(fault: Fault) -> Self {
        Self::Stop(fault.into())
    }
}

impl<B: Backend> Executor<'_, B> {
    /// Carries out the steps of a batch; or else the first step and as many of the following ones as are needed until no row newly
    /// references a missing row. Returns how many were carried out.
    pub(super) fn atomic(
        &self,
        conn: &mut B::Conn<'_>,
        group: &Group<'_, '_, '_, B>,
        state: &mut TableState<'_>,
        report: &mut Report,
    ) -> Result<usize, Stop> {
        let (Some(opening), Some(last)) = (group.works.first(), group.works.last()) else { return Ok(0) };
        let scope = Scope::new(opening.meta.foreign_keys, self.patience);
        self.prepare_log(conn, group.works.iter().any(|work| work.step.direction == Direction::Down))?;
        let mut must_compare = false;
        loop {
            let mut attempt = Attempt { state: *state, done: Vec::new(), together: None };
            let outcome = B::transaction(conn, &scope, |conn| {
                let before =
                    if must_compare { Some(self.orphans(conn, &Touched::anything())?) } else { None };
                self.attempt(conn, group, before.as_ref(), &mut attempt)
            });
            let stop = match outcome {
                Ok(()) => {
                    *state = attempt.state;
                    let count = attempt.done.len();
                    report.applied.append(&mut attempt.done);
                    report.together.extend(attempt.together);
                    return Ok(count);
                }
                Err(AttemptError::MayBeOld) => {
                    // Repeated steps are not reported a second time.
                    group.works.iter().take(attempt.done.len()).for_each(|work| work.was_reported.set(true));
                    must_compare = true;
                    continue;
                }
                Err(AttemptError::Stop(stop)) => stop,
            };
            return Err(match (stop, group.mode) {
                (Stop::Fault(fault), _) if self.has_lost_to_other(conn, &fault) => Stop::Moved,
                // `BEGIN`, `COMMIT` or the check failed: a transaction of several steps ends with the last step.
                (Stop::Fault(fault), TransactionMode::Batch) => {
                    let fault = if group.works.len() > 1 { fault.of_all(group.works.len()) } else { fault };
                    self.as_failure(conn, last, Stop::Fault(fault), Atomicity::Transaction)
                }
                (Stop::Failed(error), TransactionMode::PerMigration) => {
                    let before = group.works.iter().take(attempt.done.len());
                    Stop::Failed(error.undoing(before.map(|work| work.step.id.clone()).collect()))
                }
                (stop, _) => self.as_failure(conn, opening, stop, Atomicity::Transaction),
            });
        }
    }

    fn attempt(
        &self,
        conn: &mut B::Conn<'_>,
        group: &Group<'_, '_, '_, B>,
        before: Option<&Orphans>,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), AttemptError> {
        self.reconcile(conn, &mut attempt.state)?;
        let (mut touched, mut first_broken) = (Touched::nothing(), None);
        let mut broken = Broken::default();
        for (place, work) in group.works.iter().enumerate() {
            self.check_stopped().map_err(Stop::from)?;
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
            if group.mode == TransactionMode::Batch && place + 1 < group.works.len() {
                continue;
            }
            broken = self.broken(conn, work.meta.foreign_keys, &touched, before)?;
            if broken.is_nothing() {
                attempt.together = first_broken.map(|first_broken: Broken| {
                    let steps = group.works[..=place].iter().map(|work| work.step.id.clone()).collect();
                    Together { steps, why: first_broken.reason() }
                });
                return Ok(());
            }
            first_broken.get_or_insert_with(|| broken.clone());
        }
        Err(broken.fault(&group.why_still_broken(), Atomicity::Transaction).into())
    }

    /// The rows that newly reference missing rows.
    fn broken(
        &self,
        conn: &mut B::Conn<'_>,
        foreign_keys: ForeignKeys,
        touched: &Touched,
        before: Option<&Orphans>,
    ) -> Result<Broken, AttemptError> {
        match before {
            _ if foreign_keys != ForeignKeys::Checked => Ok(Broken::default()),
            Some(before) => Ok(self.orphans(conn, &Touched::anything())?.since(before)),
            None if self.orphans(conn, touched)?.is_empty() => Ok(Broken::default()),
            None => Err(AttemptError::MayBeOld),
        }
    }

    pub(super) fn orphans(&self, conn: &mut B::Conn<'_>, touched: &Touched) -> Result<Orphans, Fault> {
        patiently(self.patience, || B::orphans(conn, touched))
    }
}
