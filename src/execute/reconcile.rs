//! The tracking table inside a transaction, beside what the plan was made for.

use std::collections::HashMap;

use super::{Executor, Stop, TableState};
use crate::backend::{Backend, TableForm, TrackingTable};
use crate::history::{Head, History};

impl<B: Backend> Executor<'_, B> {
    /// Looks whether the tracking table is still what the plan was made for, and gives it today's form.
    /// The first time everything is compared, or the head alone if the plan was made from that; afterwards the head.
    pub(super) fn reconcile(
        &self,
        conn: &mut B::Conn<'_>,
        state: &mut TableState,
        first: &mut Option<(&TrackingTable, &History)>,
    ) -> Result<(), Stop> {
        let entered = match first {
            _ if self.is_row => B::lock_row(conn, self.table, self.patience).map(|()| None),
            Some(_) => B::lock_table(conn, self.table, self.patience).map(|()| None),
            None => B::lock_table_with_head(conn, self.table, self.patience),
        };
        let seen = entered.map_err(|fault| self.kept_out(conn, fault))?;
        if self.is_row && first.is_some() {
            // The session of a killed program may still commit how far it came, and does that without the row.
            B::wait_for_writers(conn, self.table, self.patience)
                .map_err(|fault| self.kept_out(conn, fault))?;
        }
        let version = B::data_version(conn)?;
        let has_moved = version.is_none() || version != state.version;
        state.version = version;
        let Some((tracking, history)) = first.take() else {
            let is_same = match seen {
                Some(head) => head == state.head,
                None => !has_moved || B::head(conn, self.table)? == state.head,
            };
            return if is_same { Ok(()) } else { Err(Stop::Moved) };
        };
        let is_same = match history.first_of_set() {
            // Asking a table that is not there would end a transaction of PostgreSQL.
            Some(_) if tracking.form == TableForm::Missing => {
                B::form(conn, self.table)? == TableForm::Missing
            }
            Some(_) => B::head(conn, self.table)? == tracking.head,
            None => B::read(conn, self.table)? == *tracking,
        };
        if !is_same {
            return Err(Stop::Moved);
        }
        if state.form == TableForm::Current {
            // Records that are to be written differently, for example with a checksum where there was none.
            let kept: HashMap<_, _> = tracking.records.iter().map(|record| (&record.id, record)).collect();
            let mut changed = history.records().iter().filter(|record| kept.get(&record.id) != Some(record));
            changed.try_for_each(|record| B::update(conn, self.table, record))?;
            return Ok(());
        }
        B::create_table(conn, self.table, history.records())?;
        B::stamp(conn, self.table, state.digest)?;
        state.form = TableForm::Current;
        state.head = Head { digest: Some(state.digest), count: state.count };
        Ok(())
    }
}
