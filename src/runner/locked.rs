//! Running code under the lock.

use std::borrow::Cow;

use super::MigrationRunner;
use crate::backend::Backend;
use crate::cancel;
use crate::error::{Failure, MigrationError, Result};
use crate::event::Event;
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
        cancel::within(self.cancel.as_ref(), || self.locked_within(conn, body))
    }

    /// Runs `body`, which only reads, as a run that can be cancelled. What a cancelled one found is not returned: it may be about statements
    /// that were interrupted.
    pub(super) fn cancellable<R>(&self, body: impl FnOnce() -> Result<R>) -> Result<R> {
        cancel::within(self.cancel.as_ref(), || {
            refuse_cancelled()?;
            let found = body();
            refuse_cancelled().and(found)
        })
    }

    fn locked_within<R>(
        &self,
        conn: &mut B::Conn<'_>,
        body: impl FnOnce(&mut B::Conn<'_>, &Holding) -> Result<R>,
    ) -> Result<R> {
        refuse_cancelled()?;
        let mut waiting = |lock: &str, holder: &str| {
            self.notify(&Event::Waiting { lock, holder: &self.without_secrets(holder) });
        };
        let table = B::resolve(conn, &self.table).map_err(|fault| self.database("find the place", fault))?;
        let done = self.lock.held::<B, R>(conn, &table, self.lock_timeout, &mut waiting, |conn, holding| {
            self.make_table(conn, &holding.table)?;
            body(conn, holding)
        });
        done.map_err(|error| match error {
            LockError::Fault { doing, fault } => self.database(doing, B::explained(conn, &table, fault)),
            LockError::Failed(error) => match error.failure() {
                Failure::LockTimeout { lock, holder, waited } => {
                    let holder = self.without_secrets(holder).into_owned();
                    Failure::LockTimeout { lock: lock.clone(), holder, waited: *waited }.into()
                }
                _ => error,
            },
        })
    }

    /// What a server says about another session, which may run a statement of this set.
    pub(super) fn without_secrets<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.set.secrets().masked(text).map_or(Cow::Borrowed(text), Cow::Owned)
    }

    pub(super) fn lock_failure(&self, error: LockError) -> MigrationError {
        match error {
            LockError::Fault { doing, fault } => self.database(doing, fault),
            LockError::Failed(error) => error,
        }
    }
}

/// # Errors
/// The run is cancelled.
pub(super) fn refuse_cancelled() -> Result<()> {
    if cancel::is_cancelled() { Err(Failure::Stopped(0).into()) } else { Ok(()) }
}
