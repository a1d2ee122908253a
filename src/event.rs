//! [`Event`]: what an observer is told while a run goes on.

use std::time::Duration;

use crate::error::MigrationError;
use crate::problem::Problem;
use crate::step::Step;

/// What an observer is told while a run goes on: see [`MigrationRunner::observe`](crate::MigrationRunner::observe).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Another run holds the lock. Told again at every look.
    Waiting {
        /// The lock: a file, or one of the database's own.
        lock: &'a str,
        /// Who holds it, as far as the file says; empty if it does not.
        holder: &'a str,
    },
    /// The plan has a finding that the policy reports and does not refuse.
    Warning {
        /// What was found.
        problem: &'a Problem,
    },
    /// A step begins.
    Started {
        /// Which step.
        step: &'a Step,
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
    },
    /// A step is done. In a batch it is committed later, with all the others.
    Finished {
        /// Which step.
        step: &'a Step,
        /// How long its script took.
        duration: Duration,
    },
    /// A step failed.
    Failed {
        /// Which step.
        step: &'a Step,
        /// Why.
        error: &'a MigrationError,
    },
}

/// Somebody who is told.
pub(crate) type Observer = Box<dyn Fn(&Event<'_>) + Send + Sync>;
