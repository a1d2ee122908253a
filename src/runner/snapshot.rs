//! Snapshots of a database: keeping one before a run, listing and restoring them.

use std::path::Path;

use rusqlite::Connection;

use super::MigrationRunner;
use crate::backend::Sqlite;
use crate::backend::snapshot::{Copier, Overwrite};
use crate::error::{Result, SnapshotAct};
use crate::fault::{Fault, FaultKind};
use crate::snapshot::{Restored, Snapshot, SnapshotContent, SnapshotInfo, SnapshotSettings};

mod files;
mod keep;
mod keeping;
mod restoring;
mod settle;

use files::Files;
use keeping::Snapshots;
use restoring::{copier, restore};

impl MigrationRunner<Sqlite> {
    /// Keeps a complete copy of the database before the first step of a run, beside the database or in a folder.
    ///
    /// The copy is made with SQLite's backup API while the run has its lock, and the first step begins when the copy is on the disk and
    /// verified: SQLite's own check finds no damage, and it has the same history and in every table the same number of rows. Its
    /// file needs no other file. In WAL mode other connections write while it is made; otherwise they wait. What
    /// is too large for the disk is an error before anything is done. A start with nothing pending makes no copy and looks at no file.
    ///
    /// A copy has the main database only, not what is attached. A database in memory has no snapshot, which the report notes
    /// ([`ProblemKind::NoSnapshot`](crate::ProblemKind::NoSnapshot)). The copy of an encrypted database is encrypted: the function of
    /// [`prepare_connection`](Self::prepare_connection) must set its key.
    ///
    /// The [`report`](crate::Report) of a run and that of an error say where the snapshot is; [`snapshots`](Self::snapshots) lists all, and
    /// [`restore`](Self::restore) puts one back.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{AfterFailure, Migration, MigrationRunner, Snapshot};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("notes.db");
    ///
    /// let conn = Connection::open(&path)?;
    /// let first = Migration::sql("1_notes", "CREATE TABLE notes (text)");
    /// MigrationRunner::new([first.clone()])?.run(&conn)?;
    ///
    /// let second = Migration::sql("2_title", "ALTER TABLE notes ADD title");
    /// let third = Migration::sql("3_wrong", "UPDATE note SET title = text");
    /// let runner = MigrationRunner::new([first, second, third])?
    ///     .snapshot(Snapshot::Always.keep(1).after_failure(AfterFailure::Restore));
    ///
    /// let error = runner.run(&conn).unwrap_err();
    /// assert!(error.to_string().contains("the database was restored from"));
    /// assert!(error.report().applied.is_empty());
    /// assert_eq!(runner.pending(&conn)?, ["2_title", "3_wrong"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn snapshot(mut self, settings: impl Into<SnapshotSettings>) -> Self {
        let settings = settings.into();
        if settings.when == Snapshot::IfDestructive {
            self.forecaster = Some(Self::with_forecast);
        }
        self.snapshot_settings = Some(settings.clone());
        self.keeper = Some(Box::new(Snapshots { settings }));
        self
    }

    /// Returns the snapshots of a database, newest first, and the files that a restore set aside. It opens each of them, and changes nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Snapshot`](crate::ErrorKind::Snapshot) if the folder cannot be read. A file that cannot be read is no error:
    /// [`SnapshotInfo::content`] says why.
    pub fn snapshots(&self, conn: &Connection) -> Result<Vec<SnapshotInfo>> {
        let mut lent = conn;
        self.run_session_sql(&mut lent)?;
        let Some(files) = self.files(conn)? else { return Ok(Vec::new()) };
        let copier = self.copier();
        let mut all = Vec::new();
        for found in files.found()? {
            let content = copier.records(&found.path).map(|records| SnapshotContent {
                applied: records.len(),
                newest: records.last().map(|record| record.id.clone()),
            });
            all.push(SnapshotInfo {
                bytes: std::fs::metadata(&found.path).map_or(0, |file| file.len()),
                path: found.path,
                kind: found.kind,
                made_on: found.made_on,
                content: content.map_err(|fault| fault.to_string()),
            });
        }
        Ok(all)
    }

    /// Replaces the content of the database with that of a snapshot, or of any other SQLite database.
    ///
    /// It happens in one transaction and under the lock of the runs. Other connections, also of other programs, stay open and read the
    /// content from before or the one from after. The content from before is set aside first, in a file that the result names, and nobody
    /// can write between that copy and the restore. An unfinished run is thereby settled: the next run is a new one.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Snapshot};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("notes.db");
    ///
    /// let conn = Connection::open(&path)?;
    /// let first = Migration::sql("1_notes", "CREATE TABLE notes (text); INSERT INTO notes VALUES ('milk')");
    /// MigrationRunner::new([first.clone()])?.run(&conn)?;
    /// let second = Migration::sql("2_no_notes", "DROP TABLE notes");
    /// let runner = MigrationRunner::new([first, second])?.snapshot(Snapshot::Always);
    /// runner.run(&conn)?;
    ///
    /// let newest = runner.snapshots(&conn)?.remove(0);
    /// let restored = runner.restore(&conn, &newest)?;
    /// let text: String = conn.query_row("SELECT text FROM notes", [], |row| row.get(0))?;
    /// assert_eq!(text, "milk");
    /// assert!(restored.set_aside.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Snapshot`](crate::ErrorKind::Snapshot) if the file is not a sound database, if there is no room for the copy, if other
    /// connections hold the database for longer than [`lock_timeout`](Self::lock_timeout), if the connection has a statement that is not
    /// finished, or if its page size differs from that of a database in WAL mode. The database is then unchanged.
    /// [`ErrorKind::OpenTransaction`](crate::ErrorKind::OpenTransaction) inside a transaction. Any error of taking the lock.
    pub fn restore(&self, conn: &Connection, snapshot: impl AsRef<Path>) -> Result<Restored> {
        // The result names it for a time when the working directory may be another one.
        let snapshot = &std::path::absolute(&snapshot).unwrap_or_else(|_| snapshot.as_ref().to_owned());
        let mut lent = conn;
        self.refuse_open_transaction(&mut lent)?;
        self.run_session_sql(&mut lent)?;
        let failed = |fault| files::failed(SnapshotAct::Restore, snapshot, fault);
        let files = self.files(conn)?.ok_or_else(|| {
            failed(
                Fault::new(FaultKind::Other, "there is no database file to restore into")
                    .remedy("open the database file that it is for"),
            )
        })?;
        self.locked(&mut lent, |conn, _| {
            let restored =
                restore(&self.copier(), conn, &files, snapshot, Overwrite::Anything).map_err(failed)?;
            // The content is that of another time, so no run has to be continued.
            files.delete_intents()?;
            // Without a limit on what others wrote, it is always done.
            restored.ok_or_else(|| failed(Fault::new(FaultKind::Busy, "another connection writes")))
        })
    }

    fn files(&self, conn: &Connection) -> Result<Option<Files>> {
        let folder = self.snapshot_settings.as_ref().and_then(|settings| settings.folder.as_deref());
        Files::of(conn, self.table.as_str(), folder)
    }

    fn copier(&self) -> Copier<'_> {
        copier(&self.site())
    }
}
