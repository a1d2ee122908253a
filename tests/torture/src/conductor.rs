//! Starts the processes on a database, kills some, waits for the others, and lets the checker look at what is left.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rusqlite::Connection;

use crate::check::{Findings, check, settle};
use crate::job::{Job, Role, Sabotage, Snapshots};
use crate::log::{Facts, Log};
use crate::migrator::set_aside;

/// The rounds on one database.
const ROUNDS: usize = 12;

/// What was done so far.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) databases: AtomicUsize,
    pub(crate) started: AtomicUsize,
    pub(crate) killed: AtomicUsize,
    pub(crate) steps: AtomicUsize,
    pub(crate) rows: AtomicUsize,
    pub(crate) unfinished: AtomicUsize,
    pub(crate) set_aside: AtomicUsize,
    is_over: AtomicBool,
}

impl Totals {
    /// Ends all lives after their current round.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn add(&self, found: &Findings) {
        self.rows.fetch_add(found.rows, Ordering::Relaxed);
        self.unfinished.fetch_add(found.unfinished, Ordering::Relaxed);
    }
}

/// The life of one database, from its first process until it is checked for the last time.
pub(crate) struct Life {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) sabotage: Option<Sabotage>,
    /// How long a process that is not killed may take.
    pub(crate) patience: Duration,
}

/// What went wrong in a life.
pub(crate) struct Violations {
    pub(crate) life: String,
    pub(crate) number: u64,
    pub(crate) folder: PathBuf,
    pub(crate) what: Vec<String>,
}

impl Life {
    /// Runs until its rounds are over, or the time is.
    pub(crate) fn live(
        &self,
        folder: &Path,
        totals: &Totals,
    ) -> Result<Option<Violations>, Box<dyn std::error::Error>> {
        let mut random = Rng::with_seed(self.seed ^ self.number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let folder = folder.join(format!("life-{}", self.number));
        std::fs::create_dir_all(&folder)?;
        let mode = ["wal", "delete", "wal", "truncate", "wal", "persist"][random.usize(..6)];
        let (snapshots, is_unlocked) = [
            (Snapshots::Never, false),
            (Snapshots::Never, false),
            (Snapshots::Never, true),
            (Snapshots::Keep, false),
            (Snapshots::Restore, false),
        ][random.usize(..5)];
        let mut job = Job {
            role: Role::Migrate,
            database: folder.join("notes.db"),
            journal: mode.to_owned(),
            number: 0,
            seed: 0,
            snapshots,
            is_unlocked,
            sabotage: self.sabotage,
        };
        let life = format!(
            "journal {mode}, snapshots {snapshots:?}, {}",
            if is_unlocked { "no lock" } else { "lock file" }
        );
        Connection::open(&job.database)?.pragma_update(None, "journal_mode", mode)?;
        drop(Log::open(&job.log()));
        let mut facts = Facts::default();
        let mut what = Vec::new();
        for round in 0..ROUNDS {
            what = self.round(&mut job, &mut random, totals)?;
            if let Some(fault) = self.sabotage.and_then(Sabotage::statement) {
                // Before the first migration there is no table, so an error is ignored.
                let _ = job.connect()?.execute(fault, []);
            }
            let mut found = check(&job, &mut facts)?;
            totals.add(&found);
            what.append(&mut found.violations);
            if what.is_empty() && round + 1 == ROUNDS {
                job.number += 1;
                found = settle(&job, &mut facts)?;
                what.append(&mut found.violations);
            }
            if !what.is_empty() || totals.is_over() {
                break;
            }
        }
        totals.databases.fetch_add(1, Ordering::Relaxed);
        totals.steps.fetch_add(facts.steps.values().map(|count| count.done).sum(), Ordering::Relaxed);
        totals.set_aside.fetch_add(set_aside(&job.database).len(), Ordering::Relaxed);
        if what.is_empty() {
            std::fs::remove_dir_all(&folder)?;
            return Ok(None);
        }
        Ok(Some(Violations { life, number: self.number, folder, what }))
    }

    /// Starts some processes at once, and kills most of them at random moments.
    fn round(
        &self,
        job: &mut Job,
        random: &mut Rng,
        totals: &Totals,
    ) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let mut processes = Vec::new();
        for place in 0..random.usize(3..7) {
            job.number += 1;
            job.seed = random.u64(..);
            job.role = if place == 0 || random.u8(0..3) == 0 { Role::Write } else { Role::Migrate };
            let mut child = job.command()?;
            let child = child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
            totals.started.fetch_add(1, Ordering::Relaxed);
            let dies = (random.u8(0..10) < 7).then(|| Duration::from_micros(random.u64(1000..80_000)));
            processes.push(Process { child, number: job.number, began: Instant::now(), dies });
        }
        let mut violations = Vec::new();
        while !processes.is_empty() {
            for mut process in std::mem::take(&mut processes) {
                match process.look(self.patience, totals)? {
                    Fate::Runs => processes.push(process),
                    Fate::Ended => {}
                    Fate::Wrong(violation) => violations.push(violation),
                }
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(violations)
    }
}

/// A process, and when it is killed.
struct Process {
    child: Child,
    number: i64,
    began: Instant,
    dies: Option<Duration>,
}

/// What became of a process.
enum Fate {
    Runs,
    Ended,
    Wrong(String),
}

impl Process {
    /// Kills the process if its time has come.
    fn look(&mut self, patience: Duration, totals: &Totals) -> std::io::Result<Fate> {
        let age = self.began.elapsed();
        if let Some(status) = self.child.try_wait()? {
            if status.success() {
                return Ok(Fate::Ended);
            }
            let mut said = String::new();
            if let Some(mut errors) = self.child.stderr.take() {
                errors.read_to_string(&mut said)?;
            }
            return Ok(Fate::Wrong(format!("process {} ended with {status}: {said}", self.number)));
        }
        let is_doomed = self.dies.is_some_and(|moment| age >= moment);
        if !is_doomed && age < patience {
            return Ok(Fate::Runs);
        }
        self.child.kill()?;
        self.child.wait()?;
        if !is_doomed {
            return Ok(Fate::Wrong(format!("process {} hangs", self.number)));
        }
        totals.killed.fetch_add(1, Ordering::Relaxed);
        Ok(Fate::Ended)
    }
}
