//! [`Fault`]: what a database said, before it is known what it means for a migration.

use std::borrow::Cow;
use std::fmt;

use crate::remedy::Remedy;

/// Any error of a driver, a hook or a migration written in code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a [`Backend`](crate::Backend) returns when its database refuses.
///
/// Any driver's error becomes one with [`Fault::of`]; a backend that knows more says it with [`Fault::new`] and the
/// methods.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question that is answered by yes or no")]
pub struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) message: Cow<'static, str>,
    pub(crate) remedy: Option<Box<Remedy>>,
    pub(crate) offset: Option<usize>,
    pub(crate) statement: Option<(u32, String)>,
    pub(crate) cause: Option<BoxError>,
    pub(crate) has_lost_transaction: bool,
    pub(crate) is_partial: bool,
    /// Whether it is about a commit whose end nobody saw.
    pub(crate) is_in_doubt: bool,
    /// Whether the record of the step is another run's by now.
    pub(crate) is_taken_over: bool,
}

/// What the engine must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// Another connection holds what is needed; trying again may help.
    Busy,
    /// The database cannot be written.
    ReadOnly,
    /// The disk, or the database's own limit, is full.
    Full,
    /// It is not a database, or a damaged one.
    NotADatabase,
    /// Somebody interrupted the statement.
    Interrupted,
    /// A table of the tracking table's name exists and is something else.
    ForeignTable,
    /// Anything else.
    Other,
}

impl Fault {
    /// A fault in words: one line, lower case, no full stop.
    pub fn new(kind: FaultKind, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            remedy: None,
            offset: None,
            statement: None,
            cause: None,
            has_lost_transaction: false,
            is_partial: false,
            is_in_doubt: false,
            is_taken_over: false,
        }
    }

    /// The fault an error is, when nothing more is known of it.
    pub fn of(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        Self::new(FaultKind::Other, error.to_string()).caused_by(error)
    }

    /// What a person should do about it, instead of what follows from the kind. A text is a [`Remedy`] too.
    pub fn remedy(mut self, remedy: impl Into<Remedy>) -> Self {
        self.remedy = Some(Box::new(remedy.into()));
        self
    }

    /// Where in the script, as a byte offset.
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Which statement of the script, from 1, and its text.
    pub fn in_statement(mut self, number: u32, text: impl Into<String>) -> Self {
        self.statement = Some((number, text.into()));
        self
    }

    /// The driver's own error, to be found by [`MigrationError::cause`](crate::MigrationError::cause).
    pub fn caused_by(mut self, cause: impl Into<BoxError>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says that the engine's transaction was ended by what ran in it, so that this may have been committed.
    pub fn lost_transaction(mut self) -> Self {
        self.has_lost_transaction = true;
        self
    }

    /// Says that the failing statement left some of its work behind, though it failed (on SQLite: `OR FAIL`).
    pub fn partial(mut self) -> Self {
        self.is_partial = true;
        self
    }

    /// Says that the connection was lost while the transaction was committed.
    pub(crate) fn in_doubt(mut self) -> Self {
        self.is_in_doubt = true;
        self
    }

    /// The fault of a run whose step somebody else took over.
    pub(crate) fn taken_over() -> Self {
        let what =
            "its record is not as this run left it: somebody had it go on elsewhere, or changed the record";
        let fault = Self::new(FaultKind::Other, what).remedy("let the other run finish, then run again");
        Self { is_taken_over: true, ..fault }
    }

    /// The fault of a transaction of several steps, when it is not known which of them is to blame.
    pub(crate) fn of_all(mut self, steps: usize) -> Self {
        self.message = format!("after all {steps} steps of the batch: {}", self.message).into();
        self
    }

    /// What kind of fault it is.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// What to do about it, as whoever made the fault says.
    pub(crate) fn own_remedy(&self) -> Option<Remedy> {
        self.remedy.as_deref().cloned()
    }

    /// What to do about it, if only as follows from the kind.
    pub(crate) fn advice(&self) -> Option<Remedy> {
        self.own_remedy().or(match self.kind {
            FaultKind::Busy => Some("try again when the other connection has finished".into()),
            FaultKind::ReadOnly => {
                Some("make the file and its folder writable, or open it for writing".into())
            }
            FaultKind::Full => Some("make room on the disk and run again".into()),
            FaultKind::NotADatabase => Some("check the path, or restore the file from a backup".into()),
            FaultKind::Interrupted => Some("run again when it may take its time".into()),
            FaultKind::ForeignTable => Some(Remedy::ChooseTable),
            FaultKind::Other => None,
        })
    }
}

/// The message; the remedy is told by the error that wraps it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
