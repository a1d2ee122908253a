//! Comparing the tracking table with the plan inside a transaction.

use std::collections::HashMap;

use super::Executor;
use super::stop::Stop;
use super::table_state::{Comparison, TableState};
use crate::backend::{Backend, TableForm};
use crate::history::Head;

/// What statements of the engine are for, as the error of one says it.
pub(super) const WRITE: &str = "write the records";

impl<B: Backend> Executor<'_, B> {
    /// Checks whether the tracking table is still the one that the plan was made for, and upgrades it to the current form. The
    /// first time, it compares everything, or only the head if the plan was made from the head. After that, it compares the head.
    pub(super) fn reconcile(&self, conn: &mut B::Conn<'_>, state: &mut TableState<'_>) -> Result<(), Stop> {
        self.compare(conn, state).map_err(|stop| stop.while_trying_to(WRITE))
    }

    /// Does the work of `reconcile`.
    fn compare(&self, conn: &mut B::Conn<'_>, state: &mut TableState<'_>) -> Result<(), Stop> {
        let is_first = matches!(state.comparison, Comparison::Whole { .. });
        let seen = self.lock.enter::<B>(conn, self.table, self.patience, is_first);
        let seen = seen.map_err(|fault| self.entry_error(conn, fault))?;
        let version = B::data_version(conn)?;
        if let (Some(witness), Some(version)) = (self.witness, version) {
            witness.look(version);
            // What its own first write changes must not be taken for a commit of others later.
            B::begin_writing(conn)?;
            witness.look(version);
        }
        if is_first && self.version.is_some() && version != self.version {
            return Err(Stop::Moved);
        }
        let has_moved = version.is_none() || version != state.version;
        state.version = version;
        let comparison = std::mem::replace(&mut state.comparison, Comparison::Head);
        let Comparison::Whole { tracking, history } = comparison else {
            let is_same = match seen {
                Some(head) => head == state.head,
                None => !has_moved || B::head(conn, self.table)? == state.head,
            };
            return if is_same { Ok(()) } else { Err(Stop::Moved) };
        };
        let is_same = match history.first_of_set() {
            // A query of a missing table would abort a PostgreSQL transaction.
            Some(_) if tracking.form == TableForm::Missing => {
                B::form(conn, self.table)? == TableForm::Missing
            }
            Some(_) => B::head(conn, self.table)? == tracking.head,
            None => B::read(conn, self.table)? == *tracking,
        };
        if !is_same {
            return Err(Stop::Moved);
        }
        if matches!(state.form, TableForm::Current | TableForm::Lacking) {
            if state.form == TableForm::Lacking {
                B::add_columns(conn, self.table)?;
                state.form = TableForm::Current;
            }
            // Records to be rewritten, for example with a checksum where there was none.
            let kept: HashMap<_, _> = tracking.records.iter().map(|record| (&record.id, record)).collect();
            let mut has_more = false;
            for record in history.records().iter().filter(|record| kept.get(&record.id) != Some(record)) {
                // A trigger on the table may change others.
                self.is_watched.set(Some(true));
                if kept.contains_key(&record.id) {
                    B::update(conn, self.table, record)?;
                } else {
                    // A rehearsal begins with the records that a run would write before it.
                    B::insert(conn, self.table, record)?;
                    has_more = true;
                }
            }
            if has_more {
                B::stamp(conn, self.table, state.digest)?;
                state.head = Head { digest: Some(state.digest), count: state.count };
            }
            return Ok(());
        }
        let made = B::create_table(conn, self.table, history.records());
        made.map_err(|fault| fault.while_trying_to("make the table"))?;
        B::stamp(conn, self.table, state.digest)?;
        state.form = TableForm::Current;
        state.head = Head { digest: Some(state.digest), count: state.count };
        Ok(())
    }
}
