//! [`Hooks`]: code of the application that takes part in every step.

use std::fmt;

#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::backend::{Backend, Driver};
use crate::error::MigrationError;
use crate::fault::BoxError;
use crate::step::Step;

type Vetoing<B> =
    Box<dyn for<'s, 'c> Fn(&'s Step, <B as Driver>::Conn<'c>) -> Result<(), BoxError> + Send + Sync>;
type Failing<B> =
    Box<dyn for<'s, 'e, 'c> Fn(&'s Step, &'e MigrationError, <B as Driver>::Conn<'c>) + Send + Sync>;

/// Code of the application that takes part in every step, inside its transaction if it has one. An error of a `before` or `after`
/// hook is an error of the step and undoes it.
///
/// If the transaction of a step is rolled back and repeated because the step is committed together with a later one
/// ([`Report::together`](crate::Report::together)), its hooks are called again. So a hook should do nothing outside the database
/// that must not be repeated. A step with hooks before or after it is not tried again because of the lock of another session
/// ([`lock_retries`](crate::MigrationRunner::lock_retries)).
///
/// # A veto
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{ErrorKind, Hooks, Migration, MigrationRunner};
///
/// let hooks = Hooks::new().after(|_step, conn| {
///     let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
///     if tables > 100 { Err("too many tables".into()) } else { Ok(()) }
/// });
/// let hooks = hooks.before(|step, _conn| Err(format!("not {} on a Sunday", step.id).into()));
///
/// let runner = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")])?.hooks(hooks);
/// let error = runner.run(&Connection::open_in_memory()?).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Hook);
/// assert!(error.to_string().contains("not 1_a on a Sunday"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hooks<#[cfg(feature = "sqlite")] B: Backend = Sqlite, #[cfg(not(feature = "sqlite"))] B: Backend> {
    pub(crate) before: Vec<Vetoing<B>>,
    pub(crate) after: Vec<Vetoing<B>>,
    pub(crate) on_error: Vec<Failing<B>>,
}

#[cfg(feature = "sqlite")]
impl Hooks {
    /// Creates an empty set of hooks for SQLite.
    pub const fn new() -> Self {
        Self::for_backend()
    }
}

impl<B: Backend> Hooks<B> {
    /// Creates an empty set of hooks for any backend.
    pub const fn for_backend() -> Self {
        Self { before: Vec::new(), after: Vec::new(), on_error: Vec::new() }
    }

    /// Whether no hook runs before or after a step.
    pub(crate) fn is_empty_around_steps(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Whether there is no hook at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty_around_steps() && self.on_error.is_empty()
    }

    /// Adds a hook that is called before a step's script.
    pub fn before(
        mut self,
        hook: impl for<'s, 'c> Fn(&'s Step, B::Conn<'c>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.before.push(Box::new(hook));
        self
    }

    /// Adds a hook that is called after a step's script.
    pub fn after(
        mut self,
        hook: impl for<'s, 'c> Fn(&'s Step, B::Conn<'c>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.after.push(Box::new(hook));
        self
    }

    /// Adds a hook that is called when a step has failed. If its script or a hook failed, the hook is called before the step is
    /// undone, and what it writes is undone too. If the foreign key check or the commit failed, or the database undid the step by
    /// itself, as SQLite does on a full disk, the step is already undone.
    pub fn on_error(
        mut self,
        hook: impl for<'s, 'e, 'c> Fn(&'s Step, &'e MigrationError, B::Conn<'c>) + Send + Sync + 'static,
    ) -> Self {
        self.on_error.push(Box::new(hook));
        self
    }
}

impl<B: Backend> Default for Hooks<B> {
    fn default() -> Self {
        Self::for_backend()
    }
}

impl<B: Backend> fmt::Debug for Hooks<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("before", &self.before.len())
            .field("after", &self.after.len())
            .field("on_error", &self.on_error.len())
            .finish()
    }
}
