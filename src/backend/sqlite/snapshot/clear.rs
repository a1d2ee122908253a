//! Whether a database can be read without a key. A copy of an encrypted database must be encrypted too.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::durable::{self, Partial};
use super::{Copier, fault};
use crate::backend::retry::patiently;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;

/// Whether a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Clear,
    Encrypted,
}

impl Copier<'_> {
    /// Whether a database is encrypted. SQLite itself reads it, on a connection without a key: closing a file descriptor of the live
    /// database would drop SQLite's own locks of the whole process.
    pub(super) fn secrecy_of(&self, path: &Path) -> Result<Secrecy, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(fault)?;
        let read = || conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(fault);
        match patiently(self.patience, read) {
            Ok(()) => Ok(Secrecy::Clear),
            Err(fault) if fault.kind() == FaultKind::NotADatabase => Ok(Secrecy::Encrypted),
            Err(fault) => Err(fault),
        }
    }

    /// Refuses to copy an encrypted database if a connection of the engine writes in clear. This is tried on an empty file, so nothing of
    /// the database is written before it is known.
    pub(super) fn refuse_clear_copy(&self, path: PathBuf, like: &Path) -> Result<(), Fault> {
        let partial = Partial::create(path, like).map_err(durable::fault)?;
        let conn = self.open(partial.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        conn.execute_batch("CREATE TABLE a (b)").map_err(fault)?;
        drop(conn);
        self.refuse_clear(partial.path())
    }

    /// Refuses a copy that is not encrypted.
    pub(super) fn refuse_clear(&self, copy: &Path) -> Result<(), Fault> {
        if self.secrecy_of(copy)? == Secrecy::Encrypted {
            return Ok(());
        }
        let what = "the database is encrypted, and a copy of it would not be";
        let remedy = Remedy::program("set the key on each connection", "`prepare_connection`");
        Err(Fault::new(FaultKind::Other, what).remedy(remedy))
    }
}
