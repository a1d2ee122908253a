//! [`Campaign`]: many trials, and the numbers of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::fault::Fault;
use crate::oracle::Oracle;
use crate::snapshots::{Act, SnapshotTrial};
use crate::trial::{Bench, Mode, Point, Synchronous, Trial};
use crate::workload::Workload;

/// Many trials.
pub struct Campaign {
    /// What is interrupted.
    pub workloads: Vec<Workload>,
    /// In which journal modes.
    pub modes: Vec<Mode>,
    /// By what.
    pub faults: Vec<Fault>,
    /// Whether SQLite syncs what it writes.
    pub synchronous: Synchronous,
    /// Each how many calls.
    pub stride: u64,
    /// How many trials run at the same time.
    pub threads: usize,
}

/// Snapshots and restores.
pub struct SnapshotCampaign {
    /// This program, which is started for each interruption.
    pub program: PathBuf,
    /// What is interrupted.
    pub acts: Vec<Act>,
    /// In which journal modes.
    pub modes: Vec<Mode>,
    /// By what.
    pub faults: Vec<Fault>,
    /// Each how many calls.
    pub stride: u64,
    /// How many trials run at the same time.
    pub threads: usize,
}

impl SnapshotCampaign {
    /// Interrupts everything.
    pub fn run(&self) -> Tally {
        let modes = |act: &Act| self.modes.iter().map(|mode| (*act, *mode)).collect::<Vec<_>>();
        let trials: Vec<(Act, Mode, Fault)> = self
            .acts
            .iter()
            .flat_map(modes)
            .flat_map(|(act, mode)| self.faults.iter().map(move |fault| (act, mode, *fault)))
            .collect();
        at_the_same_time(self.threads, &trials, |trials| {
            let mut tally = Tally::default();
            for &(act, mode, fault) in trials {
                let trial = SnapshotTrial::new(self.program.clone(), act, mode);
                let interrupt = |at| trial.interrupt(fault, at);
                tally.add(at_each_point(act.name(), mode, fault, self.stride, interrupt));
            }
            tally
        })
    }
}

/// A broken promise, and how to repeat it.
#[derive(Debug)]
pub struct Violation {
    /// `workload/mode/fault/k`, for `--only`.
    pub point: String,
    /// What is wrong.
    pub what: String,
}

/// What a campaign found.
#[derive(Debug, Default)]
pub struct Tally {
    points: BTreeMap<(String, Fault), [u64; Mode::ALL.len()]>,
    /// The broken promises.
    pub violations: Vec<Violation>,
}

impl Campaign {
    /// Interrupts everything.
    pub fn run(&self) -> Tally {
        let oracles: Vec<Oracle> = self.workloads.iter().map(Oracle::of).collect();
        let trials: Vec<(&Workload, &Oracle, Mode)> = self
            .workloads
            .iter()
            .zip(&oracles)
            .flat_map(|(workload, oracle)| self.modes.iter().map(move |mode| (workload, oracle, *mode)))
            .collect();
        at_the_same_time(self.threads, &trials, |trials| {
            let (bench, mut tally) = (Bench::new(), Tally::default());
            for &(workload, oracle, mode) in trials {
                let trial = Trial::new(&bench, workload, oracle, mode, self.synchronous);
                for fault in &self.faults {
                    let interrupt = |at| trial.interrupt(*fault, at);
                    tally.add(at_each_point(workload.name, mode, *fault, self.stride, interrupt));
                }
            }
            tally
        })
    }
}

/// Shares trials among threads, and adds up what they find.
fn at_the_same_time<T: Sync>(
    threads: usize,
    trials: &[T],
    work: impl Fn(&mut dyn Iterator<Item = &T>) -> Tally + Sync,
) -> Tally {
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let own = &mut std::iter::from_fn(|| trials.get(next.fetch_add(1, Ordering::Relaxed)));
                let found = work(own);
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(found);
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Interrupts a trial at all of its points.
fn at_each_point(
    workload: &str,
    mode: Mode,
    fault: Fault,
    stride: u64,
    interrupt: impl Fn(u64) -> Point,
) -> Tally {
    let mut tally = Tally::default();
    // Different faults and modes begin at different calls, so that a stride meets all kinds of calls.
    let first = 1 + (fault as u64 * 3 + mode as u64) % stride;
    for at in (first..).step_by(usize::try_from(stride).unwrap_or(1)) {
        match interrupt(at) {
            Point::NotReached => break,
            Point::Sound => {}
            Point::Violation(what) => {
                let point = format!("{workload}/{mode}/{fault}/{at}");
                tally.violations.push(Violation { point, what });
            }
        }
        tally.points.entry((workload.to_owned(), fault)).or_default()[mode as usize] += 1;
    }
    tally
}

impl Tally {
    /// The number of points.
    pub fn points(&self) -> u64 {
        self.points.values().flatten().sum()
    }

    /// Adds what another campaign found.
    pub fn add(&mut self, other: Self) {
        for (row, counts) in other.points {
            let own = self.points.entry(row).or_default();
            own.iter_mut().zip(counts).for_each(|(own, count)| *own += count);
        }
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, workload: &str, fault: &str, counts: [u64; 4]| {
            write!(f, "{workload:<18} {fault:<10}")?;
            counts.iter().try_for_each(|count| write!(f, " {count:>9}"))?;
            writeln!(f, " {:>9}", counts.iter().sum::<u64>())
        };
        write!(f, "{:<18} {:<10}", "workload", "fault")?;
        Mode::ALL.iter().try_for_each(|mode| write!(f, " {mode:>9}"))?;
        writeln!(f, " {:>9}", "points")?;
        let mut all = [0; Mode::ALL.len()];
        for ((workload, fault), counts) in &self.points {
            line(f, workload, &fault.to_string(), *counts)?;
            all.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
        }
        line(f, "all", "", all)?;
        for violation in &self.violations {
            writeln!(f, "\nVIOLATION {}\n    {}", violation.point, violation.what)?;
        }
        Ok(())
    }
}
