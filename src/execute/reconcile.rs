//! The tracking table inside a transaction, beside what the plan was made for.

use std::collections::HashMap;

use super::{Books, Executor, Stop};
use crate::backend::{Backend, Ledger, TableForm};
use crate::history::{Head, History};

impl<B: Backend> Executor<'_, B> {
    /// Looks whether the tracking table is still what the plan was made for, and gives it today's form.
    /// The first time everything is compared, or the head alone if the plan was made from that; afterwards the head.
    pub(super) fn reconcile(
        &self,
        conn: &mut B::Conn<'_>,
        books: &mut Books,
        first: &mut Option<(&Ledger, &History)>,
    ) -> Result<(), Stop> {
        let entered = match first {
            _ if self.is_row => B::enter_row(conn, self.table, self.patience).map(|()| None),
            Some(_) => B::enter(conn, self.table, self.patience).map(|()| None),
            None => B::enter_looking(conn, self.table, self.patience),
        };
        let seen = entered.map_err(|fault| self.kept_out(conn, fault))?;
        if self.is_row && first.is_some() {
            // The session of a killed program may still commit how far it came, and does that without the row.
            B::outwait(conn, self.table, self.patience).map_err(|fault| self.kept_out(conn, fault))?;
        }
        let version = B::version(conn)?;
        let has_moved = version.is_none() || version != books.version;
        books.version = version;
        let Some((ledger, history)) = first.take() else {
            let is_same = match seen {
                Some(head) => head == books.head,
                None => !has_moved || B::head(conn, self.table)? == books.head,
            };
            return if is_same { Ok(()) } else { Err(Stop::Moved) };
        };
        let is_same = match history.first_of_set() {
            // Asking a table that is not there would end a transaction of PostgreSQL.
            Some(_) if ledger.form == TableForm::Missing => B::form(conn, self.table)? == TableForm::Missing,
            Some(_) => B::head(conn, self.table)? == ledger.head,
            None => B::read(conn, self.table)? == *ledger,
        };
        if !is_same {
            return Err(Stop::Moved);
        }
        if books.form == TableForm::Current {
            // Records that are to be written differently, for example with a checksum where there was none.
            let kept: HashMap<_, _> = ledger.records.iter().map(|record| (&record.id, record)).collect();
            let mut changed = history.records().iter().filter(|record| kept.get(&record.id) != Some(record));
            changed.try_for_each(|record| B::update(conn, self.table, record))?;
            return Ok(());
        }
        B::create_table(conn, self.table, history.records())?;
        B::stamp(conn, self.table, books.basis)?;
        books.form = TableForm::Current;
        books.head = Head { basis: Some(books.basis), count: books.count };
        Ok(())
    }
}
