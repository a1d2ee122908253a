//! [`Trial`]: a workload in a journal mode, interrupted at one point after the other.

use std::ffi::CString;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchy_schema::rusqlite::{Connection, OpenFlags};
use switchy_schema::{Event, MigrationError, Report};

use crate::disk::Disk;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::oracle::Oracle;
use crate::vfs::{self, Default, Shared};
use crate::workload::{Program, Workload, applied, record_later};

/// The journal mode of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The journal is deleted at each commit.
    Delete,
    /// The journal is truncated.
    Truncate,
    /// The header of the journal is overwritten.
    Persist,
    /// The changes are in a write-ahead log.
    Wal,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 4] = [Self::Delete, Self::Truncate, Self::Persist, Self::Wal];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Persist => "persist",
            Self::Wal => "wal",
        })
    }
}

/// Whether SQLite syncs what it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// As it does by default.
    Full,
    /// It does not, so a power failure must do damage, which must be found.
    Off,
}

/// A computer of one thread, on which trials run one after the other.
pub struct Bench {
    machine: Shared<Disk>,
    vfs: CString,
}

/// A workload in a journal mode, ready to be interrupted.
pub struct Trial<'a> {
    bench: &'a Bench,
    workload: &'a Workload,
    mode: Mode,
    synchronous: Synchronous,
    oracle: &'a Oracle,
    /// The disk before the workload.
    before: Disk,
}

/// The result of one interruption.
#[derive(Debug)]
pub enum Point {
    /// The workload ended before the k-th call.
    NotReached,
    /// Everything is as it must be.
    Sound,
    /// A promise is broken.
    Violation(String),
}

impl Bench {
    /// Builds a computer.
    #[allow(clippy::new_without_default, reason = "it stays for the rest of the process")]
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("crashes-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let vfs = CString::new(name).unwrap_or_default();
        let machine = Arc::new(Mutex::new(Machine::new(Disk::default())));
        vfs::register(&vfs, Arc::clone(&machine), Default::No);
        Self { machine, vfs }
    }

    /// Runs `body` on the machine.
    fn on_machine<R>(&self, body: impl FnOnce(&mut Machine<Disk>) -> R) -> R {
        body(&mut self.machine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the database on the disk.
    fn open(&self, mode: Mode, synchronous: Synchronous) -> switchy_schema::rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let conn = Connection::open_with_flags_and_vfs("/app.db", flags, &*self.vfs)?;
        // Small pages and a cache of few pages make SQLite write in the middle of a transaction. Checkpoints are frequent.
        let synchronous = if synchronous == Synchronous::Full { "FULL" } else { "OFF" };
        conn.execute_batch(&format!(
            "PRAGMA page_size = 1024; PRAGMA cache_size = 12; PRAGMA journal_mode = {mode}; PRAGMA wal_autocheckpoint = 12;
            PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON",
        ))?;
        conn.busy_timeout(std::time::Duration::ZERO)?;
        Ok(conn)
    }
}

impl<'a> Trial<'a> {
    /// Prepares the database of a workload.
    ///
    /// # Panics
    /// If that fails, although nothing disturbs it.
    pub fn new(
        bench: &'a Bench,
        workload: &'a Workload,
        oracle: &'a Oracle,
        mode: Mode,
        synchronous: Synchronous,
    ) -> Self {
        bench.on_machine(|machine| machine.storage = Disk::default());
        let conn = bench.open(mode, Synchronous::Full).expect("a database");
        (workload.prepare)(&conn);
        drop(conn);
        let before = bench.on_machine(|machine| std::mem::take(&mut machine.storage)).settled();
        Self { bench, workload, mode, synchronous, oracle, before }
    }

    /// Interrupts the workload at the k-th call that the fault concerns, and looks at what is left.
    ///
    /// # Panics
    /// If the database cannot be opened before that.
    pub fn interrupt(&self, fault: Fault, at: u64) -> Point {
        self.bench.on_machine(|machine| machine.storage = self.before.clone());
        let conn = self.bench.open(self.mode, self.synchronous).expect("a database");
        let started = Arc::new(AtomicUsize::new(0));
        self.bench.on_machine(|machine| machine.arm(fault, at));
        let outcome = self.workload.act(&conn, &started);
        let found = if fault.is_death() {
            drop(conn);
            let has_fired = self.bench.on_machine(|machine| machine.has_fired());
            self.bench.on_machine(Machine::disarm);
            if !has_fired {
                return Point::NotReached;
            }
            let committed = started.load(Ordering::Relaxed).saturating_sub(1);
            self.after_death(fault, committed)
        } else {
            let has_fired = self.bench.on_machine(|machine| machine.has_fired());
            self.bench.on_machine(Machine::disarm);
            if !has_fired {
                return Point::NotReached;
            }
            self.after_error(conn, &outcome)
        };
        match found {
            Ok(()) => Point::Sound,
            Err(what) => {
                let outcome = match outcome {
                    Ok(_) => "the run reported success".to_owned(),
                    Err(error) => format!("the run reported: {error}"),
                };
                Point::Violation(format!("{what}\n    {outcome}"))
            }
        }
    }

    /// Another process finds the database.
    fn after_death(&self, fault: Fault, committed: usize) -> Result<(), String> {
        let conn = self.reopened()?;
        self.check(&conn)?;
        let history = self.history(&conn)?;
        let promises_durability = match fault {
            Fault::Kill | Fault::Tear => true,
            // With `DELETE`, a power failure may bring back the journal of the last transaction
            // (https://www.sqlite.org/pragma.html#pragma_synchronous, EXTRA).
            _ => self.mode != Mode::Delete && self.synchronous == Synchronous::Full,
        };
        let reached = self.oracle.steps_to(&applied(&history));
        if promises_durability && self.workload.counts_steps() && reached < committed {
            return Err(format!("{committed} steps were committed, and {reached} are there"));
        }
        self.finish(&conn)
    }

    /// The same process goes on with its connection.
    fn after_error(&self, conn: Connection, outcome: &Result<Report, MigrationError>) -> Result<(), String> {
        if !conn.is_autocommit() {
            return Err("a transaction was left open".to_owned());
        }
        for (pragma, expected) in
            [("foreign_keys", 1), ("legacy_alter_table", 0), ("ignore_check_constraints", 0)]
        {
            let found: i64 =
                conn.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| error.to_string())?;
            if found != expected {
                return Err(format!("`PRAGMA {pragma}` was left at {found}"));
            }
        }
        self.check(&conn)?;
        let history = self.history(&conn)?;
        match outcome {
            Ok(_) => self.oracle.check_end(&conn, &history)?,
            Err(error) => self.check_error(error, &applied(&history))?,
        }
        self.finish(&conn)?;
        drop(conn);
        self.check_end(&self.reopened()?)
    }

    /// The report of an error lists what was committed.
    fn check_error(&self, error: &MigrationError, applied: &[String]) -> Result<(), String> {
        let text = error.to_string();
        if text.contains("correct it") || text.contains("correct the script") {
            return Err(format!("the script is blamed for a fault of the system: {text}"));
        }
        let (listed, reached) = (error.report().applied.len(), self.oracle.steps_to(applied));
        // A step outside a transaction that is dirty is not in the report.
        if self.workload.counts_steps() && listed != reached && listed + 1 != reached {
            return Err(format!("the report lists {listed} steps, and {reached} were done"));
        }
        if self.workload.counts_steps() && listed != reached && text.contains("nothing of it was kept") {
            return Err(format!("a step is done, and the error denies it: {text}"));
        }
        Ok(())
    }

    fn reopened(&self) -> Result<Connection, String> {
        self.bench
            .open(self.mode, Synchronous::Full)
            .map_err(|error| format!("the database cannot be opened: {error}"))
    }

    fn history(&self, conn: &Connection) -> Result<switchy_schema::History, String> {
        self.workload
            .program
            .runner()
            .history(conn)
            .map_err(|error| format!("the history cannot be read: {error}"))
    }

    /// Whether the database is sound and has what its history says.
    fn check(&self, conn: &Connection) -> Result<(), String> {
        let sound: String = conn
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .map_err(|error| format!("the database cannot be read: {error}"))?;
        if sound != "ok" {
            return Err(format!("`PRAGMA integrity_check` says {sound}"));
        }
        self.oracle.check(self.workload, conn, &self.history(conn)?)?;
        // Between the statements of a rebuild outside a transaction a child may have no parent. The library has none.
        let orphans = conn
            .prepare("PRAGMA foreign_key_check")
            .and_then(|mut check| check.exists([]))
            .map_err(|error| format!("foreign keys cannot be checked: {error}"))?;
        if orphans { Err("rows reference missing rows".to_owned()) } else { Ok(()) }
    }

    /// Does the rest of the workload, and compares with the undisturbed run.
    fn finish(&self, conn: &Connection) -> Result<(), String> {
        let look = || {
            let history = self.history(conn).ok()?;
            let found =
                history.records().iter().find_map(|record| Some((&record.id, record.dirty.as_ref()?)));
            let (id, dirty) = found?;
            self.oracle.continues_at(conn, id.as_str(), dirty)
        };
        self.workload.finish(conn, &look)?;
        self.check_end(conn)
    }

    fn check_end(&self, conn: &Connection) -> Result<(), String> {
        self.check(conn)?;
        self.oracle.check_end(conn, &self.history(conn)?)
    }
}

impl Workload {
    /// Does it. `started` is the number of the step that began last.
    fn act(&self, conn: &Connection, started: &Arc<AtomicUsize>) -> Result<Report, MigrationError> {
        if self.program == Program::RecordsLater {
            let _ = record_later(conn);
            return Ok(Report::default());
        }
        let mut last = Report::default();
        for verb in self.verbs {
            let started = Arc::clone(started);
            let runner = self.program.runner().observe(move |event| {
                if let Event::Started { number, .. } = event {
                    started.store(*number, Ordering::Relaxed);
                }
            });
            last = verb.act(runner, conn)?;
        }
        Ok(last)
    }
}
