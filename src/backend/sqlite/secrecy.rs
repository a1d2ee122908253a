//! Whether a database can be read without a key.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, ffi};

use super::fault;
use crate::backend::retry::patiently;
use crate::fault::{Fault, FaultKind};

/// Whether a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Clear,
    Encrypted,
}

/// Whether a file is encrypted. SQLite itself reads it, on a connection without a key: closing a file descriptor of the live database
/// would drop SQLite's own locks of the whole process.
pub(super) fn secrecy_of(path: &Path, patience: Duration) -> Result<Secrecy, Fault> {
    patiently(patience, || look(path))
}

/// Whether the database of a connection is encrypted. A killed process may leave a half-written transaction at any moment. This
/// connection rolls it back when it reads; one that may only read cannot, and one without the key should not.
pub(super) fn secrecy_of_live(conn: &Connection, path: &Path, patience: Duration) -> Result<Secrecy, Fault> {
    patiently(patience, || {
        read(conn).map_err(fault)?;
        look(path)
    })
}

fn look(path: &Path) -> Result<Secrecy, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(fault)?;
    match read(&conn) {
        Ok(()) => Ok(Secrecy::Clear),
        Err(error) if is_half_written(&error) => {
            Err(Fault::new(FaultKind::Busy, "a process was killed while it wrote to the database"))
        }
        Err(error) => match fault(error) {
            fault if fault.kind() == FaultKind::NotADatabase => Ok(Secrecy::Encrypted),
            fault => Err(fault),
        },
    }
}

fn read(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("SELECT count(*) FROM main.sqlite_master", [], |_| Ok(()))
}

/// Whether a connection that may write must first roll back a transaction, or restore the index of a WAL.
fn is_half_written(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| [ffi::SQLITE_READONLY_ROLLBACK, ffi::SQLITE_READONLY_RECOVERY].contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A snapshot failed with "attempt to write a readonly database" if another process was killed in a transaction just before it.
    #[test]
    fn a_transaction_that_a_killed_process_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let (path, journal) = (folder.path().join("notes.db"), folder.path().join("notes.db-journal"));
        let conn = Connection::open(&path).unwrap();
        let fill = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO notes SELECT zeroblob(3000) FROM n";
        conn.execute_batch(&format!("PRAGMA cache_size = 1; CREATE TABLE notes (text); {fill}")).unwrap();
        // The journal of a transaction that nobody ended. It is written, because the pages do not fit into the cache.
        conn.execute_batch("BEGIN; UPDATE notes SET text = randomblob(3000)").unwrap();
        let left = std::fs::read(&journal).unwrap();
        conn.execute_batch("ROLLBACK").unwrap();
        std::fs::write(&journal, left).unwrap();

        let reader = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert!(is_half_written(&read(&reader).unwrap_err()));
        assert_eq!(secrecy_of_live(&conn, &path, Duration::ZERO).unwrap(), Secrecy::Clear);
        assert!(!journal.exists());
    }
}
