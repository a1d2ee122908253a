//! A step outside a transaction.

use std::cell::Cell;

use super::{Books, Executor, Stop, Work};
use crate::backend::{Backend, Ledger, Scope, patiently};
use crate::error::Failure;
use crate::history::{Dirty, History};
use crate::report::{Applied, Report};
use crate::step::{Atomicity, Direction};

impl<B: Backend> Executor<'_, B> {
    /// A step that cannot be atomic: its record is dirty from before its first statement until after its last.
    pub(super) fn guarded(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        books: &mut Books,
        first: &mut Option<(&Ledger, &History)>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let dirty = work.record(Some(Dirty::begun(work.step.direction)), None);
        let mut looked = *first;
        *books = B::transaction(conn, &self.bookkeeping(), |conn| {
            let mut books = books.clone();
            self.reconcile(conn, &mut books, &mut looked)?;
            if work.step.direction == Direction::Down {
                B::update(conn, self.table, &dirty)?;
                books = books.toggled(&work.record, Direction::Down).toggled(&dirty, Direction::Up);
            } else {
                B::insert(conn, self.table, &dirty)?;
                books = books.toggled(&dirty, Direction::Up);
            }
            B::stamp(conn, self.table, books.basis)?;
            Ok(books)
        })
        .map_err(|stop| self.told(conn, work, stop, Atomicity::Transaction))?;
        *first = looked;

        let scope = Scope::new(work.meta.foreign_keys, self.patience);
        let has_begun = Cell::new(false);
        let outcome = B::outside_transaction(conn, &scope, |conn| {
            has_begun.set(work.action.text().is_none());
            self.within(conn, work, Atomicity::Guarded, &mut |conn, number| {
                has_begun.set(true);
                let dirty = Dirty { statement: Some(number), ..Dirty::begun(work.step.direction) };
                let record = work.record(Some(dirty), None);
                patiently(self.patience, || B::update(conn, self.table, &record))
            })
        });
        let atomicity = if has_begun.get() { Atomicity::Guarded } else { Atomicity::Transaction };
        let outcome = outcome.map_err(|stop| self.told(conn, work, stop, atomicity));
        let settled =
            B::transaction(conn, &self.bookkeeping(), |conn| self.settle(conn, work, &outcome, books));
        match (outcome, settled) {
            (Ok(applied), Ok(())) => {
                report.applied.push(applied);
                Ok(())
            }
            (Ok(_), Err(stop)) => Err(self.told(conn, work, stop, Atomicity::Guarded)),
            // That it failed is in the record if it could be written; it is dirty in any case.
            (Err(stop), _) => Err(stop),
        }
    }

    /// Writes down how a guarded step ended.
    fn settle(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        outcome: &Result<Applied, Stop>,
        books: &mut Books,
    ) -> Result<(), Stop> {
        let is_undone = match outcome {
            Ok(_) => false,
            Err(Stop::Failed(error)) if error.is_undone() => true,
            Err(Stop::Failed(error)) => {
                let (statement, failure) = match error.failure() {
                    Failure::Step(step) => (step.fault.statement.as_ref(), step.fault.to_string()),
                    _ => (None, error.to_string()),
                };
                let dirty = Dirty {
                    statement: statement.map(|(number, _)| *number),
                    failure: Some(failure),
                    ..Dirty::begun(work.step.direction)
                };
                return Ok(B::update(conn, self.table, &work.record(Some(dirty), None))?);
            }
            Err(_) => return Ok(()),
        };
        let dirty = work.record(Some(Dirty::begun(work.step.direction)), None);
        let record = match outcome {
            Ok(applied) => work.record(None, Some(applied.duration)),
            // As it was before.
            Err(_) => work.record.clone(),
        };
        // A record is gone after what was undone, and after what was to be applied and was not.
        let is_gone = (work.step.direction == Direction::Up) == is_undone;
        let without = books.toggled(&dirty, Direction::Down);
        let settled = if is_gone {
            B::delete(conn, self.table, &work.step.id)?;
            if work.step.direction == Direction::Down {
                B::log(conn, &self.log, &self.undone(work))?;
            }
            without
        } else {
            B::update(conn, self.table, &record)?;
            without.toggled(&record, Direction::Up)
        };
        B::stamp(conn, self.table, settled.basis)?;
        *books = settled;
        Ok(())
    }
}
