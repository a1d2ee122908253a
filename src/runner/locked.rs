//! Running code under the lock.

use std::cell::Cell;

use super::MigrationRunner;
use super::stored::Stored;
use crate::backend::{Backend, Session};
use crate::error::{Failure, MigrationError, Result};
use crate::event::Event;
use crate::execute::Executor;
use crate::lock::{Holding, LockError};

impl<B: Backend> MigrationRunner<B> {
    pub(super) fn refuse_open_transaction(&self, conn: &mut B::Conn<'_>) -> Result<()> {
        if !B::is_free(conn).map_err(self.reading())? {
            return Err(Failure::OpenTransaction.into());
        }
        Ok(())
    }

    /// Runs `body` while the lock is held.
    pub(super) fn locked<R>(
        &self,
        conn: &mut B::Conn<'_>,
        body: impl FnOnce(&mut B::Conn<'_>, &Holding) -> Result<R>,
    ) -> Result<R> {
        let mut waiting = |lock: &str, holder: &str| self.notify(&Event::Waiting { lock, holder });
        let table = B::resolve(conn, &self.table).map_err(self.reading())?;
        let done = self.lock.held::<B, R>(conn, &table, self.lock_timeout, &mut waiting, |conn, holding| {
            self.make_table(conn, &holding.table)?;
            body(conn, holding)
        });
        done.map_err(|error| self.lock_failure(error))
    }

    pub(super) fn lock_failure(&self, error: LockError) -> MigrationError {
        match error {
            LockError::Fault { doing, fault } => self.database(doing, *fault),
            LockError::Failed(error) => error,
        }
    }

    pub(super) fn executor<'r>(&'r self, holding: &'r Holding, stored: &'r Stored<B>) -> Executor<'r, B> {
        Executor {
            table: &holding.table,
            log: holding.table.log(),
            program: self.program.as_deref(),
            hooks: &self.hooks,
            observer: self.observer.as_ref(),
            patience: self.lock_timeout,
            lock: &self.lock,
            is_watched: Cell::new(None),
            session: self.lock.has_one_session().then(Session::default),
            is_stopped: self.is_stopped.as_ref(),
            find: Box::new(|step| self.find_with(stored, step)),
            announce: Box::new(|step| holding.announce(&step.id)),
        }
    }
}
