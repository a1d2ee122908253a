//! Restoring a snapshot, and setting aside what it replaces.

use std::path::Path;

use rusqlite::Connection;

use super::super::keeper::Site;
use super::files::Files;
use crate::backend::snapshot::{Copier, Overwrite, Places, RestoreOutcome};
use crate::backend::{CopyObserver, Sqlite};
use crate::fault::Fault;
use crate::snapshot::{Restored, SnapshotKind};

/// What copies and restores databases for a runner.
pub(super) fn copier<'r>(site: &Site<'r, Sqlite>) -> Copier<'r> {
    let told = site.observer.map(|observer| observer as &dyn CopyObserver);
    Copier {
        prepare: site.prepare.map(|prepare| &**prepare),
        table: site.table,
        patience: site.patience,
        told,
    }
}

/// Restores a snapshot; `None` if others wrote what it must not overwrite.
pub(super) fn restore(
    copier: &Copier<'_>,
    conn: &Connection,
    files: &Files,
    snapshot: &Path,
    overwrite: Overwrite,
) -> Result<Option<Restored>, Fault> {
    let (_, set_aside) = files.new_path(SnapshotKind::BeforeRestore);
    let places = Places { live: &files.live, snapshot, set_aside: &set_aside };
    match copier.restore(conn, places, overwrite)? {
        RestoreOutcome::Written => Ok(None),
        RestoreOutcome::Done => Ok(Some(Restored { snapshot: snapshot.to_owned(), set_aside })),
    }
}
