//! [`Lock`]: how concurrent runs exclude each other.

use std::path::PathBuf;
use std::time::Duration;

use crate::backend::{Backend, LockAttempt, patiently};
use crate::dialect::TableName;
use crate::error::{Failure, Result};
use crate::fault::Fault;
use crate::history::Head;

mod file;
mod holding;
mod opened;
mod server;

pub(crate) use self::holding::Holding;
pub(crate) use self::server::LockError;

/// How concurrent runs exclude each other. A run that finds nothing pending takes no lock.
///
/// Even without a lock, two runs do not apply a migration twice: each checks again inside its transaction. The lock keeps them from
/// working on the same migration at the same time, and the second one from failing if a script runs outside a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lock {
    /// The database's own lock, if it has one, as PostgreSQL does; it ends with the session. For a database that is a file, a lock
    /// file beside it: its path with `-migrate` appended. A database in memory has none. The operating system releases the lock
    /// when the program ends, however it ends. The file stays; it has no meaning by itself.
    #[default]
    Sidecar,
    /// This lock file, for a database in a folder that is not writable. All programs that migrate the database must use the same
    /// file.
    File(PathBuf),
    /// A row in the table `__switchy_locks`, which is locked in each transaction of a run and by nothing else. It is for servers
    /// behind a proxy that gives each transaction a different session (pgbouncer in transaction mode), for clusters (Galera), and
    /// for servers that have no lock of their own. Each step is locked separately. A step outside a transaction is protected by its
    /// record, which is dirty while it runs, so a run that finds a dirty record waits to see whether the step ends. Databases that
    /// are files have no such lock.
    Row,
    /// No lock. Only for a database that no other program opens, not even for a recovery: a recovery would interfere with steps
    /// that are still running.
    Off,
}

impl Lock {
    /// Runs `body` while the lock is held.
    ///
    /// # Errors
    /// The lock could not be acquired in time, or not at all; or what `body` returns.
    pub(crate) fn held<B: Backend, R>(
        &self,
        conn: &mut B::Conn<'_>,
        table: &TableName,
        timeout: Duration,
        waiting: &mut dyn FnMut(&str, &str),
        body: impl FnOnce(&mut B::Conn<'_>, &Holding) -> Result<R>,
    ) -> Result<R, LockError> {
        let holding = Holding::of(table);
        if *self == Self::Sidecar && server::acquire::<B>(conn, table, timeout, waiting)? {
            let held = server::Held::<B> { conn, table };
            return Ok(body(held.conn, &holding)?);
        }
        if self.is_per_transaction() {
            let made = patiently(timeout, || B::create_lock_row(conn, table));
            let made = made.map_err(LockError::while_trying_to("make the row that is locked"))?;
            if made == LockAttempt::Unsupported {
                return Err(Failure::NoSuchLock(B::DIALECT).into());
            }
        }
        let Some(path) = self.path(B::locate(conn)) else { return Ok(body(conn, &holding)?) };
        let file = file::Locked::acquire(&path, timeout, waiting)?;
        Ok(body(conn, &holding.with(file))?)
    }

    /// The holder of the lock, empty if the database does not name it; `None` if nobody holds it.
    ///
    /// # Errors
    /// The state of the lock cannot be read.
    pub(crate) fn holder<B: Backend>(
        &self,
        conn: &mut B::Conn<'_>,
        table: &TableName,
    ) -> Result<Option<String>, LockError> {
        if *self == Self::Sidecar {
            let looking = LockError::while_trying_to("look at the lock");
            let table = &B::resolve(conn, table).map_err(&looking)?;
            match B::try_lock(conn, table).map_err(&looking)? {
                LockAttempt::Acquired => {
                    B::unlock(conn, table).map_err(&looking)?;
                    return Ok(None);
                }
                LockAttempt::HeldBy(holder) => return Ok(Some(holder)),
                LockAttempt::Unsupported => {}
            }
        }
        Ok(self.path(B::locate(conn)).map_or(Ok(None), |path| file::current_holder(&path))?)
    }

    /// Keeps other runs from the tracking table until the open transaction ends, and returns the head if the database returns it in
    /// the same statement. The first transaction of a run also waits for writers that do not lock the row.
    pub(crate) fn enter<B: Backend>(
        &self,
        conn: &mut B::Conn<'_>,
        table: &TableName,
        patience: Duration,
        is_first: bool,
    ) -> Result<Option<Head>, Fault> {
        match (self, is_first) {
            (Self::Row, true) => {
                B::lock_row(conn, table, patience)?;
                // The session of a killed program may still commit its progress, and does so without the row.
                B::wait_for_writers(conn, table, patience).map(|()| None)
            }
            (Self::Row, false) => B::lock_row(conn, table, patience).map(|()| None),
            (_, true) => B::lock_table(conn, table, patience).map(|()| None),
            (_, false) => B::lock_table_with_head(conn, table, patience),
        }
    }

    /// Whether each transaction of a run locks separately and nothing is held between them.
    pub(crate) fn is_per_transaction(&self) -> bool {
        *self == Self::Row
    }

    /// Whether all steps of a run use one session.
    pub(crate) fn has_one_session(&self) -> bool {
        *self == Self::Sidecar
    }

    /// Whether only one run at a time can hold the lock, from its first step to its last.
    pub(crate) fn is_exclusive(&self) -> bool {
        matches!(self, Self::Sidecar | Self::File(_))
    }

    /// The path of the lock file, if the lock is a file.
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
