//! Whether a database can be read without a key. A copy of an encrypted database must be encrypted too.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::durable::{self, Partial};
use super::{Copier, fault};
use crate::backend::retry::patiently;
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;

/// The first bytes of a database that is not encrypted.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Whether a database is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Clear,
    Encrypted,
}

impl Copier<'_> {
    /// Whether the database of a connection is encrypted. SQLite itself reads the file, on another connection without a key: closing a
    /// file descriptor of a database would drop SQLite's own locks of the whole process.
    pub(super) fn secrecy_of_live(&self, live: &Path) -> Result<Secrecy, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(live, flags).map_err(fault)?;
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
        refuse_clear(partial.path())
    }
}

/// Refuses a copy that is not encrypted. No connection may have it open.
pub(super) fn refuse_clear(copy: &Path) -> Result<(), Fault> {
    let mut first = [0; MAGIC.len()];
    let read = File::open(copy).and_then(|mut file| file.read_exact(&mut first));
    read.map_err(durable::fault)?;
    if &first == MAGIC {
        let what = "the database is encrypted, and a copy of it would not be";
        let remedy = Remedy::program("set the key on each connection", "`prepare_connection`");
        return Err(Fault::new(FaultKind::Other, what).remedy(remedy));
    }
    Ok(())
}
