//! Whether a database can be read without a key.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault;
use crate::backend::retry::patiently;
use crate::fault::{Fault, FaultKind};

/// Whether a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Clear,
    Encrypted,
}

/// Whether a database is encrypted. SQLite itself reads it, on a connection without a key: closing a file descriptor of the live database
/// would drop SQLite's own locks of the whole process.
pub(super) fn secrecy_of(path: &Path, patience: Duration) -> Result<Secrecy, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(fault)?;
    let read = || conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(fault);
    match patiently(patience, read) {
        Ok(()) => Ok(Secrecy::Clear),
        Err(fault) if fault.kind() == FaultKind::NotADatabase => Ok(Secrecy::Encrypted),
        Err(fault) => Err(fault),
    }
}
