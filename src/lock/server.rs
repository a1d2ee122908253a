//! The lock of a server, which ends with the session.

use std::time::{Duration, Instant};

use crate::backend::{Backend, LockAttempt};
use crate::cancel;
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError};
use crate::fault::Fault;

/// Takes the database's own lock of a tracking table for this session, and returns whether the database has such a lock. It polls
/// and never waits inside the database, because the database could in turn wait for this session.
///
/// # Errors
/// The lock could not be acquired in time, or the database failed.
pub(super) fn acquire<B: Backend>(
    conn: &mut B::Conn<'_>,
    table: &TableName,
    timeout: Duration,
    waiting: &mut dyn FnMut(&str, &str),
) -> Result<bool, LockError> {
    let (lock, began) = (format!("of `{table}`"), Instant::now());
    let mut pause = Duration::from_millis(1);
    loop {
        if cancel::is_cancelled() {
            return Err(Failure::Stopped(0).into());
        }
        match B::try_lock(conn, table).map_err(LockError::while_trying_to("take the lock"))? {
            LockAttempt::Unsupported => return Ok(false),
            LockAttempt::Acquired => return Ok(true),
            LockAttempt::HeldBy(holder) if began.elapsed() >= timeout => {
                let failure = Failure::LockTimeout { lock, holder, waited: timeout };
                return Err(failure.into());
            }
            LockAttempt::HeldBy(holder) => waiting(&lock, &holder),
        }
        std::thread::sleep(pause.min(timeout.saturating_sub(began.elapsed())));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Why a lock could not be acquired, or why the work under it failed.
#[derive(Debug)]
pub(crate) enum LockError {
    Fault { doing: &'static str, fault: Fault },
    Failed(MigrationError),
}

impl LockError {
    /// Wraps a fault of the database with the operation that failed.
    pub(super) fn while_trying_to(doing: &'static str) -> impl Fn(Fault) -> Self {
        move |fault| Self::Fault { doing, fault }
    }
}

impl From<MigrationError> for LockError {
    fn from(error: MigrationError) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for LockError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

/// The database's own lock, released on drop.
pub(super) struct Held<'a, 'c, B: Backend> {
    pub(super) conn: &'a mut B::Conn<'c>,
    pub(super) table: &'a TableName,
}

impl<B: Backend> Drop for Held<'_, '_, B> {
    fn drop(&mut self) {
        // It ends with the session in any case.
        let _ = B::unlock(self.conn, self.table);
    }
}
