//! Copying a database into a new file.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::clear::Secrecy;
use super::compare::{Contents, refuse_damaged};
use super::durable::{self, Partial};
use super::{Copier, data_version, refuse_exclusive, refuse_shortage};
use crate::backend::retry::patiently;
use crate::backend::sqlite::copying::{Reading, copy};
use crate::backend::sqlite::fault;
use crate::fault::Fault;
use crate::snapshot::file_name::PARTIAL;

impl Copier<'_> {
    /// Copies the database of a connection into a new file, which appears only when it is complete, verified and on the disk. Returns the
    /// data version of the connection at the moment of the copy. In WAL mode other connections write meanwhile; otherwise they wait.
    pub(crate) fn take(&self, conn: &Connection, live: &Path, to: &Path) -> Result<i64, Fault> {
        refuse_exclusive(conn)?;
        refuse_shortage(folder_of(to), self.size(conn)?)?;
        let secrecy = self.secrecy_of_live(conn, live)?;
        self.copy_into(conn, conn, live, to, secrecy)
    }

    /// Does the work of `take`, with the connection that reads the database and the one of the application.
    pub(super) fn copy_into(
        &self,
        conn: &Connection,
        application: &Connection,
        live: &Path,
        to: &Path,
        secrecy: Secrecy,
    ) -> Result<i64, Fault> {
        let mut name = to.to_owned();
        name.as_mut_os_string().push(PARTIAL);
        if secrecy == Secrecy::Encrypted {
            self.refuse_clear_copy(name.clone(), live)?;
        }
        let partial = Partial::create(name, live).map_err(durable::fault)?;
        let version = {
            // The copy and the comparison are of one moment.
            let _reading = Reading::begin(conn, self.patience)?;
            self.fill(conn, partial.path())?;
            let copied = self.open_copy(partial.path())?;
            Contents::of(conn, self.table)?.refuse_different(&Contents::of(&copied, self.table)?)?;
            data_version(conn).map_err(fault)?
        };
        refuse_damaged(&self.open_copy(partial.path())?, partial.path(), application)?;
        if secrecy == Secrecy::Encrypted {
            self.refuse_clear(partial.path())?;
        }
        partial.finish(to).map_err(durable::fault)?;
        Ok(version)
    }

    fn fill(&self, conn: &Connection, path: &Path) -> Result<(), Fault> {
        let mut copied = self.open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // A partial copy is of no use, so it needs no journal, and it is synchronized when it is complete.
        let settings = "PRAGMA query_only = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF";
        copied.execute_batch(settings).map_err(fault)?;
        patiently(self.patience, || copy(conn, &mut copied, self.told))?;
        // The copy of a database in WAL mode is in that mode too, and could be read only with files beside it.
        copied.execute_batch("PRAGMA main.journal_mode = DELETE").map_err(fault)
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Deletes the partial copies that killed processes left. The caller holds the lock of the runs, so nobody is writing one.
pub(crate) fn delete_partial(folder: &Path, is_partial: impl Fn(&std::ffi::OsStr) -> bool) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let left: Vec<PathBuf> =
        entries.filter(|entry| is_partial(&entry.file_name())).map(|entry| entry.path()).collect();
    for path in left {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_is_in_the_folder_of_the_process() {
        assert_eq!(folder_of(Path::new("folder/app.db")), Path::new("folder"));
        assert_eq!(folder_of(Path::new("app.db")), Path::new("."));
        assert_eq!(folder_of(Path::new("/")), Path::new("."));
    }

    #[test]
    fn only_partial_copies_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let [partial, other] = ["a.partial", "a.db"].map(|name| folder.path().join(name));
        std::fs::write(&partial, "").unwrap();
        std::fs::write(&other, "").unwrap();
        delete_partial(folder.path(), |name| name.to_string_lossy().ends_with(".partial"));
        assert!(!partial.exists() && other.exists());
        delete_partial(&folder.path().join("missing"), |_| true);
    }
}
