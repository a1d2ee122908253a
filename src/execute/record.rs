//! Writing the record of a step.

use super::Executor;
use super::reconcile::WRITE;
use super::stop::Stop;
use super::table_state::TableState;
use super::work::Work;
use crate::backend::{Backend, changes_tracking_table, patiently};
use crate::direction::Direction;
use crate::fault::Fault;
use crate::history::{History, Record};
use crate::log_entry::{LogEntry, LogEntryKind};

impl<B: Backend> Executor<'_, B> {
    /// Creates the log before a transaction that writes to it, if `CREATE TABLE` would commit that transaction.
    pub(super) fn prepare_log(&self, conn: &mut B::Conn<'_>, is_needed: bool) -> Result<(), Fault> {
        if is_needed && !B::DDL_IS_TRANSACTIONAL {
            patiently(self.patience, || B::create_log(conn, &self.log))
        } else {
            Ok(())
        }
    }

    /// Adds or removes the record of a finished step.
    pub(super) fn keep(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        record: &Record,
        state: &mut TableState<'_>,
    ) -> Result<(), Stop> {
        let written = if work.adds() {
            *state = state.toggled(record, Direction::Up);
            B::append(conn, self.table, record, state.digest)
        } else {
            let kept = (work.step.direction == Direction::Up).then_some(record);
            self.replace(conn, work, work.before.as_ref(), kept, state)
                .and_then(|()| B::stamp(conn, self.table, state.digest))
        };
        written.map_err(|fault| fault.while_trying_to(WRITE))?;
        // A trigger on the table has fired by now.
        let is_as_written = self.is_watched.get() != Some(true)
            || History::new(B::read(conn, self.table)?.records).digest() == state.digest;
        if is_as_written { Ok(()) } else { Err(self.touched().into()) }
    }

    /// Inserts, updates or deletes the record of a step. Deleting it adds a line to the log.
    pub(super) fn replace(
        &self,
        conn: &mut B::Conn<'_>,
        work: &Work<'_, '_, B>,
        from: Option<&Record>,
        to: Option<&Record>,
        state: &mut TableState<'_>,
    ) -> Result<(), Fault> {
        match (from, to) {
            (None, None) => {}
            (None, Some(to)) => B::insert(conn, self.table, to)?,
            (Some(_), Some(to)) => B::update(conn, self.table, to)?,
            (Some(_), None) => {
                B::delete(conn, self.table, &work.step.id)?;
                if work.step.direction == Direction::Down {
                    B::append_log(conn, &self.log, &self.undone(work))?;
                }
            }
        }
        for (record, direction) in [(from, Direction::Down), (to, Direction::Up)] {
            *state = record.map_or_else(|| *state, |record| state.toggled(record, direction));
        }
        Ok(())
    }

    /// The log entry of a step that is undone.
    pub(super) fn undone(&self, work: &Work<'_, '_, B>) -> LogEntry {
        let kind = if work.step.is_stored { LogEntryKind::Downgraded } else { LogEntryKind::RolledBack };
        LogEntry { program: self.program.map(str::to_owned), ..work.record.log_entry(kind) }
    }

    /// The fault of a step that wrote to the tracking table.
    pub(super) fn touched(&self) -> Fault {
        changes_tracking_table(self.table)
    }
}
