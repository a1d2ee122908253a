//! Settling a run that did not end.

use std::path::Path;

use rusqlite::Connection;

use super::super::keeper::{Kept, Run, Site};
use super::files::{self, Files};
use super::keeping::Snapshots;
use super::restoring::{copier, restore};
use crate::backend::snapshot::{Overwrite, durable};
use crate::backend::{Records, Sqlite, patiently};
use crate::error::{Result, SnapshotAct};
use crate::fault::{Fault, FaultKind};
use crate::id::MigrationId;
use crate::log_entry::LogEntryKind;
use crate::snapshot::intent::{Course, Ids, Now, RunState};
use crate::snapshot::{AfterFailure, SnapshotKind};

/// What is applied now.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) ids: Ids,
    dirty: Option<MigrationId>,
}

impl Applied {
    pub(super) fn now(&self) -> Now<'_> {
        Now { ids: self.ids, dirty: self.dirty.as_ref() }
    }
}

/// Reads what is applied now.
pub(super) fn applied(mut conn: &Connection, site: &Site<'_, Sqlite>) -> Result<Applied, Fault> {
    let records = patiently(site.patience, || Sqlite::read(&mut conn, site.table))?.records;
    let dirty = records.iter().find(|record| record.dirty.is_some()).map(|record| record.id.clone());
    Ok(Applied { ids: Ids::of(records.iter().map(|record| &record.id)), dirty })
}

/// Whether a person has corrected the records or the schema since a snapshot. The log says so, and a restore would undo it.
fn was_corrected(mut conn: &Connection, site: &Site<'_, Sqlite>, snapshot: &Path) -> Result<bool, Fault> {
    let before = copier(site).log(snapshot)?.len();
    let log = patiently(site.patience, || Sqlite::read_log(&mut conn, &site.table.log()))?;
    let is_of_run = |kind: &LogEntryKind| matches!(kind, LogEntryKind::RolledBack | LogEntryKind::Downgraded);
    Ok(log.iter().skip(before).any(|entry| !is_of_run(&entry.kind)))
}

impl Snapshots {
    /// Settles an unfinished run, and returns whether that changed the database.
    pub(super) fn settle_run(
        &self,
        conn: &Connection,
        site: &Site<'_, Sqlite>,
        files: &Files,
        run: &mut Run,
    ) -> Result<bool> {
        (run.kept, run.replaces) = (None, Vec::new());
        let Some(mut intent) = files.read_intent()? else { return Ok(false) };
        let failed = |fault| files::note(&files.intent, fault);
        let now = applied(conn, site).map_err(failed)?;
        let path = files.path_of(&intent, SnapshotKind::BeforeRun, &intent.snapshot);
        let is_there = path.is_file();
        // Without a lock, the run may still be running.
        let after_failure = if site.is_exclusive { self.settings.after_failure } else { AfterFailure::Keep };
        let reached = intent.reached(now.now());
        let mut course = intent.course(reached, after_failure);
        if course == Course::Restore && is_there && was_corrected(conn, site, &path).map_err(failed)? {
            course = intent.course(reached, AfterFailure::Keep);
        }
        match course {
            Course::Replace => {
                let aside = intent.set_aside.as_deref();
                run.replaces = aside
                    .map(|made_on| files.path_of(&intent, SnapshotKind::BeforeRestore, made_on))
                    .into_iter()
                    .chain([path])
                    .collect();
                Ok(false)
            }
            Course::Continue(done) if is_there => {
                let done_before = intent.steps.iter().take(done).cloned().collect();
                run.report.snapshot = Some(path.clone());
                run.kept = Some(Kept { path, intent, done_before, witness: None, abandon: files.abandon() });
                Ok(false)
            }
            // Without its snapshot, the next run is a new one with its own.
            Course::Forget | Course::Continue(_) => {
                durable::remove(&files.intent).map_err(|error| failed(durable::fault(error)))?;
                Ok(false)
            }
            Course::Restore if !is_there => {
                let what = format!("a run did not finish, and its snapshot {} is missing", path.display());
                Err(failed(Fault::new(FaultKind::Other, what).remedy(
                    "put the snapshot back, or delete this file to continue with what the database has now",
                )))
            }
            Course::Restore => {
                let failed = |fault| files::failed(SnapshotAct::Restore, &path, fault);
                let restored =
                    restore(&copier(site), conn, files, &path, Overwrite::Anything).map_err(failed)?;
                // Others can write from now on, so the next run makes a snapshot of its own, which replaces this one.
                intent.state = RunState::Restored;
                files.write_intent(&intent)?;
                run.report.restored = restored;
                run.report.applied.clear();
                Ok(true)
            }
        }
    }
}
