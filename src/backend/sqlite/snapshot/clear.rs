//! A copy of an encrypted database must be encrypted too.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::durable::{self, Partial};
use super::{Copier, fault};
pub(super) use crate::backend::sqlite::secrecy::Secrecy;
use crate::backend::sqlite::secrecy::{secrecy_of, secrecy_of_live};
use crate::fault::{Fault, FaultKind};
use crate::remedy::Remedy;

impl Copier<'_> {
    pub(super) fn secrecy_of_live(&self, conn: &Connection, live: &Path) -> Result<Secrecy, Fault> {
        secrecy_of_live(conn, live, self.patience)
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
        if secrecy_of(copy, self.patience)? == Secrecy::Encrypted {
            return Ok(());
        }
        let what = "the database is encrypted, and a copy of it would not be";
        let remedy = Remedy::program("set the key on each connection", "`prepare_connection`");
        Err(Fault::new(FaultKind::Other, what).remedy(remedy))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::dialect::TableName;

    /// This SQLite encrypts nothing, so each copy that it makes is clear.
    #[test]
    fn a_clear_copy_is_refused_before_anything_is_written_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("live.db");
        Connection::open(&live).unwrap().execute_batch("CREATE TABLE a (b)").unwrap();
        let table = TableName::default();
        let copier = Copier { table: &table, patience: Duration::ZERO, prepare: None, told: None };
        let copy = folder.path().join("copy.db");
        let fault = copier.refuse_clear_copy(copy.clone(), &live).unwrap_err();
        assert!(fault.to_string().contains("a copy of it would not be"), "{fault}");
        assert!(!copy.exists());

        assert!(copier.refuse_clear(&live).is_err());
        let encrypted = folder.path().join("encrypted.db");
        std::fs::write(&encrypted, [0x5a; 4096]).unwrap();
        copier.refuse_clear(&encrypted).unwrap();
    }
}
