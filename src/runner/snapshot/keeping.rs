//! [`Snapshots`]: the [`Keeper`] of SQLite.

use rusqlite::Connection;

use super::super::keeper::{Keeper, Run, Site};
use super::files::{self, Files};
use super::restoring::copier;
use crate::backend::{Catalog, Sqlite, patiently};
use crate::error::{MigrationError, Result, SnapshotAct};
use crate::plan::Plan;
use crate::problem::{Problem, ProblemKind};
use crate::snapshot::intent::{RunState, Trace};
use crate::snapshot::{Bytes, PlannedSnapshot, Snapshot, SnapshotSettings};

/// Keeps snapshots with these settings.
#[derive(Debug)]
pub(super) struct Snapshots {
    pub(super) settings: SnapshotSettings,
}

impl Snapshots {
    pub(super) fn files(&self, conn: &Connection, site: &Site<'_, Sqlite>) -> Result<Option<Files>> {
        Files::of(conn, site.table.as_str(), self.settings.folder.as_deref())
    }

    /// Why a plan needs no snapshot of a database with so many bytes, if it needs none.
    fn why_not(&self, plan: &Plan, bytes: u64) -> Option<String> {
        let is_destructive = || plan.steps().iter().any(|step| step.confirmation_reason().is_some());
        match self.settings.when {
            Snapshot::Always => None,
            Snapshot::Never => Some("the settings ask for none".to_owned()),
            Snapshot::IfDestructive if is_destructive() => None,
            Snapshot::IfDestructive => Some("the plan removes nothing".to_owned()),
            Snapshot::IfSmallerThan(limit) if bytes < limit => None,
            Snapshot::IfSmallerThan(limit) => {
                Some(format!("the database has {}, and the limit is {}", Bytes(bytes), Bytes(limit)))
            }
        }
    }
}

impl Keeper<Sqlite> for Snapshots {
    fn wants_effects(&self) -> bool {
        self.settings.when == Snapshot::IfDestructive
    }

    fn planned(&self, conn: &mut &Connection, site: &Site<'_, Sqlite>, plan: Plan) -> Result<Plan> {
        let Some(first) = plan.steps().first() else { return Ok(plan) };
        let failed =
            |fault| files::failed(SnapshotAct::Take, conn.path().unwrap_or_default().as_ref(), fault);
        let tables = [site.table.clone(), site.table.log()];
        let is_blank =
            patiently(site.patience, || Sqlite::is_blank(&mut &**conn, &tables)).map_err(failed)?;
        if is_blank {
            let why = "the database has no tables".to_owned();
            return Ok(plan.with_snapshot(PlannedSnapshot::NotKept { why }));
        }
        let bytes = copier(site).size(conn).map_err(failed)?;
        if let Some(why) = self.why_not(&plan, bytes) {
            return Ok(plan.with_snapshot(PlannedSnapshot::NotKept { why }));
        }
        if let Some(files) = self.files(conn, site)? {
            return Ok(plan.with_snapshot(PlannedSnapshot::Kept { folder: files.folder, bytes }));
        }
        let why = "the database is not a file".to_owned();
        let finding = format!("runs without a snapshot, since {why}");
        let problem = Problem::new(
            ProblemKind::NoSnapshot,
            &first.id,
            finding,
            "open a file if the database must survive the program",
        );
        Ok(plan.with_snapshot(PlannedSnapshot::NotKept { why }).with_problem(problem, site.policy))
    }

    fn has_unfinished(&self, conn: &mut &Connection, site: &Site<'_, Sqlite>) -> bool {
        let files = self.files(conn, site);
        // What prevents the look is an error under the lock.
        files.is_ok_and(|files| files.is_some_and(|files| files.intent.symlink_metadata().is_ok()))
    }

    fn settle(&self, conn: &mut &Connection, site: &Site<'_, Sqlite>, run: &mut Run) -> Result<bool> {
        match self.files(conn, site)? {
            Some(files) => self.settle_run(conn, site, &files, run),
            None => Ok(false),
        }
    }

    fn begin(
        &self,
        conn: &mut &Connection,
        site: &Site<'_, Sqlite>,
        plan: &Plan,
        trace: Trace,
        run: &mut Run,
    ) -> Result<()> {
        match self.files(conn, site)? {
            Some(files) => self.begin_run(conn, site, &files, (plan, trace), run),
            None => Ok(()),
        }
    }

    fn pause(&self, conn: &mut &Connection, site: &Site<'_, Sqlite>, run: &mut Run) {
        if let (Ok(Some(files)), Some(kept)) = (self.files(conn, site), &mut run.kept) {
            files.note_end(&mut kept.intent, RunState::Failed);
            // Others do what they want until the answer.
            if let Some(witness) = &kept.witness {
                witness.rest();
            }
        }
    }

    fn succeed(&self, conn: &mut &Connection, site: &Site<'_, Sqlite>, run: &mut Run) {
        if let Ok(Some(files)) = self.files(conn, site) {
            self.end_run(&files, run);
        }
    }

    fn fail(
        &self,
        conn: &mut &Connection,
        site: &Site<'_, Sqlite>,
        run: &mut Run,
        error: MigrationError,
    ) -> MigrationError {
        match self.files(conn, site) {
            Ok(Some(files)) => self.fail_run(conn, site, &files, run, error),
            _ => error,
        }
    }
}
