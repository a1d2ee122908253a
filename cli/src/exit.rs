//! [`Exit`]: the exit codes.

use std::process::ExitCode;

use switchy_schema::{ErrorKind, FaultKind, MigrationError, Problem, ProblemKind, Verdict};

/// The exit code of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// The command succeeded, or there was nothing to do.
    Done = 0,
    /// The command failed, or a step of the plan is certain to fail.
    Failed = 1,
    /// The command line or the configuration cannot be understood.
    Usage = 2,
    /// Something is pending (`status --exit-code`), or the database does not exist (`database exists`).
    Pending = 3,
    /// A policy refuses the command, or an applied migration differs from the set.
    Refused = 4,
    /// The database has migrations that the set does not have.
    DatabaseAhead = 5,
    /// The lock of the runs, a lock that a migration needs, or with `--wait` the database was not available in time; or a SQLite database
    /// that is to be dropped is in use.
    Locked = 6,
    /// A step began and did not finish.
    Dirty = 7,
}

impl Exit {
    /// The exit code for problems: the highest code of those with the verdict `Deny`.
    pub(crate) fn of_problems<'p>(problems: impl IntoIterator<Item = &'p Problem>) -> Self {
        let denied = problems.into_iter().filter(|problem| problem.verdict == Verdict::Deny);
        let exits = denied.map(|problem| match problem.kind {
            ProblemKind::Dirty => Self::Dirty,
            ProblemKind::DatabaseAhead => Self::DatabaseAhead,
            // A run that makes no trial ends at this step.
            ProblemKind::Fails | ProblemKind::BrokenReference => Self::Failed,
            _ => Self::Refused,
        });
        exits.max().unwrap_or(Self::Done)
    }

    /// The exit code for an error.
    pub(crate) fn of(error: &MigrationError) -> Self {
        match (error.kind(), error.fault()) {
            (ErrorKind::Refused, _) => Self::of_problems(error.problems()),
            (ErrorKind::Adoption, _) => Self::Refused,
            (ErrorKind::TableName, _) => Self::Usage,
            (ErrorKind::LockTimeout, _) | (_, Some(FaultKind::Busy)) => Self::Locked,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
