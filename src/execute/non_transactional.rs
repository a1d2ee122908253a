//! A step outside a transaction.

use std::cell::Cell;

use super::Executor;
use super::reconcile::WRITE;
use super::stop::Stop;
use super::table_state::{Comparison, TableState};
use super::work::Work;
use crate::backend::{Backend, Scope};
use crate::cancel;
use crate::direction::Direction;
use crate::error::{Failure, MigrationError, StepFailure};
use crate::fault::Fault;
use crate::history::{Dirty, Head, Record};
use crate::report::{Applied, Report};
use crate::step::Atomicity;
use crate::touched::Touched;

impl<B: Backend> Executor<'_, B> {
    /// Carries out a step that cannot be atomic: its record is dirty from before its first statement until after its last.
    pub(super) fn non_transactional(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        state: &mut TableState<'_>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let begun = Dirty { statement: work.step.from, ..Dirty::begun(work.step.direction) };
        let dirty = work.record(Some(begun.clone()), None);
        self.prepare_log(conn, work.step.direction == Direction::Down)?;
        *state = self.begin(conn, work, &dirty, *state).map_err(|stop| match stop {
            Stop::Fault(fault) if self.has_lost_to_other(conn, &fault) => Stop::Moved,
            stop => self.as_failure(conn, work, stop, Atomicity::Transaction),
        })?;
        // A step may change the journal mode, for which its connection must be the only one.
        if let Some(witness) = self.witness {
            witness.rest();
        }

        let scope = Scope {
            is_script: self.is_script(work),
            ..Scope::new(work.meta.foreign_keys, self.patience_of(work))
        };
        let has_begun = Cell::new(false);
        let (mut progress, mut notes) = (LastProgress::at(begun), Vec::new());
        let head = state.head;
        let unread = work.action.sql().map(B::unread).unwrap_or_default();
        let work_through = |conn: &mut B::Conn<'_>| {
            // Nothing can be rolled back to see what existed before, so the check comes first.
            let keys = work.meta.foreign_keys;
            let may_touch = self.may_touch(work);
            let before =
                (!may_touch.is_nothing()).then(|| self.dangling(conn, &may_touch, keys)).transpose()?;
            has_begun.set(work.action.text().is_none());
            let (applied, execution) =
                self.within(conn, work, Atomicity::NonTransactional, head, None, &mut |conn, reached| {
                    has_begun.set(true);
                    let next = progress.now.reaching(reached);
                    let (first, end) = (progress.now.statement.unwrap_or(0), next.statement.unwrap_or(0));
                    if unread.iter().any(|number| (first..end).contains(number)) {
                        self.check_record(conn, work, head)?;
                    }
                    self.advance(conn, work, &[&progress.now], |_| next.clone())?;
                    progress.advance_to(next);
                    Ok(())
                })?;
            // All statements are done, and it would be of no use to leave it dirty.
            cancel::shielded(|| {
                let judged = self.judged(work, &execution, &[], Atomicity::NonTransactional);
                notes = judged.map_err(|error| self.failed(conn, work, error))?;
                if let Some(before) = before {
                    let mut touched = execution.touched;
                    touched.extend(may_touch);
                    if !B::LOOKS_BEFORE {
                        touched.touch_anything();
                    }
                    let broken = self.dangling(conn, &touched, keys)?.since(&before);
                    let references = broken.references();
                    if B::LOOKS_BEFORE {
                        // The step cannot be undone, and cannot share a transaction with a later step that repairs it.
                        notes.extend(self.noted(work, &references));
                    } else {
                        let judged = self.judge(work, &references, Atomicity::NonTransactional);
                        notes.extend(judged.map_err(|error| self.failed(conn, work, error))?);
                    }
                    let broken = broken.without_references();
                    if !broken.is_nothing() {
                        return Err(broken.fault("", Atomicity::NonTransactional).into());
                    }
                }
                Ok(applied)
            })
        };
        let outcome = self.limited(conn, work, Atomicity::NonTransactional, |conn| {
            B::outside_transaction(conn, &scope, work_through)
        });
        let atomicity = if has_begun.get() { Atomicity::NonTransactional } else { Atomicity::Transaction };
        let outcome = outcome.map_err(|stop| self.as_failure(conn, work, stop, atomicity));
        let settled = match &outcome {
            // The record belongs to another run and is not changed.
            Err(Stop::Failed(error)) if error.is_taken_over() || error.is_unrecorded() => {
                Ok(Settled::Finally)
            }
            // The record is written in any case.
            _ => cancel::shielded(|| self.end(conn, work, &progress, &outcome, state)),
        };
        match (outcome, settled) {
            (Ok(applied), Ok(_)) => {
                report.applied.push(applied);
                self.note(&notes, report);
                Ok(())
            }
            (Ok(_), Err(Stop::Fault(fault))) if fault.details.is_in_doubt => {
                Err(self.as_failure(conn, work, Stop::Fault(fault), Atomicity::Transaction))
            }
            (Err(_), Err(Stop::Fault(fault))) if fault.details.is_taken_over => {
                Err(Stop::Failed(work.failed(fault, Atomicity::NonTransactional)))
            }
            (Ok(_), Err(stop)) => match self.as_failure(conn, work, stop, Atomicity::NonTransactional) {
                Stop::Failed(error) if self.has_lost_record(conn, work) => {
                    Err(Stop::Failed(error.loses_record()))
                }
                stop => Err(stop),
            },
            // The failure is in the record if that could be written. If not, the record is dirty if it is there.
            (Err(Stop::Failed(error)), Err(_)) if self.has_lost_record(conn, work) => {
                Err(Stop::Failed(error.loses_record()))
            }
            (Err(Stop::Failed(error)), Err(_)) => Err(Stop::Failed(error.stays_dirty())),
            (Err(Stop::Failed(error)), Ok(Settled::ToContinue)) => Err(Stop::Failed(error.continues())),
            (Err(stop), _) => Err(stop),
        }
    }

    /// Checks after a statement whose text does not show what it does whether the tracking table has the same records as before.
    fn check_record(&self, conn: &mut B::Conn<'_>, work: &Work<'_, '_, B>, head: Head) -> Result<(), Fault> {
        match B::head(conn, self.table) {
            Ok(now) if now == head => Ok(()),
            // The statement is in a transaction, which is now rolled back.
            _ if B::in_transaction(conn).unwrap_or(false) => Err(self.touched()),
            _ if self.has_lost_record(conn, work) => Err(self.touched().unrecorded()),
            Ok(_) => Err(self.touched().partial()),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the tracking table no longer has the record of the step, or is gone. If the connection is lost, the record is where it was.
    fn has_lost_record(&self, conn: &mut B::Conn<'_>, work: &Work<'_, '_, B>) -> bool {
        match B::read(conn, self.table) {
            Ok(tracking) => !tracking.records.iter().any(|record| record.id == work.step.id),
            Err(_) => B::in_transaction(conn).is_ok(),
        }
    }

    /// Writes the record of a step outside a transaction that begins, if the tracking table is the one that the plan was made for.
    fn begin<'l>(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        dirty: &Record,
        state: TableState<'l>,
    ) -> Result<TableState<'l>, Stop> {
        let is_compared = matches!(state.comparison, Comparison::Head);
        if is_compared && !self.lock.is_per_transaction() && work.adds() {
            let begun = state.toggled(dirty, Direction::Up);
            let written = B::append_if_head(conn, self.table, state.head, dirty, begun.digest, self.patience);
            match written.map_err(|fault| fault.while_trying_to(WRITE))? {
                Some(true) => return Ok(begun),
                Some(false) => return Err(Stop::Moved),
                None => {}
            }
        }
        let scope = Scope { patience: self.patience_of(work), ..self.record_scope() };
        B::transaction(conn, &scope, |conn| {
            let mut state = state;
            self.reconcile(conn, &mut state)?;
            let written = self.replace(conn, work, work.before.as_ref(), Some(dirty), &mut state);
            written
                .and_then(|()| B::stamp(conn, self.table, state.digest))
                .map_err(|fault| fault.while_trying_to(WRITE))?;
            Ok(state)
        })
    }

    /// Records how a step outside a transaction ended, in a transaction.
    fn end(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        progress: &LastProgress,
        outcome: &Result<Applied, Stop>,
        state: &mut TableState<'_>,
    ) -> Result<Settled, Stop> {
        if let (Ok(applied), true) = (outcome, work.adds()) {
            let dirty = work.record(Some(Dirty::begun(work.step.direction)), None);
            let finished = work.record(None, Some(applied.duration));
            let settled = state.toggled(&dirty, Direction::Down).toggled(&finished, Direction::Up);
            for at in [&progress.now, &progress.before] {
                match B::finish_if_unchanged(conn, self.table, at, &finished, settled.digest)? {
                    Some(true) => {
                        *state = settled;
                        return Ok(Settled::Finally);
                    }
                    Some(false) => {}
                    None => break,
                }
            }
        }
        B::transaction(conn, &self.record_scope(), |conn| self.settle(conn, work, progress, outcome, state))
    }

    /// Whether a step runs only its script: no hooks and no code.
    pub(super) fn is_script(&self, work: &Work<'_, '_, B>) -> bool {
        self.hooks.before.is_empty() && self.hooks.after.is_empty() && work.action.text().is_some()
    }

    /// What a step may touch: nothing if it can break no reference.
    pub(super) fn may_touch(&self, work: &Work<'_, '_, B>) -> Touched {
        work.action.sql().filter(|_| self.is_script(work)).map_or_else(Touched::anything, B::may_touch)
    }

    /// Does the work of `end` in the open transaction.
    fn settle(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        progress: &LastProgress,
        outcome: &Result<Applied, Stop>,
        state: &mut TableState<'_>,
    ) -> Result<Settled, Stop> {
        let dirty = work.record(Some(Dirty::begun(work.step.direction)), None);
        let places = [&progress.now, &progress.before];
        let finished;
        let settled = match (outcome, work.step.direction) {
            (Ok(applied), Direction::Up) => {
                finished = work.record(None, Some(applied.duration));
                Some(&finished)
            }
            (Ok(_), Direction::Down) => None,
            // The record as it was before.
            (Err(Stop::Failed(error)), _) if error.is_undone() => work.before.as_ref(),
            (Err(Stop::Failed(error)), _) => {
                let mut reached = None;
                self.advance(conn, work, &places, |at| {
                    reached.insert(with_failure::<B>(work, at.clone(), error)).clone()
                })?;
                if let Some(next) = reached.filter(|reached| error.is_cancel_of_step() && is_known(reached)) {
                    let next = work.record(Some(next.to_resume(next.statement)), None);
                    B::update(conn, self.table, &next)?;
                    return Ok(Settled::ToContinue);
                }
                return Ok(Settled::Finally);
            }
            (Err(_), _) => return Ok(Settled::Finally),
        };
        self.advance(conn, work, &places, Dirty::clone)?;
        let mut settled_state = *state;
        self.replace(conn, work, Some(&dirty), settled, &mut settled_state)?;
        B::stamp(conn, self.table, settled_state.digest)?;
        *state = settled_state;
        Ok(Settled::Finally)
    }

    /// Records the progress of the step, if the record is at one of these places and so still belongs to this run.
    fn advance(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        places: &[&Dirty],
        mut to: impl FnMut(&Dirty) -> Dirty,
    ) -> Result<(), Fault> {
        for at in places {
            if B::advance(conn, self.table, &work.step.id, at, &to(at))? {
                return Ok(());
            }
        }
        Err(Fault::taken_over())
    }
}

/// How the record of a step was left.
enum Settled {
    /// As the outcome of the step says.
    Finally,
    /// The step was cancelled between two statements, or in one that changed nothing: the next run continues it.
    ToContinue,
}

/// Whether it is known which statements are done, so that the next run can continue.
fn is_known(reached: &Dirty) -> bool {
    reached.statement.is_some() && reached.mark.is_none()
}

/// The last progress that a run wrote to the record of its step.
struct LastProgress {
    now: Dirty,
    /// The progress before it, in case the transaction that wrote the last one was rolled back.
    before: Dirty,
}

impl LastProgress {
    fn at(now: Dirty) -> Self {
        Self { before: now.clone(), now }
    }

    fn advance_to(&mut self, next: Dirty) {
        self.before = std::mem::replace(&mut self.now, next);
    }
}

/// The record of a failed step: it adds the reason. The progress is already recorded.
fn with_failure<B: Backend>(work: &Work<'_, '_, B>, mut dirty: Dirty, error: &MigrationError) -> Dirty {
    let (statement, mut failure, is_partial) = match error.failure() {
        Failure::Step(StepFailure { fault, .. }) => (
            fault.details.statement.as_ref().map(|(number, _)| *number),
            // Where the cancel met the statement makes no difference.
            if fault.details.is_cancel { Fault::cancelled().to_string() } else { fault.to_string() },
            fault.details.is_partial,
        ),
        _ => (None, error.finding(), true),
    };
    if let Some(number) = statement {
        if *dirty.statement.get_or_insert(work.first()) != number {
            // Its transaction rolled back the statements before it.
            failure = format!("statement {number} failed: {failure}");
        } else if B::STATEMENTS_ARE_ATOMIC && !is_partial {
            // A failed statement is not done.
            dirty.mark = None;
        } else {
            // It may have left something behind.
            dirty.mark.get_or_insert_default();
        }
    }
    dirty.failure = Some(failure);
    dirty
}
