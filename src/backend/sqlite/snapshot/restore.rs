//! Copying a snapshot back into the live database.

use std::path::Path;
use std::time::Instant;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::super::query::{number, value};
use super::compare::{Contents, refuse_damaged, refuse_damaged_live};
use super::durable;
use super::take::folder_of;
use super::{Copier, Sqlite, data_version, refuse_exclusive, refuse_shortage};
use crate::backend::records::Records;
use crate::backend::retry::patiently;
use crate::backend::sqlite::copying::{Reading, finish, step, tell};
use crate::backend::sqlite::fault;
use crate::cancel;
use crate::fault::{Fault, FaultKind};

/// How a restore ended without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestoreOutcome {
    Done,
    /// Another connection has written to the database, so it was left as it is.
    Written,
}

/// Whether a restore may overwrite what other connections wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// Yes. It is set aside.
    Anything,
    /// Only if the data version of the application's connection is still this one.
    OnlyOwn(i64),
}

/// The files of a restore.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) live: &'a Path,
    pub(crate) snapshot: &'a Path,
    /// The file into which the present content is copied.
    pub(crate) set_aside: &'a Path,
}

impl Copier<'_> {
    /// Sets the present content of the database aside, and replaces it with that of a snapshot in one transaction. A connection of the
    /// engine's own does it, through SQLite, so that all other connections and the WAL stay valid. Exactly what is replaced is set aside:
    /// nobody can write in between.
    pub(crate) fn restore(
        &self,
        conn: &Connection,
        places: Places<'_>,
        overwrite: Overwrite,
    ) -> Result<RestoreOutcome, Fault> {
        refuse_exclusive(conn)?;
        refuse_unfinished_statement(conn)?;
        refuse_same_file(places)?;
        let source = self.open_copy(places.snapshot)?;
        refuse_damaged(&source, places.snapshot, conn)?;
        if self.size(&source)? == 0 {
            return Err(Fault::new(FaultKind::NotADatabase, "it is empty"));
        }
        let mut own = self.open(places.live, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // The second one reads the schema.
        let settings = "PRAGMA query_only = OFF; PRAGMA synchronous = FULL";
        patiently(self.patience, || own.execute_batch(settings).map_err(fault))?;
        let mode: String =
            patiently(self.patience, || value(&own, "PRAGMA main.journal_mode", &[]).map_err(fault))?;
        let (size, restored) = (self.size(conn)?, self.size(&source)?);
        // The journal has the old pages, or the WAL the new ones.
        let journal = size.max(restored);
        refuse_shortage(folder_of(places.set_aside), needed_aside(places, size, journal))?;
        refuse_shortage(folder_of(places.live), journal)?;
        let outcome = if mode.eq_ignore_ascii_case("wal") {
            refuse_other_page_size(&source, &own)?;
            self.through_wal(conn, &source, &mut own, places, overwrite)
        } else {
            self.through_journal(conn, &source, &mut own, places, overwrite)
        };
        if matches!(outcome, Ok(RestoreOutcome::Done)) {
            // It is done, so a cancel comes too late.
            let checked = cancel::shielded(|| patiently(self.patience, || refuse_damaged_live(&own)));
            checked.map_err(|fault| not_verified(&fault, places))?;
        }
        outcome
    }

    /// In WAL mode a backup takes the lock of writers when it begins, and everyone still reads. The data version of the application's
    /// connection then shows whether the content that was set aside is the last one.
    fn through_wal(
        &self,
        conn: &Connection,
        source: &Connection,
        own: &mut Connection,
        places: Places<'_>,
        overwrite: Overwrite,
    ) -> Result<RestoreOutcome, Fault> {
        let secrecy = self.secrecy_of_live(conn, places.live)?;
        let began = Instant::now();
        let _reading = Reading::begin(source, self.patience)?;
        loop {
            let version = self.copy_into(conn, conn, places.live, places.set_aside, secrecy)?;
            let set_aside = SetAside { path: places.set_aside, is_kept: false };
            if matches!(overwrite, Overwrite::OnlyOwn(known) if known != version) {
                return Ok(RestoreOutcome::Written);
            }
            {
                let backup = Backup::new(source, own).map_err(fault)?;
                patiently(self.patience, || step(&backup, 0).map(drop).map_err(fault))?;
                if data_version(conn).map_err(fault)? == version {
                    let pages = set_aside.keep_unless_undone(finish(&backup, self.told))?;
                    tell(self.told, pages);
                    break;
                }
            }
            if began.elapsed() >= self.patience {
                return Err(Fault::new(
                    FaultKind::Busy,
                    "other connections write to the database all the time",
                ));
            }
        }
        // Others may have written rows since, but under the lock of the runs no migration.
        let history = |mut conn: &Connection| Sqlite::head(&mut conn, self.table);
        let same = history(source).and_then(|expected| {
            if history(own)? == expected {
                Ok(())
            } else {
                Err(Fault::new(FaultKind::Other, "its migrations are not those of the snapshot"))
            }
        });
        same.map(|()| RestoreOutcome::Done).map_err(|fault| not_verified(&fault, places))
    }

    /// With a rollback journal, a connection in exclusive locking mode keeps its lock between transactions.
    fn through_journal(
        &self,
        conn: &Connection,
        source: &Connection,
        own: &mut Connection,
        places: Places<'_>,
        overwrite: Overwrite,
    ) -> Result<RestoreOutcome, Fault> {
        let secrecy = self.secrecy_of_live(conn, places.live)?;
        let before = match overwrite {
            Overwrite::Anything => None,
            Overwrite::OnlyOwn(known) => match self.version_at(conn, own, known)? {
                None => return Ok(RestoreOutcome::Written),
                version => version,
            },
        };
        // With `TRUNCATE` the commit is as safe as with `DELETE`, and exclusive locking does not change how the journal ends.
        let truncate = || value(own, "PRAGMA main.journal_mode = TRUNCATE", &[]).map_err(fault);
        let mode: String = patiently(self.patience, truncate)?;
        if !mode.eq_ignore_ascii_case("truncate") {
            let what = format!("the database has `journal_mode = {mode}` now");
            return Err(Fault::new(FaultKind::Other, what).remedy("restore again when nobody changes that"));
        }
        // Before it has the lock, the connection must release what an attempt took: a writer that is about to commit waits for that.
        patiently(self.patience, || own.execute_batch("BEGIN EXCLUSIVE").map_err(fault))?;
        own.execute_batch("PRAGMA main.locking_mode = EXCLUSIVE; COMMIT").map_err(fault)?;
        if before.is_some_and(|before| data_version(own).ok() != Some(before)) {
            return Ok(RestoreOutcome::Written);
        }
        let contents = Contents::of(source, self.table)?;
        self.copy_into(own, conn, places.live, places.set_aside, secrecy)?;
        let set_aside = SetAside { path: places.set_aside, is_kept: false };
        let _reading = Reading::begin(source, self.patience)?;
        let pages = {
            let backup = Backup::new(source, own).map_err(fault)?;
            set_aside.keep_unless_undone(finish(&backup, self.told))?
        };
        tell(self.told, pages);
        let compared =
            || Contents::of(own, self.table).and_then(|restored| contents.refuse_different(&restored));
        // It is done, so a cancel comes too late.
        cancel::shielded(compared).map_err(|fault| not_verified(&fault, places))?;
        // This releases the lock, and deletes the journal. Closing the connection would release it too.
        let _ = own.execute_batch(
            "PRAGMA main.locking_mode = NORMAL; SELECT count(*) FROM main.sqlite_master; PRAGMA main.journal_mode = DELETE",
        );
        Ok(RestoreOutcome::Done)
    }

    /// The data version of the engine's own connection at a moment at which that of the application's connection is known to be unchanged;
    /// `None` if it changed.
    fn version_at(&self, conn: &Connection, own: &Connection, known: i64) -> Result<Option<i64>, Fault> {
        // Nobody else can write until it ends.
        patiently(self.patience, || conn.execute_batch("BEGIN IMMEDIATE").map_err(fault))?;
        let versions = || -> rusqlite::Result<Option<i64>> {
            if data_version(conn)? != known {
                return Ok(None);
            }
            own.query_row("SELECT count(*) FROM main.sqlite_master", [], |_| Ok(()))?;
            data_version(own).map(Some)
        };
        let versions = versions().map_err(fault);
        conn.execute_batch("ROLLBACK").map_err(fault)?;
        versions
    }
}

/// A file that is deleted unless what it has was overwritten.
struct SetAside<'a> {
    path: &'a Path,
    is_kept: bool,
}

impl SetAside<'_> {
    /// Keeps it if the database was overwritten, or may have been.
    fn keep_unless_undone<R>(mut self, overwritten: Result<R, Fault>) -> Result<R, Fault> {
        self.is_kept = match &overwritten {
            Ok(_) => true,
            // A copy is cancelled before it is complete.
            Err(fault) => {
                !fault.details.is_cancel && !matches!(fault.kind(), FaultKind::Busy | FaultKind::Full)
            }
        };
        if self.is_kept {
            let kept = self.path.display();
            return overwritten.map_err(|fault| {
                let what = format!("{fault}; what the database contained is in {kept}");
                Fault::new(fault.kind(), what).remedy("check the disk and the database").partial()
            });
        }
        overwritten
    }
}

impl Drop for SetAside<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = durable::remove(self.path);
        }
    }
}

fn not_verified(found: &Fault, places: Places<'_>) -> Fault {
    let what = format!(
        "the database was restored, and it is not as it should be: {found}; what it contained before that is in {}",
        places.set_aside.display()
    );
    Fault::new(found.kind(), what).remedy("check the disk and the database").partial()
}

/// The bytes that are needed in the folder of what is set aside. In the folder of the database, they are there at the same time as what the
/// restore itself needs.
fn needed_aside(places: Places<'_>, size: u64, journal: u64) -> u64 {
    if folder_of(places.set_aside) == folder_of(places.live) { size.saturating_add(journal) } else { size }
}

/// In WAL mode a statement that is not finished holds its connection at an old moment. What others wrote since would be replaced without being
/// set aside.
pub(super) fn refuse_unfinished_statement(conn: &Connection) -> Result<(), Fault> {
    if !conn.is_busy() {
        return Ok(());
    }
    let what = "the connection has a statement that is not finished, so it may see an older content";
    Err(Fault::new(FaultKind::Other, what).remedy("read all of its rows or drop it, and restore again"))
}

/// A snapshot that is the database itself, under this or another name, would lock itself out.
fn refuse_same_file(places: Places<'_>) -> Result<(), Fault> {
    let real = |path: &Path| path.canonicalize().map_err(durable::fault);
    if real(places.live)? == real(places.snapshot)? || is_linked(places) {
        return Err(Fault::new(FaultKind::Other, "it is the database itself").remedy("name a snapshot of it"));
    }
    Ok(())
}

#[cfg(unix)]
fn is_linked(places: Places<'_>) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    file(places.live).is_some_and(|live| file(places.snapshot) == Some(live))
}

#[cfg(not(unix))]
fn is_linked(_: Places<'_>) -> bool {
    false
}

/// SQLite cannot change the page size of a database in WAL mode.
fn refuse_other_page_size(source: &Connection, own: &Connection) -> Result<(), Fault> {
    let size = |conn| number(conn, "page_size").map_err(fault);
    let (snapshot, live) = (size(source)?, size(own)?);
    if snapshot == live {
        return Ok(());
    }
    let what = format!(
        "its pages have {snapshot} bytes and those of the database {live}, which SQLite cannot change in WAL mode"
    );
    Err(Fault::new(FaultKind::Other, what)
        .remedy("close all other connections, set `PRAGMA journal_mode = DELETE`, and restore again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_aside_is_kept_if_the_database_may_have_been_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set-aside.db");
        let ends = |outcome: Result<(), Fault>| {
            std::fs::write(&path, "content").unwrap();
            let said = SetAside { path: &path, is_kept: false }.keep_unless_undone(outcome);
            (path.exists(), said.err().map(|fault| fault.to_string()).unwrap_or_default())
        };
        assert_eq!(ends(Ok(())), (true, String::new()));
        for undone in [
            Fault::cancelled(),
            Fault::new(FaultKind::Busy, "the database is locked"),
            Fault::new(FaultKind::Full, "the disk is full"),
        ] {
            let said = undone.to_string();
            assert_eq!(ends(Err(undone)), (false, said));
        }
        let (is_kept, said) = ends(Err(Fault::new(FaultKind::Other, "disk I/O error")));
        assert!(is_kept && said.starts_with("disk I/O error; what the database contained is in "), "{said}");
    }

    #[test]
    fn one_folder_needs_room_for_both() {
        let live = Path::new("data/live.db");
        for (set_aside, needed) in [("data/aside.db", 12), ("kept/aside.db", 10)] {
            let places = Places { live, snapshot: live, set_aside: Path::new(set_aside) };
            assert_eq!(needed_aside(places, 10, 2), needed, "{set_aside}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_snapshot_that_is_the_database_under_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [live, link, other] = ["live.db", "link.db", "other.db"].map(|name| folder.path().join(name));
        std::fs::write(&live, "").unwrap();
        std::fs::write(&other, "").unwrap();
        std::fs::hard_link(&live, &link).unwrap();
        let refused =
            |snapshot: &Path| refuse_same_file(Places { live: &live, snapshot, set_aside: &other }).is_err();
        assert!(refused(&live) && refused(&link));
        assert!(!refused(&other));
    }
}
