//! Carries out a recovery.

use super::{Books, Executor, Stop};
use crate::backend::{Backend, Ledger};
use crate::fault::{Fault, FaultKind};
use crate::history::{History, Record};
use crate::recovery::{Amendment, Change};
use crate::step::Direction;
use crate::trace::Trace;

impl<B: Backend> Executor<'_, B> {
    /// Changes records in one transaction, and gives the lines that it left in the log. `look` has the last word, inside of it and before
    /// anything is changed.
    pub(crate) fn amend(
        &self,
        conn: &mut B::Conn<'_>,
        amendments: &[Amendment],
        ledger: &Ledger,
        history: &History,
        look: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Stop>,
    ) -> Result<Vec<Trace>, Stop> {
        self.prepare_log(conn, true)?;
        B::transaction(conn, &self.bookkeeping(), |conn| {
            look(conn)?;
            let mut books = Books::of(ledger, history);
            self.reconcile(conn, &mut books, &mut Some((ledger, history)))?;
            for Amendment { change, trace } in amendments {
                self.change(conn, change, &mut books)?;
                let program = self.program.map(str::to_owned);
                B::log(conn, &self.log, &Trace { program, ..trace.clone() })?;
            }
            B::stamp(conn, self.table, books.basis)?;
            // A trigger on the table would have fired by now.
            if History::new(B::read(conn, self.table)?.records).basis() != books.basis {
                let what = "something in the database changed other records as well, a trigger perhaps";
                return Err(Fault::new(FaultKind::Other, what).remedy("remove it, and try again").into());
            }
            let mut traces = B::traces(conn, &self.log)?;
            Ok(traces.split_off(traces.len().saturating_sub(amendments.len())))
        })
    }

    fn change(&self, conn: &mut B::Conn<'_>, change: &Change, books: &mut Books) -> Result<(), Stop> {
        let toggle =
            |books: &mut Books, record: &Record, direction| *books = books.toggled(record, direction);
        match change {
            Change::Insert(record) => {
                B::insert(conn, self.table, record)?;
                toggle(books, record, Direction::Up);
            }
            Change::Update { from, to } => {
                self.hold(conn, from)?;
                B::update(conn, self.table, to)?;
                toggle(books, from, Direction::Down);
                toggle(books, to, Direction::Up);
            }
            Change::Delete(record) => {
                self.hold(conn, record)?;
                B::delete(conn, self.table, &record.id)?;
                toggle(books, record, Direction::Down);
            }
        }
        Ok(())
    }

    /// Keeps the run of an unfinished step, if it lives, from moving its record on before this transaction ends.
    fn hold(&self, conn: &mut B::Conn<'_>, record: &Record) -> Result<(), Stop> {
        match &record.dirty {
            Some(dirty) if !B::advance(conn, self.table, &record.id, dirty, dirty)? => Err(Stop::Moved),
            _ => Ok(()),
        }
    }
}
