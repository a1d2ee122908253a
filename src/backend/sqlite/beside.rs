//! What prevents SQLite from using a database, although its error does not name it: a file beside the database, or the database's header.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use crate::fault::Fault;

/// The endings of the files that SQLite makes beside a database (<https://www.sqlite.org/tempfiles.html>).
const ENDINGS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The fault of a statement of this connection, with the true cause if it is one of these.
pub(super) fn explained(conn: &Connection, mut fault: Fault) -> Fault {
    let error = fault.details.cause.as_ref().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let Some(code) = error.and_then(rusqlite::Error::sqlite_error) else { return fault };
    let Some(path) = conn.path().filter(|path| !path.is_empty()) else { return fault };
    if !matches!(code.code, ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) {
        return fault;
    }
    if let Some(found) = in_the_way(Path::new(path)) {
        let (message, found) = (&fault.details.message, found.display());
        fault.details.message = format!("{message}; {found} is a folder").into();
        return fault.remedy("move that folder away, since SQLite needs its name for a file, and run again");
    }
    match code.code {
        ErrorCode::ReadOnly if code.extended_code == ffi::SQLITE_READONLY && is_of_newer_sqlite(path) => fault
            .remedy(
                "use a newer version of SQLite if one made the file: its header says that this one may only read it; \
                 otherwise restore it from a backup, since the header is damaged",
            ),
        _ => fault,
    }
}

/// The folder that has the name of one of SQLite's own files.
fn in_the_way(database: &Path) -> Option<PathBuf> {
    let beside = |ending: &str| {
        let mut name = OsString::from(database);
        name.push(ending);
        PathBuf::from(name)
    };
    ENDINGS.map(beside).into_iter().find(|path| path.is_dir())
}

/// Whether the header of a database says that only a newer version of SQLite may write to it
/// (<https://www.sqlite.org/fileformat2.html#file_format_version_numbers>). A connection that has read nothing does not know that, so it tries to
/// write and fails. One to a file that this user may not write knows what it may do, and only reads (`sqlite3BeginTransaction` in build.c).
fn is_of_newer_sqlite(path: &str) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begun = Connection::open_with_flags(path, flags).and_then(|conn| {
        conn.busy_timeout(Duration::ZERO)?;
        conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
    });
    begun.is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::ReadOnly))
}
