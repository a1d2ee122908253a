//! [`Copier`]: complete, verified copies of a database, and restoring them.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::query::{size, value};
use super::{Sqlite, fault, likeness};
use crate::backend::catalog::{CopyObserver, Prepare};
use crate::backend::records::Records;
use crate::backend::retry::patiently;
use crate::dialect::TableName;
use crate::fault::{Fault, FaultKind};
use crate::history::Record;
use crate::log_entry::LogEntry;
use crate::snapshot::Bytes;

mod clear;
mod compare;
pub(crate) mod durable;
mod restore;
mod take;
mod witness;

pub(crate) use restore::{Overwrite, Places, RestoreOutcome};
pub(crate) use take::delete_partial;
pub(crate) use witness::{SecondConnection, write_a_frame};

/// Copies databases and restores the copies.
#[derive(Clone, Copy)]
pub(crate) struct Copier<'a> {
    /// Prepares each connection that is opened, for a database that can only be read like that.
    pub(crate) prepare: Option<&'a Prepare<Sqlite>>,
    /// The tracking table.
    pub(crate) table: &'a TableName,
    /// How long to wait for other connections.
    pub(crate) patience: Duration,
    /// Is told how far a copy got.
    pub(crate) told: Option<&'a dyn CopyObserver>,
}

impl Copier<'_> {
    /// The size of the database of a connection in bytes.
    pub(crate) fn size(&self, conn: &Connection) -> Result<u64, Fault> {
        patiently(self.patience, || size(conn).map_err(fault))
    }

    /// The records in a copy.
    pub(crate) fn records(&self, path: &Path) -> Result<Vec<Record>, Fault> {
        let conn = self.open_copy(path)?;
        patiently(self.patience, || Sqlite::read(&mut &conn, self.table)).map(|tracking| tracking.records)
    }

    /// The log in a copy.
    pub(crate) fn log(&self, path: &Path) -> Result<Vec<LogEntry>, Fault> {
        let conn = self.open_copy(path)?;
        patiently(self.patience, || Sqlite::read_log(&mut &conn, &self.table.log()))
    }

    /// Opens a copy to read it. SQLite creates no file beside it, since a copy has no WAL.
    fn open_copy(&self, path: &Path) -> Result<Connection, Fault> {
        self.open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn open(&self, path: &Path, access: OpenFlags) -> Result<Connection, Fault> {
        open(path, access, self.prepare)
    }
}

/// Opens a file and prepares the connection. It is not in a transaction, and does not wait inside SQLite.
fn open(path: &Path, access: OpenFlags, prepare: Option<&Prepare<Sqlite>>) -> Result<Connection, Fault> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
    likeness::call(&conn, prepare).map_err(|fault| {
        fault.remedy("set the key in it and register functions, collations and modules only, since a snapshot is opened to read it")
    })?;
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK").map_err(fault)?;
    }
    conn.busy_timeout(Duration::ZERO).map_err(fault)?;
    Ok(conn)
}

/// A number that changes when another connection commits.
pub(crate) fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    value(conn, "PRAGMA main.data_version", &[])
}

/// Refuses a connection that does not let another connection read the database.
fn refuse_exclusive(conn: &Connection) -> Result<(), Fault> {
    let mode: String = value(conn, "PRAGMA main.locking_mode", &[]).map_err(fault)?;
    if mode.eq_ignore_ascii_case("exclusive") {
        let what =
            "the connection has `locking_mode = EXCLUSIVE`, so no other connection can open the database";
        return Err(Fault::new(FaultKind::Other, what)
            .remedy("set `locking_mode = NORMAL` and read once before the run, and EXCLUSIVE after it"));
    }
    Ok(())
}

/// Refuses what does not fit on the disk of a folder.
fn refuse_shortage(folder: &Path, needed: u64) -> Result<(), Fault> {
    let free = fs2::available_space(folder).map_err(durable::fault)?;
    if free < needed {
        let what =
            format!("{} are needed in {}, and {} are free", Bytes(needed), folder.display(), Bytes(free));
        return Err(Fault::new(FaultKind::Full, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_on_the_disk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        refuse_shortage(folder.path(), 0).unwrap();
        let fault = refuse_shortage(folder.path(), u64::MAX).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Full);
        assert!(fault.to_string().contains("are needed in"), "{fault}");
    }
}
