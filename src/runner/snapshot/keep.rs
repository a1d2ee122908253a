//! The snapshot of a run: making it, and what happens with it when the run has ended.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::keeper::{Kept, Run, Site};
use super::files::{self, Files};
use super::keeping::Snapshots;
use super::restoring::{copier, restore};
use super::settle::{Applied, applied};
use crate::backend::snapshot::{Overwrite, SecondConnection, delete_partial, durable};
use crate::backend::{Sqlite, Witness};
use crate::cancel;
use crate::error::{MigrationError, Result, SnapshotAct};
use crate::plan::Plan;
use crate::snapshot::intent::{IntendedStep, Intent, Reached, RunState, Trace};
use crate::snapshot::{AfterFailure, PlannedSnapshot, Restored, SnapshotKind};

impl Snapshots {
    /// Makes the snapshot if the plan needs one and the run has none, and writes the note about the run.
    pub(super) fn begin_run(
        &self,
        conn: &Connection,
        site: &Site<'_, Sqlite>,
        files: &Files,
        (plan, trace): (&Plan, Trace),
        run: &mut Run,
    ) -> Result<()> {
        if site.is_exclusive && !plan.steps().is_empty() {
            files.supersede_others()?;
        }
        let is_due = matches!(plan.snapshot(), Some(PlannedSnapshot::Kept { .. }));
        let is_new = run.kept.is_none() && is_due;
        if is_new {
            run.kept = Some(self.take(conn, site, files, trace)?);
        }
        let Some(kept) = &mut run.kept else { return Ok(()) };
        let done = run.report.applied.iter().map(|step| IntendedStep::new(step.direction, &step.id));
        let planned = plan.steps().iter().map(|step| IntendedStep::new(step.direction, &step.id));
        kept.intent.steps = kept.done_before.iter().cloned().chain(done).chain(planned).collect();
        kept.intent.state = RunState::Running;
        kept.intent.after_failure = self.settings.after_failure;
        if trace == Trace::Unknown {
            kept.intent.trace = trace;
        }
        if kept.witness.is_none() {
            // The snapshot is older than this run, so the database may have rows that it does not have.
            kept.intent.after_failure = AfterFailure::Keep;
        }
        if let Err(error) = files.write_intent(&kept.intent) {
            if is_new {
                // The next run makes another one.
                let _ = durable::remove(&kept.path);
                run.kept = None;
            }
            return Err(error);
        }
        run.report.snapshot = Some(kept.path.clone());
        // From here on the note names the new snapshot, and these have nothing that it does not have.
        for path in run.replaces.drain(..).filter(|path| site.is_exclusive && *path != kept.path) {
            let _ = durable::remove(&path);
        }
        Ok(())
    }

    fn take(&self, conn: &Connection, site: &Site<'_, Sqlite>, files: &Files, trace: Trace) -> Result<Kept> {
        if site.is_exclusive {
            delete_partial(&files.folder, files.is_partial());
        }
        let (made_on, path) = files.new_path(SnapshotKind::BeforeRun);
        let failed = |fault| files::failed(SnapshotAct::Take, &path, fault);
        let version = copier(site).take(conn, &files.live, &path).map_err(failed)?;
        let before = applied(conn, site).map(|applied| applied.ids).map_err(|fault| {
            // The run does not begin, so nothing needs it.
            let _ = durable::remove(&path);
            failed(fault)
        })?;
        let witness = (self.settings.after_failure == AfterFailure::Restore).then(|| {
            let prepare = site.prepare.cloned();
            Box::new(SecondConnection::new(&files.live, prepare, version)) as Box<dyn Witness>
        });
        let intent = Intent {
            table: site.table.as_str().to_owned(),
            state: RunState::Running,
            after_failure: self.settings.after_failure,
            trace,
            folder: files.shared(),
            snapshot: made_on,
            set_aside: None,
            before,
            steps: Vec::new(),
        };
        let abandon = files.abandon();
        Ok(Kept { path, intent, done_before: Vec::new(), witness, abandon })
    }

    /// Deletes the note about a run that has succeeded, and then older snapshots.
    pub(super) fn end_run(&self, files: &Files, run: &mut Run) {
        let Some(kept) = run.kept.take() else { return };
        // If the note stays, the next run finds out that this one is finished.
        let _ = durable::remove(&files.intent);
        let _ = self.rotate(files, &kept.path);
        if !kept.path.exists() {
            run.report.snapshot = None;
        }
    }

    /// Deletes all but the newest snapshots. Those of unfinished runs stay. If an intent file cannot be read, everything stays.
    fn rotate(&self, files: &Files, own: &Path) -> Result<()> {
        let needed: Vec<PathBuf> = files
            .intents()?
            .iter()
            .map(|intent| files.path_of(intent, SnapshotKind::BeforeRun, &intent.snapshot))
            .collect();
        let found = files.found_in_folder()?.into_iter();
        let mut snapshots: Vec<PathBuf> =
            found.filter(|found| found.kind == SnapshotKind::BeforeRun).map(|found| found.path).collect();
        // It is the newest one, whatever a clock that was set back says.
        snapshots.sort_by_key(|path| path != own);
        let others = snapshots.into_iter().skip(self.settings.keep);
        for path in others.filter(|path| !needed.contains(path)) {
            let _ = durable::remove(&path);
        }
        Ok(())
    }

    /// Decides what happens after a failure, and does it.
    pub(super) fn fail_run(
        &self,
        conn: &Connection,
        site: &Site<'_, Sqlite>,
        files: &Files,
        run: &mut Run,
        error: MigrationError,
    ) -> MigrationError {
        let Some(kept) = &mut run.kept else { return error };
        let (mut error, mut state) = (error, RunState::Failed);
        if self.settings.after_failure == AfterFailure::Restore {
            // Also a run that was cancelled is undone.
            match cancel::shielded(|| undo(conn, site, files, kept)) {
                Undo::Needless => {}
                Undo::Impossible(why) => run.report.not_restored = Some(why),
                Undo::Done(restored) => {
                    state = RunState::Restored;
                    run.report.applied.clear();
                    run.report.together.clear();
                    run.report.restored = Some(restored);
                    error = error.undone_by_restore();
                }
            }
        }
        files.note_end(&mut kept.intent, state);
        error
    }
}

/// Whether a failed run was undone.
enum Undo {
    /// It did nothing.
    Needless,
    Done(Restored),
    /// It was not, for this reason.
    Impossible(String),
}

fn undo(conn: &Connection, site: &Site<'_, Sqlite>, files: &Files, kept: &mut Kept) -> Undo {
    let now = match applied(conn, site) {
        Ok(now) => now,
        Err(fault) => return Undo::Impossible(format!("the database cannot be read: {fault}")),
    };
    match kept.intent.reached(Applied::now(&now)) {
        Reached::Nothing if kept.intent.trace == Trace::Recorded => return Undo::Needless,
        Reached::Everything => return Undo::Needless,
        Reached::Elsewhere => return Undo::Impossible("something else changed the migrations".to_owned()),
        Reached::Nothing | Reached::Part(_) => {}
    }
    let Some(witness) = &kept.witness else {
        return Undo::Impossible("it is older than this run, which continued an unfinished one".to_owned());
    };
    if !conn.is_autocommit() {
        return Undo::Impossible("the connection is inside a transaction".to_owned());
    }
    let restored = copier(site).version_if_alone(conn, &**witness).and_then(|version| match version {
        Some(version) => restore(&copier(site), conn, files, &kept.path, Overwrite::OnlyOwn(version)),
        None => Ok(None),
    });
    match restored {
        Ok(Some(restored)) => {
            kept.intent.set_aside = files.made_on(&restored.set_aside);
            Undo::Done(restored)
        }
        // A change of the mode and some errors of the system change the numbers too.
        Ok(None) => Undo::Impossible(
            "another connection has written to the database since then, or a step changed its journal mode, \
             or an error of the disk or the memory made that impossible to know"
                .to_owned(),
        ),
        Err(fault) => Undo::Impossible(format!("that failed: {fault}")),
    }
}
