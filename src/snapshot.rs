//! [`Snapshot`]: copies of a database from before a run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::id::MigrationId;

pub(crate) mod file_name;
pub(crate) mod intent;

/// When a run keeps a snapshot: a complete, verified copy of the database from the moment before its first step.
///
/// A run keeps at most one snapshot, and none if nothing is pending or the database has no tables.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{AfterFailure, Migration, MigrationRunner, Snapshot};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("notes.db");
///
/// let conn = Connection::open(&path)?;
/// let first = Migration::sql("1_notes", "CREATE TABLE notes (text); INSERT INTO notes VALUES ('milk')");
/// MigrationRunner::new([first.clone()])?.run(&conn)?;
///
/// let second = Migration::sql("2_no_notes", "DROP TABLE notes");
/// let runner = MigrationRunner::new([first, second])?
///     .snapshot(Snapshot::IfDestructive.keep(3).after_failure(AfterFailure::Restore));
/// let report = runner.run(&conn)?;
///
/// let snapshot = Connection::open(report.snapshot.unwrap())?;
/// let text: String = snapshot.query_row("SELECT text FROM notes", [], |row| row.get(0))?;
/// assert_eq!(text, "milk");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Snapshot {
    /// Never.
    #[default]
    Never,
    /// Before a run with a step that drops or deletes something, as far as a trial on a copy of the schema shows. A step that undoes
    /// a migration counts, and so does code, whose effects are unknown.
    IfDestructive,
    /// Before every run with a step.
    Always,
    /// Before every run with a step, if the database has fewer bytes than this.
    IfSmallerThan(u64),
}

impl Snapshot {
    /// Sets how many snapshots of the database are kept after a run that succeeded, the newest ones: see [`SnapshotSettings::keep`].
    pub fn keep(self, count: usize) -> SnapshotSettings {
        SnapshotSettings::from(self).keep(count)
    }

    /// Sets the folder of the snapshots: see [`SnapshotSettings::in_folder`].
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> SnapshotSettings {
        SnapshotSettings::from(self).in_folder(folder)
    }

    /// Sets what happens after a run that failed: see [`SnapshotSettings::after_failure`].
    pub fn after_failure(self, after_failure: AfterFailure) -> SnapshotSettings {
        SnapshotSettings::from(self).after_failure(after_failure)
    }
}

/// What happens to the database after a run that failed, was stopped, or was killed between two commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AfterFailure {
    /// It keeps what the run committed. The next run continues, and the snapshot of the first one stays the snapshot of both.
    #[default]
    Keep,
    /// It gets the content of the snapshot back, so it has the content from before the run or the content after all of it. What it
    /// contained, also what hooks wrote, is first set aside as a second file. After a failure this happens at once, but only if no other connection has written
    /// to the database since the snapshot and no step changed the journal mode; otherwise the database stays as it is, and the error says so. After a kill it happens at the
    /// next start with something pending, also if other connections have written since: their rows are then only in the file that is set
    /// aside. With [`Lock::Off`](crate::Lock::Off) the next start does not restore, because it cannot know whether the run is still in
    /// progress; nor if a person has corrected the records or the schema since ([`recover`](crate::MigrationRunner::recover),
    /// [`repair_drift`](crate::MigrationRunner::repair_drift)).
    Restore,
}

/// When a run keeps a snapshot, where, and what happens with it. A [`Snapshot`] converts into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotSettings {
    /// When a run keeps a snapshot.
    pub when: Snapshot,
    /// How many snapshots are kept after a run that succeeded.
    pub keep: usize,
    /// The folder of the snapshots; `None` if they are beside the database.
    pub folder: Option<PathBuf>,
    /// What happens after a run that failed.
    pub after_failure: AfterFailure,
}

impl SnapshotSettings {
    /// Sets how many snapshots of the database are kept after a run that succeeded, the newest ones. The default is 3. With 0, the snapshot of
    /// a run is deleted when the run has succeeded. Files that `restore` set aside are never deleted. A file that was set aside when a failed
    /// run was undone is deleted when the next snapshot replaces that of the failed run.
    pub fn keep(self, count: usize) -> Self {
        Self { keep: count, ..self }
    }

    /// Sets the folder of the snapshots, which must exist. By default they are beside the database. Several databases can have the same
    /// folder.
    pub fn in_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..self }
    }

    /// Sets what happens after a run that failed. The default is [`AfterFailure::Keep`].
    pub fn after_failure(self, after_failure: AfterFailure) -> Self {
        Self { after_failure, ..self }
    }
}

impl From<Snapshot> for SnapshotSettings {
    fn from(when: Snapshot) -> Self {
        Self { when, keep: 3, folder: None, after_failure: AfterFailure::default() }
    }
}

/// Whether a run of the plan keeps a snapshot, and where. Its `Display` is a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlannedSnapshot {
    /// A snapshot.
    Kept {
        /// The folder of the snapshot.
        folder: PathBuf,
        /// The size of the database in bytes.
        bytes: u64,
    },
    /// Nothing, and why: "none of the steps removes anything".
    NotKept {
        /// The reason.
        why: String,
    },
}

impl fmt::Display for PlannedSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept { folder, bytes } => {
                let folder = folder.display();
                write!(
                    f,
                    "a snapshot of the database ({}) is kept in {folder} before the first step",
                    Bytes(*bytes)
                )
            }
            Self::NotKept { why } => write!(f, "no snapshot is kept, since {why}"),
        }
    }
}

/// A file that a run or a restore kept: see [`MigrationRunner::snapshots`](crate::MigrationRunner).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotInfo {
    /// The path of the file.
    pub path: PathBuf,
    /// What it is a copy of.
    pub kind: SnapshotKind,
    /// When it was made: UTC, as in `2026-11-22T19:09:07.132`.
    pub made_on: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is in it, or why it cannot be read.
    pub content: Result<SnapshotContent, String>,
}

impl AsRef<Path> for SnapshotInfo {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// What a file is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnapshotKind {
    /// The database before the first step of a run.
    BeforeRun,
    /// The content of the database that a restore replaced.
    BeforeRestore,
}

/// What is in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SnapshotContent {
    /// The number of migrations that are applied in it.
    pub applied: usize,
    /// The migration that was applied last.
    pub newest: Option<MigrationId>,
}

/// A restore that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The snapshot whose content the database has now.
    pub snapshot: PathBuf,
    /// The file with the content that the database had before.
    pub set_aside: PathBuf,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (snapshot, set_aside) = (self.snapshot.display(), self.set_aside.display());
        write!(
            f,
            "the database was restored from {snapshot}, and what it contained before that is in {set_aside}"
        )
    }
}

/// A number of bytes in words: `12 bytes`, `214.3 MB`.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    #[allow(clippy::cast_precision_loss, reason = "one decimal is shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as f64;
        match self.0 {
            0..1_000 => write!(f, "{} bytes", self.0),
            1_000..1_000_000 => write!(f, "{:.1} kB", bytes / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{:.1} MB", bytes / 1e6),
            _ => write!(f, "{:.1} GB", bytes / 1e9),
        }
    }
}
