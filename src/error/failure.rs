//! [`Failure`]: every kind of failure and its details.

use std::path::PathBuf;
use std::time::Duration;

use super::step::{Remains, StepFailure};
use crate::dialect::{Dialect, InvalidTableName, TableName};
use crate::fault::Fault;
use crate::id::MigrationId;
use crate::location::Location;
use crate::problem::Problem;
use crate::remedy::Remedy;
use crate::report::Report;

/// Why an operation failed.
///
/// Its Display is one line: what is wrong, where, and what to do next. The alternate form `{:#}` adds the line of the script with a
/// caret under the position. The sentence contains the text of the database's own error, so [`source`](std::error::Error::source)
/// does not return that error again; [`cause`](Self::cause) returns it for downcasting.
///
/// # The failing line of a script
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{ErrorKind, Migration, MigrationRunner};
///
/// let script = "CREATE TABLE a (b);\nINSERT INTO aa VALUES (1);";
/// let runner = MigrationRunner::new([Migration::sql("1_a", script)])?;
/// let error = runner.run(&Connection::open_in_memory()?).unwrap_err();
///
/// assert_eq!(error.kind(), ErrorKind::Step);
/// assert_eq!(error.migration().unwrap(), &"1_a");
/// let position = error.location().unwrap().position.unwrap();
/// assert_eq!((position.line, position.column), (2, 1));
/// assert!(error.to_string().contains("no such table: aa"));
/// assert!(format!("{error:#}").contains("2 | INSERT INTO aa VALUES (1);"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MigrationError(pub(super) Box<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) failure: Failure,
    pub(super) report: Report,
}

/// The call that a hook belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Before,
    After,
}

/// What was being done with a snapshot.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite has snapshots"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SnapshotAct {
    Take,
    Restore,
    /// To read or write the file about an unfinished run.
    Note,
    /// To list the snapshots of a folder.
    List,
}

/// Every kind of failure and its details; [`Sentence`](super::sentence::Sentence) has the texts.
#[cfg_attr(
    not(any(feature = "directory", feature = "remote", feature = "build")),
    allow(dead_code, reason = "only files can be missing or malformed")
)]
#[derive(Debug)]
pub(crate) enum Failure {
    MissingRoot(PathBuf),
    Unreadable {
        path: PathBuf,
        cause: std::io::Error,
    },
    BuiltFor {
        built: Dialect,
        own: Dialect,
    },
    Malformed {
        at: Location,
        what: String,
        remedy: Remedy,
    },
    /// An error of a server. `can_pass` is whether a retry may succeed.
    #[cfg(feature = "remote")]
    Remote {
        at: Location,
        what: String,
        remedy: Remedy,
        can_pass: bool,
        cause: Option<std::io::Error>,
    },
    Several(Vec<MigrationError>),
    Set(Vec<Problem>),
    TableName(InvalidTableName),
    Unknown {
        id: MigrationId,
        nearest: Option<MigrationId>,
    },
    /// The findings, and how many steps were done before.
    Refused(Vec<Problem>, usize),
    Recovery {
        verb: &'static str,
        id: Option<MigrationId>,
        finding: String,
        remedy: Remedy,
    },
    #[cfg(feature = "adopt")]
    Adoption(Vec<crate::objection::Objection>),
    Stale(usize),
    ForeignPlan(MigrationId),
    OpenTransaction,
    Step(StepFailure),
    Hook {
        kind: HookKind,
        migration: MigrationId,
        remains: Remains,
        fault: Fault,
    },
    /// The function that recognises databases that are older than their migrations failed.
    BaselineIf {
        id: MigrationId,
        fault: Fault,
    },
    Stopped(usize),
    LockTimeout {
        lock: String,
        holder: String,
        waited: Duration,
    },
    NoSuchLock(Dialect),
    LockFile {
        path: PathBuf,
        cause: std::io::Error,
        remedy: Remedy,
    },
    /// A snapshot, or the file about an unfinished run.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite has snapshots"))]
    Snapshot {
        act: SnapshotAct,
        path: PathBuf,
        fault: Fault,
    },
    Session {
        sql: String,
        fault: Fault,
    },
    Database {
        doing: &'static str,
        /// The tracking table, if it is about that.
        table: Option<TableName>,
        /// How many steps were done before, if it ended a run.
        done: Option<usize>,
        fault: Fault,
    },
}

impl From<InvalidTableName> for Failure {
    fn from(error: InvalidTableName) -> Self {
        Self::TableName(error)
    }
}
