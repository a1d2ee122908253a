//! The settings that end a run early.

use std::sync::Arc;

use super::MigrationRunner;
use crate::backend::Backend;
use crate::cancel::CancelToken;

impl<B: Backend> MigrationRunner<B> {
    /// Sets a function that is called before each step. Once it returns `true`, no further step begins, and the run ends with
    /// [`ErrorKind::Stopped`](crate::ErrorKind::Stopped). It is for a program that is asked to terminate. It does not end the
    /// current step: for that, see [`cancel_with`](Self::cancel_with).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use rusqlite::Connection;
    /// use switchy_schema::{ErrorKind, Event, Migration, MigrationRunner};
    ///
    /// let is_over = Arc::new(AtomicBool::new(false));
    /// let (tell, ask) = (Arc::clone(&is_over), is_over);
    /// let runner = MigrationRunner::new([Migration::sql("1_a", ""), Migration::sql("2_b", "")])?
    ///     .observe(move |event| tell.store(matches!(event, Event::Finished { .. }), Ordering::Relaxed))
    ///     .stop_when(move || ask.load(Ordering::Relaxed));
    ///
    /// let error = runner.run(&Connection::open_in_memory()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Stopped);
    /// assert_eq!(error.report().applied.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_when(mut self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.is_stopped = Some(Box::new(is_stopped));
        self
    }

    /// Sets a token with which another thread ends a run: the current step is interrupted and rolled back, no further one begins, and the run ends
    /// with [`ErrorKind::Stopped`](crate::ErrorKind::Stopped). The committed steps are in the error's
    /// [`report`](crate::MigrationError::report), and the next run continues after them. A token that is cancelled before the
    /// run ends it before its first step; a start with nothing pending succeeds.
    ///
    /// * **SQLite** interrupts the current statement, in a script, in code and in a hook. If the application has left a statement open on the
    ///   connection, that one would be interrupted too, so the run ends before its next statement instead.
    /// * **PostgreSQL** sends a cancel request without TLS. If the connection requires TLS, the run ends before its next statement.
    /// * **MySQL** has no such request without a second login, so the run ends before its next statement.
    ///
    /// A commit is never interrupted: it is done, and the run ends before the next step. If it was the last step, the run succeeds. A step
    /// outside a transaction keeps the statements that are done, and the next run continues it; only if they are not known, as for code, it
    /// is dirty. A wait for the lock ends too, and so does a wait for other writers of the database, once its busy timeout has passed. A
    /// snapshot or a restore that is being copied ends and leaves nothing, but a restore after a failure is done. Nothing is interrupted
    /// after the run has returned. What tries migrations out (`rehearse`, `drift`, `validate`, `prove_reversible`) ends like a run.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{CancelToken, ErrorKind, Event, Migration, MigrationRunner};
    ///
    /// let endless = "CREATE TABLE b (n);
    ///     INSERT INTO b WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n";
    /// let token = CancelToken::new();
    /// let button = token.clone();
    /// let runner = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)"), Migration::sql("2_b", endless)])?
    ///     .observe(move |event| {
    ///         if let Event::Statement { number: 2, .. } = event {
    ///             let button = button.clone();
    ///             std::thread::spawn(move || button.cancel());
    ///         }
    ///     })
    ///     .cancel_with(&token);
    ///
    /// let error = runner.run(&Connection::open_in_memory()?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Stopped);
    /// assert_eq!(error.report().applied.len(), 1);
    /// assert!(error.to_string().contains("nothing of it was kept"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_with(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(Arc::new(token.clone()));
        self
    }
}
