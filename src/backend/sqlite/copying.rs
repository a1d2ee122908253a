//! Copying a whole database with SQLite's backup API.

use std::time::Duration;

use rusqlite::backup::{Backup, Progress, StepResult};
use rusqlite::{Connection, ffi};

use super::fault;
use crate::backend::{CopyObserver, patiently};
use crate::cancel;
use crate::fault::Fault;

/// How many pages are copied between two reports, and between two looks at the token of the run.
const PIECE: i32 = 1000;

/// Who is told how far a copy got, if anybody is.
pub(super) type Told<'a> = Option<&'a dyn CopyObserver>;

/// Replaces the main database of `to` with that of `from`, in one transaction of `to`. If `from` is inside a transaction, the copy has what
/// that transaction sees. While another connection holds a lock that is needed, and if the run is cancelled, it fails, and `to` is
/// unchanged.
pub(super) fn copy(from: &Connection, to: &mut Connection, told: Told<'_>) -> Result<(), Fault> {
    // All pieces are of one moment.
    let _reading = Reading::begin(from, Duration::ZERO)?;
    let pages = finish(&Backup::new(from, to).map_err(fault)?, told)?;
    tell(told, pages);
    Ok(())
}

/// Copies the pages that are left, and returns how many the database has. The last piece commits, and nothing is reported after that: what
/// an observer does must not come between a commit and what the caller notes about it.
pub(super) fn finish(backup: &Backup<'_, '_>, told: Told<'_>) -> Result<Pages, Fault> {
    loop {
        cancel::check()?;
        let is_done = step(backup, PIECE).map_err(fault)?;
        let pages = Pages::of(backup.progress());
        if is_done {
            return Ok(pages);
        }
        tell(told, pages);
    }
}

/// Copies so many further pages, and returns whether it was the last one. The first call locks the destination until the backup is
/// dropped, also for no page; the last page commits.
pub(super) fn step(backup: &Backup<'_, '_>, pages: i32) -> rusqlite::Result<bool> {
    match backup.step(pages)? {
        StepResult::Done => Ok(true),
        StepResult::More => Ok(false),
        StepResult::Locked => Err(failure(ffi::SQLITE_LOCKED_SHAREDCACHE)),
        _ => Err(failure(ffi::SQLITE_BUSY)),
    }
}

/// How far a copy got.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    done: u64,
    of: u64,
}

impl Pages {
    #[allow(clippy::needless_pass_by_value, reason = "it is not `Copy` in some versions")]
    fn of(progress: Progress) -> Self {
        let number = |pages: i32| u64::try_from(pages).unwrap_or_default();
        let of = number(progress.pagecount);
        Self { done: of.saturating_sub(number(progress.remaining)), of }
    }
}

pub(super) fn tell(told: Told<'_>, pages: Pages) {
    if let Some(observer) = told {
        observer.copied(pages.done, pages.of);
    }
}

fn failure(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("database is locked".to_owned()))
}

/// A time during which a connection sees one moment of its database: a read transaction, unless it is in a transaction already.
pub(super) struct Reading<'c>(Option<&'c Connection>);

impl<'c> Reading<'c> {
    pub(super) fn begin(conn: &'c Connection, patience: Duration) -> Result<Self, Fault> {
        if !conn.is_autocommit() {
            return Ok(Self(None));
        }
        conn.execute_batch("BEGIN").map_err(fault)?;
        let reading = Self(Some(conn));
        // The first read begins the transaction of the database.
        let read =
            || conn.query_row("SELECT count(*) FROM main.sqlite_master", [], |_| Ok(())).map_err(fault);
        patiently(patience, read)?;
        Ok(reading)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        // The end of a transaction that wrote nothing is no rollback for the application's hook.
        if let Some(conn) = self.0.filter(|conn| !conn.is_autocommit()) {
            let _ = conn.execute_batch("COMMIT").or_else(|_| conn.execute_batch("ROLLBACK"));
        }
    }
}
