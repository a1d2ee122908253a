//! [`Keeper`]: what a run calls to keep a snapshot of the database.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, Prepare, Witness};
use crate::dialect::TableName;
use crate::error::{MigrationError, Result};
use crate::event::Observer;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::report::Report;
use crate::snapshot::intent::{IntendedStep, Intent, Trace};

/// Keeps a snapshot of the database for a run, and restores it. It is a trait object that `snapshot` creates, so a program that never calls
/// that does not link the code. All methods except the first three are called while the lock is held.
pub(super) trait Keeper<B: Backend>: Send + Sync {
    /// Whether a plan needs to know what its steps destroy.
    fn wants_effects(&self) -> bool;

    /// The plan with what will be kept.
    fn planned(&self, conn: &mut B::Conn<'_>, site: &Site<'_, B>, plan: Plan) -> Result<Plan>;

    /// Whether there is a note about an unfinished run.
    fn has_unfinished(&self, conn: &mut B::Conn<'_>, site: &Site<'_, B>) -> bool;

    /// Settles an unfinished run, if there is one, and returns whether that changed the database.
    fn settle(&self, conn: &mut B::Conn<'_>, site: &Site<'_, B>, run: &mut Run) -> Result<bool>;

    /// Keeps the snapshot of this run if it needs one and has none, and notes that the run begins.
    fn begin(
        &self,
        conn: &mut B::Conn<'_>,
        site: &Site<'_, B>,
        plan: &Plan,
        trace: Trace,
        run: &mut Run,
    ) -> Result<()>;

    /// Notes that the run waits for an answer without the lock.
    fn pause(&self, conn: &mut B::Conn<'_>, site: &Site<'_, B>, run: &mut Run);

    /// Notes that the run is finished, and deletes older snapshots.
    fn succeed(&self, conn: &mut B::Conn<'_>, site: &Site<'_, B>, run: &mut Run);

    /// Notes that the run failed, and restores the snapshot if the settings ask for it.
    fn fail(
        &self,
        conn: &mut B::Conn<'_>,
        site: &Site<'_, B>,
        run: &mut Run,
        error: MigrationError,
    ) -> MigrationError;
}

/// What a keeper needs of the runner.
pub(super) struct Site<'r, B: Backend> {
    pub(super) table: &'r TableName,
    pub(super) prepare: Option<&'r Arc<Prepare<B>>>,
    pub(super) patience: Duration,
    pub(super) policy: &'r Policy,
    pub(super) observer: Option<&'r Observer>,
    /// Whether only one run at a time has the lock, so that a note about a run that is still running cannot be found.
    pub(super) is_exclusive: bool,
}

/// A run: what it did so far, and what it keeps.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) report: Report,
    pub(super) kept: Option<Kept>,
    /// Files of an unfinished run, which are deleted when this run has a snapshot.
    pub(super) replaces: Vec<PathBuf>,
}

/// The snapshot of a run.
pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) intent: Intent,
    /// The steps that an unfinished run before this one did, if this run has its snapshot.
    pub(super) done_before: Vec<IntendedStep>,
    /// Whether others write after the moment of the snapshot; `None` if that is longer ago than this run, or if nothing is to be undone.
    pub(super) witness: Option<Box<dyn Witness>>,
    /// Called if the run panics: the program may continue, so this run was not killed.
    pub(super) abandon: Box<dyn Fn(&Intent)>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("path", &self.path).field("intent", &self.intent).finish_non_exhaustive()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.abandon)(&self.intent);
        }
    }
}
