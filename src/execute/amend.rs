//! Carries out a recovery.

use super::Executor;
use super::stop::Stop;
use super::table_state::TableState;
use crate::backend::{Backend, TrackingTable};
use crate::direction::Direction;
use crate::fault::{Fault, FaultKind};
use crate::history::{History, Record};
use crate::log_entry::LogEntry;
use crate::recovery::{Amendment, Change};

impl<B: Backend> Executor<'_, B> {
    /// Changes records in one transaction, and returns the lines that it added to the log. `look` is called inside the transaction,
    /// before any record is changed, and can stop it.
    pub(crate) fn amend(
        &self,
        conn: &mut B::Conn<'_>,
        amendments: &[Amendment],
        tracking: &TrackingTable,
        history: &History,
        look: &mut dyn FnMut(&mut B::Conn<'_>) -> Result<(), Stop>,
    ) -> Result<Vec<LogEntry>, Stop> {
        self.prepare_log(conn, true)?;
        B::transaction(conn, &self.record_scope(), |conn| {
            look(conn)?;
            let mut state = TableState::of(tracking, history);
            self.reconcile(conn, &mut state)?;
            for Amendment { change, log_entry } in amendments {
                self.change(conn, change, &mut state)?;
                let program = self.program.map(str::to_owned);
                B::append_log(conn, &self.log, &LogEntry { program, ..log_entry.clone() })?;
            }
            B::stamp(conn, self.table, state.digest)?;
            // A trigger on the table has fired by now.
            if History::new(B::read(conn, self.table)?.records).digest() != state.digest {
                let what = "something in the database changed other records as well, a trigger perhaps";
                return Err(Fault::new(FaultKind::Other, what).remedy("remove it, and try again").into());
            }
            let mut log_entries = B::read_log(conn, &self.log)?;
            Ok(log_entries.split_off(log_entries.len().saturating_sub(amendments.len())))
        })
    }

    fn change(
        &self,
        conn: &mut B::Conn<'_>,
        change: &Change,
        state: &mut TableState<'_>,
    ) -> Result<(), Stop> {
        let toggle = |state: &mut TableState<'_>, record: &Record, direction| {
            *state = state.toggled(record, direction);
        };
        match change {
            Change::Nothing => {}
            Change::Insert(record) => {
                B::insert(conn, self.table, record)?;
                toggle(state, record, Direction::Up);
            }
            Change::Update { from, to } => {
                self.hold(conn, from)?;
                B::update(conn, self.table, to)?;
                toggle(state, from, Direction::Down);
                toggle(state, to, Direction::Up);
            }
            Change::Delete(record) => {
                self.hold(conn, record)?;
                B::delete(conn, self.table, &record.id)?;
                toggle(state, record, Direction::Down);
            }
        }
        Ok(())
    }

    /// If an active run is executing an unfinished step, keeps it from updating its record before this transaction ends.
    fn hold(&self, conn: &mut B::Conn<'_>, record: &Record) -> Result<(), Stop> {
        match &record.dirty {
            Some(dirty) if !B::advance(conn, self.table, &record.id, dirty, dirty)? => Err(Stop::Moved),
            _ => Ok(()),
        }
    }
}
