//! [`SnapshotTrial`]: snapshots and restores, interrupted in a process of their own on real files.
//!
//! The engine copies, syncs and renames the files of snapshots itself, so they must be real ones, and a process must really die for its
//! destructors not to run. The process registers its file system as that of every connection, also those that the engine opens. A power
//! failure is not tried here: the syncs of the engine's own files do not pass through SQLite's file system, so it is not known what would be
//! lost.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use switchy_schema::rusqlite::Connection;
use switchy_schema::{
    AfterFailure, Lock, MigrationRunner, Problem, ProblemKind, Recovery, Signature, Snapshot,
};

use crate::fault::Fault;
use crate::folder::Folder;
use crate::machine::Machine;
use crate::oracle::Oracle;
use crate::trial::{Mode, Point};
use crate::vfs::{self, Default};
use crate::workload::{Workload, applied};

/// What is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A run that keeps a snapshot. The next start restores it after a kill.
    Keep,
    /// Restoring the snapshot of such a run.
    Restore,
}

impl Act {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Keep, Self::Restore];

    /// The name in the table and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "snapshot",
            Self::Restore => "restore",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.name() == name)
    }
}

/// The faults that are tried.
pub const FAULTS: [Fault; 6] =
    [Fault::Kill, Fault::Tear, Fault::Io, Fault::Full, Fault::Busy, Fault::NoMemory];

/// The code with which the process ends if it ended before the k-th call.
const NOT_REACHED: i32 = 3;

/// A snapshot or a restore in a journal mode, ready to be interrupted.
pub struct SnapshotTrial {
    /// The program that interrupts itself: this one.
    program: PathBuf,
    act: Act,
    mode: Mode,
    /// A folder with the database as it is before.
    before: tempfile::TempDir,
    oracle: Oracle,
}

fn runner() -> MigrationRunner {
    crate::library::runner(None)
        .lock(Lock::Sidecar)
        .snapshot(Snapshot::Always.after_failure(AfterFailure::Restore))
}

fn open(folder: &Path, mode: Mode) -> switchy_schema::rusqlite::Result<Connection> {
    let conn = Connection::open(folder.join("app.db"))?;
    conn.execute_batch(&format!("PRAGMA page_size = 1024; PRAGMA journal_mode = {mode}"))?;
    conn.busy_timeout(std::time::Duration::ZERO)?;
    Ok(conn)
}

fn act(conn: &Connection, act: Act) -> switchy_schema::Result<()> {
    let runner = runner();
    match act {
        Act::Keep => runner.run(conn).map(drop),
        Act::Restore => {
            // The newest may be what an interrupted restore has set aside.
            let snapshots = runner.snapshots(conn)?;
            snapshots.last().map_or(Ok(()), |oldest| runner.restore(conn, oldest).map(drop))
        }
    }
}

/// The process that is interrupted: `--interrupt ACT MODE FAULT K FOLDER`.
///
/// # Errors
/// The arguments are wrong.
///
/// # Panics
/// If the database cannot be opened.
pub fn interrupt_this_process(arguments: &[String]) -> Result<i32, String> {
    let [name, mode, fault, at, folder] = arguments else { return Err("wrong arguments".to_owned()) };
    let mode = Mode::ALL.into_iter().find(|one| one.to_string() == *mode).ok_or("no such mode")?;
    let fault = Fault::ALL.into_iter().find(|one| one.to_string() == *fault).ok_or("no such fault")?;
    let at = at.parse().map_err(|_| "no such call")?;
    let machine = Arc::new(Mutex::new(Machine::new(Folder)));
    vfs::register(c"crashes", Arc::clone(&machine), Default::Yes);
    let conn = open(Path::new(folder), mode).expect("a database");
    machine.lock().unwrap_or_else(PoisonError::into_inner).arm(fault, at);
    let outcome = act(&conn, Act::of(name).ok_or("no such act")?);
    drop(conn);
    if !machine.lock().unwrap_or_else(PoisonError::into_inner).has_fired() {
        return Ok(NOT_REACHED);
    }
    match outcome {
        Ok(()) => println!("the run reported success"),
        Err(error) => println!("the run reported: {error}"),
    }
    Ok(0)
}

impl SnapshotTrial {
    /// Prepares the database.
    ///
    /// # Panics
    /// If that fails.
    pub fn new(program: PathBuf, act: Act, mode: Mode) -> Self {
        let workload = Workload::named("update");
        let before = folder();
        let conn = open(before.path(), mode).expect("a database");
        (workload.prepare)(&conn);
        if act == Act::Restore {
            runner().run(&conn).expect("all migrations");
        }
        drop(conn);
        Self { program, act, mode, before, oracle: Oracle::of(&workload) }
    }

    /// Interrupts it at the k-th call that the fault concerns, and looks at what is left.
    ///
    /// # Panics
    /// If the process cannot be started.
    pub fn interrupt(&self, fault: Fault, at: u64) -> Point {
        let folder = folder();
        for entry in std::fs::read_dir(self.before.path()).expect("a folder") {
            let from = entry.expect("a file").path();
            std::fs::copy(&from, folder.path().join(from.file_name().unwrap_or_default())).expect("a copy");
        }
        let ended = Command::new(&self.program)
            .args([
                "--interrupt",
                self.act.name(),
                &self.mode.to_string(),
                &fault.to_string(),
                &at.to_string(),
            ])
            .arg(folder.path())
            .stderr(Stdio::inherit())
            .output()
            .expect("this program");
        match ended.status.code() {
            Some(NOT_REACHED) => return Point::NotReached,
            Some(0) => {}
            None if matches!(fault, Fault::Kill | Fault::Tear) => {}
            code => return Point::Violation(format!("the process ended with {code:?}")),
        }
        match self.check(folder.path(), fault) {
            Ok(()) => Point::Sound,
            Err(what) => {
                Point::Violation(format!("{what}\n    {}", String::from_utf8_lossy(&ended.stdout).trim()))
            }
        }
    }

    fn check(&self, folder: &Path, fault: Fault) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let conn = open(folder, self.mode).map_err(|error| text(&error))?;
        let history = |conn: &Connection| runner().history(conn).map_err(|error| text(&error));
        self.oracle.check(&Workload::named("update"), &conn, &history(&conn)?)?;
        sound(&conn)?;
        let snapshots = runner().snapshots(&conn).map_err(|error| text(&error))?;
        for snapshot in snapshots {
            let copy = Connection::open(&snapshot.path).map_err(|error| text(&error))?;
            sound(&copy)?;
            self.oracle.check(&Workload::named("update"), &copy, &history(&copy)?)?;
        }
        let failed = |error: &dyn std::fmt::Display| format!("finishing failed: {error}");
        // A process that survives an error leaves the rest to its user.
        let history_now = history(&conn)?;
        let dirty = history_now.records().iter().find(|record| record.dirty.is_some());
        match (act(&conn, self.act), dirty) {
            (Err(error), Some(record)) if !fault.is_death() => {
                let is_dirty = |problem: &Problem| problem.kind == ProblemKind::Dirty;
                if !error.problems().iter().any(is_dirty) {
                    return Err(failed(&error));
                }
                let retry = Recovery::Retry(record.id.clone());
                runner().recover(&conn, retry, Signature::of("a person")).map_err(|error| failed(&error))?;
                act(&conn, self.act).map_err(|error| failed(&error))?;
            }
            (outcome, _) => outcome.map_err(|error| failed(&error))?,
        }
        sound(&conn)?;
        let end = history(&conn)?;
        match self.act {
            Act::Keep => self.oracle.check_end(&conn, &end),
            Act::Restore => {
                self.oracle.check(&Workload::named("update"), &conn, &end)?;
                let steps = self.oracle.steps_to(&applied(&end));
                if steps == 0 { Ok(()) } else { Err(format!("the restored database has {steps} steps")) }
            }
        }
    }
}

fn sound(conn: &Connection) -> Result<(), String> {
    let found: String = conn
        .pragma_query_value(None, "integrity_check", |row| row.get(0))
        .map_err(|error| error.to_string())?;
    if found == "ok" { Ok(()) } else { Err(format!("`PRAGMA integrity_check` says {found}")) }
}

/// A folder in memory where there is one, since thousands of databases are written.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}
