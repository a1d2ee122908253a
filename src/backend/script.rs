//! What a backend runs, and the conditions under which it runs.

use std::time::Duration;

use super::session::Session;
use crate::cancel;
use crate::effect::Trust;
use crate::fault::Fault;
use crate::notice::Notices;
use crate::step::{Atomicity, Cascade, DataLoss, ForeignKeys};

/// The conditions under which a step runs.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Scope {
    /// The enforcement of foreign keys that the step requests.
    pub foreign_keys: ForeignKeys,
    /// How long to wait for another writer.
    pub patience: Duration,
    /// Whether only a script runs, and no code of the application.
    pub is_script: bool,
}

impl Scope {
    /// A scope with this enforcement of foreign keys, in which other writers are waited for this long.
    pub const fn new(foreign_keys: ForeignKeys, patience: Duration) -> Self {
        Self { foreign_keys, patience, is_script: false }
    }
}

/// A script to run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Script<'a> {
    /// The text, without byte order mark.
    pub text: &'a str,
    /// The statement to begin with, from 1. The statements before it are done.
    pub from: u32,
    /// Whether the script runs in a transaction of the engine.
    pub atomicity: Atomicity,
    /// The enforcement of foreign keys that the script runs under.
    pub foreign_keys: ForeignKeys,
    /// How long to retry a statement that finds the database busy.
    pub patience: Duration,
    /// How long a statement may wait for a lock of another session, if the step limits it. A backend that overrides
    /// [`Driver::limiting_lock_waits`](super::Driver::limiting_lock_waits) has already set it.
    pub lock_timeout: Option<Duration>,
    /// Whether its author declared that its deletions may also delete rows of other tables (`allow = ["cascade"]`).
    pub cascade: Cascade,
    /// Whether it may take rows that it does not name: its author declared it (`allow = ["destructive"]`), or the policy does not refuse
    /// it.
    pub data_loss: DataLoss,
    /// Where the script comes from.
    pub trust: Trust,
    /// Collects what the server says about the statements.
    pub notices: &'a Notices,
    /// What the backend knows of the session, if only scripts of this run have used it.
    pub session: Option<&'a Session>,
    /// Whom to tell which statement begins.
    pub(crate) listener: Listener<'a>,
}

impl Script<'_> {
    /// Tells the engine that a statement begins, which reports it to the observer. Statements are numbered from 1; `of` counts them if that
    /// is asked.
    ///
    /// # Errors
    /// The run was cancelled, so the statement must not begin.
    pub fn begin_statement(&self, number: u32, of: impl FnOnce() -> Option<u32>) -> Result<(), Fault> {
        cancel::check()?;
        if let Some(tell) = self.listener.0 {
            // The engine's own scanner may have counted them, and the database is right.
            tell(number, of().filter(|of| *of >= number));
        }
        Ok(())
    }
}

/// Whom to tell which statement of a script begins, and how many there are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Listener<'a>(pub(crate) Option<&'a dyn Fn(u32, Option<u32>)>);

impl std::fmt::Debug for Listener<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listener").field(&self.0.is_some()).finish()
    }
}
