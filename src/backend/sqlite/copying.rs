//! Copying a whole database with SQLite's backup API.

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ffi};

/// Replaces the main database of `to` with that of `from`, in one transaction of `to`. If `from` is inside a transaction, the copy has what
/// that transaction sees. While another connection holds a lock that is needed, it fails, and `to` is unchanged.
pub(super) fn copy(from: &Connection, to: &mut Connection) -> rusqlite::Result<()> {
    step(&Backup::new(from, to)?, ALL)
}

/// Copies so many further pages. The first call locks the destination until the backup is dropped, also for no page; the last page
/// commits.
pub(super) fn step(backup: &Backup<'_, '_>, pages: i32) -> rusqlite::Result<()> {
    let is_done = |result| result == StepResult::Done || (result == StepResult::More && pages != ALL);
    match backup.step(pages)? {
        result if is_done(result) => Ok(()),
        StepResult::Locked => Err(failure(ffi::SQLITE_LOCKED_SHAREDCACHE)),
        _ => Err(failure(ffi::SQLITE_BUSY)),
    }
}

/// All pages that are left.
pub(super) const ALL: i32 = -1;

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("database is locked".to_owned()))
}
