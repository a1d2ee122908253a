//! [`Lock`]: how concurrent runs keep out of each other's way.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::backend::{Backend, LockAttempt};
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError, Result};
use crate::fault::Fault;

mod file;

/// How concurrent runs keep out of each other's way. A run that finds nothing pending takes no lock.
///
/// Even without one, two runs do not apply a migration twice: each looks again inside its transaction. The lock keeps them from
/// working on the same migration at once, and the second one from failing where a script runs outside a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lock {
    /// The database's own, where it has one, as PostgreSQL has; it ends with the session. Of a database that is a file, another file
    /// beside it: its path with `-migrate` appended. A database in memory has none.
    /// The operating system frees the lock when the program ends, however it ends; the file stays, and means nothing by itself.
    #[default]
    Sidecar,
    /// This file, for a database whose folder cannot be written. All programs that migrate it must name the same.
    File(PathBuf),
    /// A row in the table `__switchy_locks`, locked in each transaction of a run and by nothing else. It is for servers behind a proxy that
    /// gives each transaction another session (pgbouncer in transaction mode), for clusters (Galera), and for servers that have no lock of
    /// their own. Each step is on its own then: one that runs outside a transaction is kept for itself by its record, which is dirty
    /// while it runs, so a run that finds one waits whether it ends. Databases that are files have no such lock.
    Row,
    /// None. Only for a database that no other program opens, not even to recover it: a recovery would meddle with steps that are
    /// still running.
    Off,
}

impl Lock {
    /// Runs `body` while the lock is held.
    ///
    /// # Errors
    /// The lock could not be had in time, or not at all; or what `body` returns.
    pub(crate) fn held<R>(
        &self,
        database: Option<PathBuf>,
        timeout: Duration,
        waiting: &mut dyn FnMut(&str, &str),
        table: &TableName,
        body: impl FnOnce(&Holding) -> Result<R>,
    ) -> Result<R> {
        let Some(path) = self.path(database) else { return body(&Holding::of(table)) };
        let file = Some(file::Locked::acquire(&path, timeout, waiting)?);
        body(&Holding { file, ..Holding::of(table) })
    }

    /// Who holds the file that is locked, if it is one and somebody does.
    ///
    /// # Errors
    /// The file cannot be looked at.
    pub(crate) fn holder(&self, database: Option<PathBuf>) -> Result<Option<String>> {
        self.path(database).map_or(Ok(None), |path| file::look(&path))
    }

    /// The file that is locked, if it is one.
    fn path(&self, database: Option<PathBuf>) -> Option<PathBuf> {
        match (self, database) {
            (Self::Sidecar, Some(mut path)) => {
                path.as_mut_os_string().push("-migrate");
                Some(path)
            }
            (Self::File(path), _) => Some(path.clone()),
            (Self::Sidecar, None) | (Self::Row | Self::Off, _) => None,
        }
    }
}

/// Takes the database's own lock of a tracking table for this session, and says whether it has one. It is looked at again and again and
/// never waited for inside the database, which could wait for us.
///
/// # Errors
/// It could not be had in time, or the database failed.
pub(crate) fn taken<B: Backend>(
    conn: &mut B::Conn<'_>,
    table: &TableName,
    timeout: Duration,
    waiting: &mut dyn FnMut(&str, &str),
) -> Result<bool, LockError> {
    let (lock, began) = (format!("of `{table}`"), Instant::now());
    let mut pause = Duration::from_millis(1);
    loop {
        match B::try_lock(conn, table).map_err(LockError::Fault)? {
            LockAttempt::Unsupported => return Ok(false),
            LockAttempt::Acquired => return Ok(true),
            LockAttempt::HeldBy(holder) if began.elapsed() >= timeout => {
                let failure = Failure::LockTimeout { lock, holder, waited: timeout };
                return Err(LockError::Failed(failure.into()));
            }
            LockAttempt::HeldBy(holder) => waiting(&lock, &holder),
        }
        std::thread::sleep(pause.min(timeout.saturating_sub(began.elapsed())));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Why the database's own lock could not be taken.
pub(crate) enum LockError {
    Fault(Fault),
    Failed(MigrationError),
}

/// The database's own lock, given back when this is dropped.
pub(crate) struct Held<'a, 'c, B: Backend> {
    pub(crate) conn: &'a mut B::Conn<'c>,
    pub(crate) table: &'a TableName,
}

impl<B: Backend> Drop for Held<'_, '_, B> {
    fn drop(&mut self) {
        // It ends with the session in any case.
        let _ = B::unlock(self.conn, self.table);
    }
}

/// A lock that is held, or the absence of one.
#[derive(Debug)]
pub(crate) struct Holding {
    file: Option<file::Locked>,
    /// The tracking table that is worked on, with its schema.
    pub(crate) table: TableName,
}

impl Holding {
    /// What is held, if anything, needs nothing to be kept.
    pub(crate) fn of(table: &TableName) -> Self {
        Self { file: None, table: table.clone() }
    }

    /// Lets those who wait know what they wait for.
    pub(crate) fn announce(&self, migration: impl std::fmt::Display) {
        if let Some(locked) = &self.file {
            locked.announce(migration);
        }
    }
}
