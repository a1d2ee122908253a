//! [`Fault`]: an error of the database, before its meaning for a migration is known.

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::printable::Escaped;
use crate::remedy::Remedy;

/// Any error of a driver, a hook or a migration written in code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The error that a [`Backend`](crate::Backend) returns when its database fails.
///
/// [`Fault::of`] converts any driver's error. A backend that knows more details passes them to [`Fault::new`] and the methods.
///
/// It is the size of one pointer, because every function that talks to a database returns it.
#[derive(Debug)]
pub struct Fault {
    pub(crate) details: Box<Details>,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "the flags are independent")]
pub(crate) struct Details {
    pub(crate) kind: FaultKind,
    pub(crate) message: Cow<'static, str>,
    pub(crate) remedy: Option<Box<Remedy>>,
    pub(crate) offset: Option<usize>,
    pub(crate) statement: Option<(u32, String)>,
    /// The first of the statements before the failed one that were undone with it.
    pub(crate) undone_from: Option<u32>,
    pub(crate) cause: Option<BoxError>,
    pub(crate) has_lost_transaction: bool,
    pub(crate) is_partial: bool,
    /// Whether it is about a commit with an unknown outcome.
    pub(crate) is_in_doubt: bool,
    /// Whether the record of the step now belongs to another run.
    pub(crate) is_taken_over: bool,
    /// Whether the tracking table no longer has the record of the step.
    pub(crate) is_unrecorded: bool,
    /// Whether its cause is that the run was cancelled.
    pub(crate) is_cancel: bool,
    /// Whether the statement could run in a transaction if what was done before it were committed.
    pub(crate) needs_commit: bool,
    /// Whether its transaction is rolled back and could be tried again.
    pub(crate) is_retryable: bool,
    /// What the engine was doing with its own tables, if a statement of its own failed and not one of a script.
    pub(crate) doing: Option<&'static str>,
}

/// The kinds of faults that the engine distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Another connection holds a lock that is needed; a retry may help.
    Busy,
    /// The database is read-only.
    ReadOnly,
    /// The disk is full, or the database has reached its own size limit.
    Full,
    /// The file is not a database, or is damaged.
    NotADatabase,
    /// The statement was interrupted.
    Interrupted,
    /// The connection to the server was lost, or the server has closed it.
    Disconnected,
    /// A table with the name of the tracking table exists and is not one.
    ForeignTable,
    /// Anything else.
    Other,
}

impl Fault {
    /// Creates a fault from a message: one line, lower case, no full stop.
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self::saying(kind, message.into())
    }

    #[inline(never)]
    fn saying(kind: FaultKind, message: Cow<'static, str>) -> Self {
        let details = Details {
            kind,
            message,
            remedy: None,
            offset: None,
            statement: None,
            undone_from: None,
            cause: None,
            has_lost_transaction: false,
            is_partial: false,
            is_in_doubt: false,
            is_taken_over: false,
            is_unrecorded: false,
            is_cancel: false,
            needs_commit: false,
            is_retryable: false,
            doing: None,
        };
        Self { details: Box::new(details) }
    }

    /// Creates a fault from an error without further details.
    pub fn of(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        Self::new(FaultKind::Other, error.to_string()).caused_by(error)
    }

    /// Sets what a person should do about it, instead of the default of its kind. A text is a [`Remedy`] too.
    pub fn remedy(mut self, remedy: impl Into<Remedy>) -> Self {
        self.details.remedy = Some(Box::new(remedy.into()));
        self
    }

    /// Sets the position in the script, as a byte offset.
    pub fn at(mut self, offset: usize) -> Self {
        self.details.offset = Some(offset);
        self
    }

    /// Sets the number of the failed statement in the script, from 1, and its text.
    pub fn in_statement(mut self, number: u32, text: impl Into<String>) -> Self {
        self.details.statement = Some((number, text.into()));
        self
    }

    /// Records that the statements from this one on share a transaction with the failed one and were undone with it.
    #[allow(dead_code, reason = "not every database has such groups")]
    pub(crate) fn undoing_from(mut self, number: u32) -> Self {
        self.details.undone_from = Some(number);
        self
    }

    /// Sets the driver's own error, which [`MigrationError::cause`](crate::MigrationError::cause) returns.
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.details.cause = Some(cause.into());
        self
    }

    /// Records that the code in the engine's transaction ended it, so that its changes may have been committed.
    pub fn lost_transaction(mut self) -> Self {
        self.details.has_lost_transaction = true;
        self
    }

    /// Records that the failing statement left some of its work behind, although it failed (on SQLite: `OR FAIL`).
    pub fn partial(mut self) -> Self {
        self.details.is_partial = true;
        self
    }

    /// Records that the commit failed, and that it is not known whether it was done: the connection was lost, or the disk failed.
    pub fn in_doubt(mut self) -> Self {
        self.details.is_in_doubt = true;
        self
    }

    /// Records that the transaction may succeed if it is rolled back and done again: it waited too long for a lock, or was chosen to end a
    /// deadlock. The engine then tries it again; see [`MigrationRunner::lock_retries`](crate::MigrationRunner::lock_retries).
    pub fn retryable(mut self) -> Self {
        self.details.is_retryable = true;
        self
    }

    /// Records that it is a statement of the engine that failed, and what the statement was for: "write the records".
    pub(crate) fn while_trying_to(mut self, doing: &'static str) -> Self {
        self.details.doing.get_or_insert(doing);
        self
    }

    /// Records that the statement only needs what was done before it to be committed.
    #[allow(dead_code, reason = "not every database has such statements")]
    pub(crate) fn needing_commit(mut self) -> Self {
        self.details.needs_commit = true;
        self
    }

    /// Sets the message anew.
    #[allow(dead_code, reason = "not every database has something to add")]
    pub(crate) fn reworded(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.details.message = message.into();
        self
    }

    /// The fault of a run whose step another run or person took over.
    pub(crate) fn taken_over() -> Self {
        let what =
            "its record changed during this run: another run continued it, or a person changed the record";
        let mut fault = Self::new(FaultKind::Other, what).remedy("let the other run finish, then run again");
        fault.details.is_taken_over = true;
        fault
    }

    /// Records that the tracking table no longer has the record of the step.
    pub(crate) fn unrecorded(mut self) -> Self {
        self.details.is_unrecorded = true;
        self
    }

    /// The fault of a run that was cancelled.
    pub(crate) fn cancelled() -> Self {
        Self::new(FaultKind::Interrupted, "the run was cancelled").by_cancel()
    }

    /// Records that the cause is that the run was cancelled.
    pub(crate) fn by_cancel(mut self) -> Self {
        self.details.is_cancel = true;
        self
    }

    /// The fault of a transaction of several steps, if it is unknown which of them caused it.
    pub(crate) fn of_all(mut self, steps: usize) -> Self {
        self.details.message =
            format!("after all {steps} steps of the batch: {}", self.details.message).into();
        self
    }

    /// The kind of the fault.
    pub fn kind(&self) -> FaultKind {
        self.details.kind
    }

    /// The remedy that was set for this fault.
    pub(crate) fn own_remedy(&self) -> Option<Remedy> {
        self.details.remedy.as_deref().cloned()
    }

    /// What to do about it, at least by its kind.
    pub(crate) fn advice(&self) -> Option<Remedy> {
        self.own_remedy().or(match self.details.kind {
            FaultKind::Busy => Some("try again when the other connection has finished".into()),
            FaultKind::ReadOnly => {
                Some("make the file and its folder writable, or open it for writing".into())
            }
            FaultKind::Full => Some("make room on the disk and run again".into()),
            FaultKind::NotADatabase => Some("check the path, or restore the file from a backup".into()),
            FaultKind::Interrupted => Some("run again when it may take its time".into()),
            FaultKind::Disconnected => Some("run again when the server can be reached".into()),
            FaultKind::ForeignTable => Some(Remedy::ChooseTable),
            FaultKind::Other => None,
        })
    }
}

/// The message; the error that wraps the fault has the remedy.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        f.write_str(&self.details.message)
    }
}
