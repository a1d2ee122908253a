//! How long the statements of a run wait for the locks of other sessions.

use std::sync::Arc;
use std::time::Duration;

use super::MigrationRunner;
use crate::backend::Backend;
use crate::fault::BoxError;

impl<B: Backend> MigrationRunner<B> {
    /// Limits how long a statement of a step waits for a lock that another session holds, on a table, a row or a definition. The step
    /// then fails with [`FaultKind::Busy`](crate::FaultKind::Busy). Without it, a statement waits as long as the server lets it: on
    /// PostgreSQL for ever, on MySQL for a day or a year for a table, and everything that needs the table waits behind it.
    /// [`lock_timeout`](Self::lock_timeout) is another limit: that for the lock of another *run*.
    ///
    /// * **PostgreSQL** sets `lock_timeout` for the step, and sets it back after it.
    /// * **MySQL** does the same with `lock_wait_timeout` and `innodb_lock_wait_timeout`, in whole seconds: a part of a second counts as
    ///   a second, and so does zero.
    /// * **SQLite** has one lock, that of the database. A step waits for other writers this long, instead of as long as `lock_timeout`
    ///   says.
    ///
    /// A step waits as its metadata says if there is a `lock_timeout` ([`Migration::lock_timeout`](crate::Migration::lock_timeout)). A
    /// script that sets the limit itself (`SET LOCAL lock_timeout = '1s'`) has that one. Under [`Lock::Row`](crate::Lock::Row), a step
    /// outside a transaction is not limited, because a proxy could give its statements different sessions.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use rusqlite::Connection;
    /// use switchy_schema::{FaultKind, Migration, MigrationRunner};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let file = folder.path().join("notes.db");
    /// let (conn, other) = (Connection::open(&file)?, Connection::open(&file)?);
    /// conn.busy_timeout(Duration::ZERO)?;
    /// other.execute_batch("BEGIN IMMEDIATE")?;
    ///
    /// let runner = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")])?;
    /// let error = runner.statement_lock_timeout(Duration::from_millis(10)).run(&conn).unwrap_err();
    /// assert_eq!(error.fault(), Some(FaultKind::Busy));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn statement_lock_timeout(mut self, timeout: Duration) -> Self {
        self.waits.limit = Some(timeout);
        self
    }

    /// Sets how often the transaction of a step is tried again if another session is in its way: a lock was not obtained in time, or the
    /// server ended the transaction because of a deadlock or a conflict. The default is 3; 0 tries it once. Before each attempt the run
    /// pauses, for a random time up to 0.5 s, 1 s, 2 s and so on, and an attempt that fails
    /// later than [`lock_timeout`](Self::lock_timeout) after the first began is the last. An observer gets [`Event::Retrying`](crate::Event::Retrying).
    ///
    /// Each attempt is a new transaction, with all checks that precede a step. Not tried again are steps outside a transaction, whose
    /// first statements stay, and steps that may have done something that a rollback does not undo: with code, with hooks before or after them, or
    /// with a script that says so, such as one with `dblink` or `PREPARE`.
    /// On SQLite nothing is tried again: a transaction has the only lock from its beginning.
    pub fn lock_retries(mut self, retries: u32) -> Self {
        self.waits.retries = retries;
        self
    }

    /// Sets how to open another connection to the same server, on which the run finds out who holds a lock that it waits for. The function
    /// opens a connection and passes it to its argument. It is called on a thread of its own, once in a run, and only if a step has run for
    /// a second, or for a third of its limit on waits. If it fails, the run goes on without this information.
    ///
    /// When a statement has waited for a lock for some five seconds, an observer gets [`Event::Blocked`](crate::Event::Blocked); and
    /// if a step fails because of such a wait, its error says who held the lock. Nothing is watched on SQLite, and outside a transaction under
    /// [`Lock::Row`](crate::Lock::Row). What each server tells is in `docs/servers.md`, with an example.
    pub fn watch_locks(
        mut self,
        connect: impl Fn(&mut dyn for<'c> FnMut(B::Conn<'c>)) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.connect = Some(Arc::new(connect));
        self
    }
}
