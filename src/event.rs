//! [`Event`]: what a run reports to an observer.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::CopyObserver;
use crate::error::MigrationError;
use crate::notice::Notice;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::step::Step;

/// What a run reports to an observer: see [`MigrationRunner::observe`](crate::MigrationRunner::observe).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another run holds the lock. Reported at each attempt to take it.
    Waiting {
        /// The lock: a file, or the database's own lock.
        lock: &'a str,
        /// The holder of the lock, if the lock file or the database reports it; else empty.
        holder: &'a str,
    },
    /// A finding about the plan that the policy reports without refusing the plan.
    Warning {
        /// The finding.
        problem: &'a Problem,
    },
    /// The plan was approved, and its first step is about to begin. Reported under the lock, only if the plan has steps. If another program
    /// changes the database meanwhile, the run makes a new plan, and reports it if its steps differ.
    Planned {
        /// The plan.
        plan: &'a Plan,
        /// How long the steps took in the rehearsal, if [`apply_rehearsed`](crate::MigrationRunner::apply_rehearsed) carries out what was
        /// rehearsed: an estimate for the steps, to which a snapshot adds its own time. `None` otherwise.
        expected: Option<Duration>,
    },
    /// The engine copies a database: for a snapshot, for a restore or for a rehearsal. Reported every 1000 pages and at the end of the
    /// copy. A restore makes two copies, first of what it sets aside, and so does a rehearsal. A copy for which others must be waited
    /// for begins anew.
    Copying {
        /// The pages that are copied.
        done: u64,
        /// The pages of the database.
        of: u64,
    },
    /// A step begins.
    Started {
        /// The step.
        step: &'a Step,
        /// The number of the step, from 1.
        number: usize,
        /// The number of steps.
        of: usize,
    },
    /// A statement of the script of a step begins.
    Statement {
        /// The step.
        step: &'a Step,
        /// The number of the statement in the script, from 1. The first one of a step that continues has a greater number.
        number: u32,
        /// The number of statements; `None` if the backend does not know it.
        of: Option<u32>,
    },
    /// What the server said about a statement of a step. Sent when its script has ended, before the step is reported as finished or failed.
    Notice {
        /// The step.
        step: &'a Step,
        /// What it said.
        notice: &'a Notice,
    },
    /// A statement of a step has been waiting for a lock for some five seconds. Reported once for each session that is in its way, from
    /// another thread; only with [`MigrationRunner::watch_locks`](crate::MigrationRunner::watch_locks).
    Blocked {
        /// The step.
        step: &'a Step,
        /// What it waits for: "a lock on `accounts`".
        lock: &'a str,
        /// The session that holds the lock, what it does, and the statement that ends it; empty if the server does not tell.
        holder: &'a str,
    },
    /// Another session was in the way of a step, by a lock that it holds or by a deadlock. The transaction was rolled back, and is tried again
    /// after a pause: see [`MigrationRunner::lock_retries`](crate::MigrationRunner::lock_retries). Then [`Started`](Self::Started) is
    /// reported again.
    Retrying {
        /// The step.
        step: &'a Step,
        /// The number of the next attempt, from 2.
        attempt: u32,
        /// The most attempts: [`lock_retries`](crate::MigrationRunner::lock_retries) and one.
        of: u32,
        /// The pause before it.
        pause: Duration,
        /// Why the last attempt failed.
        error: &'a MigrationError,
    },
    /// A step is done. In a batch it is committed later, with all the others.
    Finished {
        /// The step.
        step: &'a Step,
        /// The run time of its script.
        duration: Duration,
    },
    /// A step failed.
    Failed {
        /// The step.
        step: &'a Step,
        /// The error.
        error: &'a MigrationError,
    },
}

/// A function that receives the events of a run.
pub(crate) type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

impl CopyObserver for Observer {
    fn copied(&self, done: u64, of: u64) {
        self(&Event::Copying { done, of });
    }
}
