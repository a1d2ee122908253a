//! [`MigrationError`]: a sentence for a person, and a kind for a program.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::dialect::{Dialect, InvalidTableName, TableName};
use crate::fault::{Fault, FaultKind};
use crate::id::MigrationId;
use crate::location::Location;
use crate::problem::{Problem, ProblemKind};
use crate::report::Report;

mod display;
mod step;

pub(crate) use step::{Remains, StepFailure};

pub(crate) use display::{Abridged, Printable};
use display::{Advice, Done, Holder, Named, Nearest, Sentences};

/// A result of this crate.
pub type Result<T, E = MigrationError> = std::result::Result<T, E>;

/// Why something could not be done.
///
/// Its Display is one line: what is wrong, where, and what to do next; the alternate form `{:#}` adds the line of the
/// script with a caret under the place. The text of the database's own error is part of the sentence, so
/// [`source`](std::error::Error::source) does not give it again; [`cause`](Self::cause) does, for downcasting.
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
pub struct MigrationError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    failure: Failure,
    report: Report,
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A folder or a file of migrations is missing, unreadable or malformed.
    Source,
    /// The server of a remote folder cannot be reached, or cannot answer for now. It may pass; nothing was done.
    Unreachable,
    /// The migrations do not make a set: duplicate ids, missing dependencies, cycles.
    Set,
    /// The name given for the tracking table cannot be one.
    TableName,
    /// An id that the set does not have.
    UnknownMigration,
    /// The plan has problems; [`problems`](MigrationError::problems) lists them all. Nothing was done.
    Refused,
    /// A recovery makes no sense here. Nothing was done.
    Recovery,
    /// The history of another tool cannot be taken over as it is. Nothing was done.
    Adoption,
    /// The plan was made for another state of the database. Nothing was done.
    Stale,
    /// The connection is inside a transaction. Nothing was done.
    OpenTransaction,
    /// A migration failed.
    Step,
    /// A hook failed or vetoed.
    Hook,
    /// The run was told to end before its next step.
    Stopped,
    /// Another run holds the lock, and the time to wait for it is over.
    LockTimeout,
    /// The lock file, or the lock that was chosen, cannot be used.
    LockFile,
    /// The database could not be read, or the tracking table not be written, or a statement for the session failed.
    Database,
}

/// Which call a hook was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookKind {
    Before,
    After,
}

/// Every way to fail, with its sentence.
#[cfg_attr(
    not(any(feature = "directory", feature = "remote", feature = "build")),
    allow(dead_code, reason = "only files can be missing or malformed")
)]
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("there is no folder {}; check the path, or create it", .0.display())]
    MissingRoot(PathBuf),
    #[error("cannot read {}: {cause}; check that it exists and that this user may read it", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error(
        "the migrations were built for {built}, and this is {own}; build them for {own} (`build::Embed::database`)"
    )]
    BuiltFor { built: Dialect, own: Dialect },
    #[error("{at}: {what}; {remedy}")]
    Malformed { at: Location, what: String, remedy: &'static str },
    /// Of a server; whether it can pass is what a program wants to know of it.
    #[cfg(feature = "remote")]
    #[error("{at}: {what}; {remedy}")]
    Remote {
        at: Location,
        what: String,
        remedy: Cow<'static, str>,
        can_pass: bool,
        cause: Option<std::io::Error>,
    },
    #[error("{}", Sentences(.0))]
    Several(Vec<MigrationError>),
    #[error("{}", Sentences(.0))]
    Set(Vec<Problem>),
    #[error(transparent)]
    TableName(#[from] InvalidTableName),
    #[error(
        "there is no migration `{id}`{}; nothing was done, `list` names those there are",
        Nearest(nearest)
    )]
    Unknown { id: MigrationId, nearest: Option<MigrationId> },
    #[error("{}: {}", Done(*.1), Sentences(.0))]
    Refused(Vec<Problem>, usize),
    #[error("cannot {verb}{}: {finding}; nothing was done, {remedy}", Named(id))]
    Recovery { verb: &'static str, id: Option<MigrationId>, finding: String, remedy: Cow<'static, str> },
    #[cfg(feature = "adopt")]
    #[error("nothing was adopted: {}", Sentences(.0))]
    Adoption(Vec<crate::foreign::Objection>),
    #[error("the database changed since the plan was made; {}, make a new plan", Done(*.0))]
    Stale(usize),
    #[error(
        "the migrations of this runner are not those of the plan (`{0}`); nothing was done, make a new plan"
    )]
    ForeignPlan(MigrationId),
    #[error(
        "the connection is inside a transaction; commit it or roll it back first, each migration needs its own"
    )]
    OpenTransaction,
    #[error("{0}")]
    Step(StepFailure),
    #[error(
        "the `{}` hook of migration `{migration}` refused: {fault}; {}{}",
        hook(*kind), remains, Advice(fault)
    )]
    Hook { kind: HookKind, migration: MigrationId, remains: Remains, fault: Fault },
    #[error("the run was stopped; {}, run again to go on", Done(*.0))]
    Stopped(usize),
    #[error(
        "another run holds the lock {lock} {}; waited {waited:?}, start again when it has finished, \
         or wait longer with `lock_timeout`",
        Holder(holder)
    )]
    LockTimeout { lock: String, holder: String, waited: Duration },
    #[error("{0} has no row to be locked; use another lock than Lock::Row, the default for example")]
    NoSuchLock(Dialect),
    #[error(
        "cannot use the lock file {}: {cause}; make its folder writable, \
         or choose another place with `lock(Lock::File(path))`",
        path.display()
    )]
    LockFile { path: PathBuf, cause: std::io::Error },
    #[error("the session statement `{}` failed: {fault}; nothing was done{}", Abridged(sql), Advice(fault))]
    Session { sql: String, fault: Fault },
    #[error("cannot {doing} of `{table}`: {fault}{}", Advice(fault))]
    Database { doing: &'static str, table: TableName, fault: Fault },
}

fn hook(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Before => "before",
        HookKind::After => "after",
    }
}

/// Refuses a script that the database would read to its first NUL only.
pub(crate) fn refuse_nul(origin: &impl fmt::Display, is_inline: bool, text: &str) -> Result<()> {
    let Some(nul) = text.find('\0') else { return Ok(()) };
    let at = Location { line: None, is_inline, ..Location::in_text(&origin.to_string(), text, nul) };
    let what = "it holds a NUL byte, where SQL would end".to_owned();
    Err(Failure::Malformed { at, what, remedy: "remove it" }.into())
}

/// The finding about an id with two definitions.
pub(crate) fn defined_twice(
    id: &MigrationId,
    first: impl fmt::Display,
    second: impl fmt::Display,
) -> Problem {
    let finding = format!("is defined twice, in {first} and in {second}");
    Problem::new(ProblemKind::Duplicate, id, finding, "rename one of them")
}

impl MigrationError {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.failure {
            Failure::MissingRoot(_)
            | Failure::Unreadable { .. }
            | Failure::BuiltFor { .. }
            | Failure::Malformed { .. } => ErrorKind::Source,
            #[cfg(feature = "remote")]
            Failure::Remote { can_pass: true, .. } => ErrorKind::Unreachable,
            #[cfg(feature = "remote")]
            Failure::Remote { .. } => ErrorKind::Source,
            Failure::Several(errors) => errors.first().map_or(ErrorKind::Source, Self::kind),
            Failure::Set(_) => ErrorKind::Set,
            Failure::TableName(_) => ErrorKind::TableName,
            Failure::Unknown { .. } => ErrorKind::UnknownMigration,
            Failure::Refused(..) => ErrorKind::Refused,
            Failure::Recovery { .. } => ErrorKind::Recovery,
            #[cfg(feature = "adopt")]
            Failure::Adoption(_) => ErrorKind::Adoption,
            Failure::Stale(_) | Failure::ForeignPlan(_) => ErrorKind::Stale,
            Failure::OpenTransaction => ErrorKind::OpenTransaction,
            Failure::Step(_) => ErrorKind::Step,
            Failure::Hook { .. } => ErrorKind::Hook,
            Failure::Stopped(_) => ErrorKind::Stopped,
            Failure::LockTimeout { .. } => ErrorKind::LockTimeout,
            Failure::LockFile { .. } | Failure::NoSuchLock(_) => ErrorKind::LockFile,
            Failure::Session { .. } | Failure::Database { .. } => ErrorKind::Database,
        }
    }

    /// The migration it is about, if it is about one.
    pub fn migration(&self) -> Option<&MigrationId> {
        match &self.0.failure {
            Failure::Step(step) => Some(&step.migration),
            Failure::Hook { migration, .. } => Some(migration),
            Failure::Unknown { id, .. } | Failure::ForeignPlan(id) => Some(id),
            Failure::Recovery { id, .. } => id.as_ref(),
            Failure::Set(problems) | Failure::Refused(problems, _) if problems.len() == 1 => {
                Some(&problems[0].migration)
            }
            _ => None,
        }
    }

    /// The file, line and column it is about.
    pub fn location(&self) -> Option<&Location> {
        match &self.0.failure {
            Failure::Step(step) => Some(&step.at),
            Failure::Malformed { at, .. } => Some(at),
            #[cfg(feature = "remote")]
            Failure::Remote { at, .. } => Some(at),
            Failure::Several(errors) => errors.first().and_then(Self::location),
            Failure::Set(problems) | Failure::Refused(problems, _) if problems.len() == 1 => {
                problems[0].at.as_ref()
            }
            _ => None,
        }
    }

    /// The statement that failed, whole.
    pub fn statement(&self) -> Option<&str> {
        match &self.0.failure {
            Failure::Step(step) => step.fault.statement.as_ref().map(|(_, text)| &**text),
            _ => None,
        }
    }

    /// Everything that was wrong with the set, or with the plan if it was refused.
    pub fn problems(&self) -> &[Problem] {
        match &self.0.failure {
            Failure::Set(problems) | Failure::Refused(problems, _) => problems,
            _ => &[],
        }
    }

    /// What was done and committed before the error.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Whether the database holds migrations that this program does not know: it was migrated by a newer version.
    pub fn is_database_ahead(&self) -> bool {
        self.problems().iter().any(|problem| problem.kind == ProblemKind::DatabaseAhead)
    }

    /// What kind of fault the database had, if it was the database.
    pub fn fault(&self) -> Option<FaultKind> {
        match &self.0.failure {
            Failure::Step(StepFailure { fault, .. })
            | Failure::Session { fault, .. }
            | Failure::Database { fault, .. } => Some(fault.kind),
            _ => None,
        }
    }

    /// The error of the driver, the hook, the migration's own code or the file system, for downcasting.
    ///
    /// ```
    /// # use switchy_schema::{Migration, MigrationRunner};
    /// # let conn = rusqlite::Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([Migration::sql("1_a", "SELECT nothing")])?;
    /// let error = runner.run(&conn).unwrap_err();
    /// assert!(error.cause().unwrap().is::<rusqlite::Error>());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        match &self.0.failure {
            Failure::Step(StepFailure { fault, .. })
            | Failure::Hook { fault, .. }
            | Failure::Session { fault, .. }
            | Failure::Database { fault, .. } => fault.cause.as_deref(),
            Failure::Unreadable { cause, .. } | Failure::LockFile { cause, .. } => Some(cause),
            #[cfg(feature = "remote")]
            Failure::Remote { cause: Some(cause), .. } => Some(cause),
            _ => None,
        }
    }

    /// One error of several, of which there must be one.
    #[cfg(any(feature = "embedded", feature = "directory", feature = "remote", feature = "build"))]
    pub(crate) fn of_all(mut errors: Vec<Self>) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            _ => Failure::Several(errors).into(),
        }
    }

    #[cfg(any(feature = "validation", feature = "remote"))]
    pub(crate) fn into_failure(self) -> Failure {
        self.0.failure
    }

    pub(crate) fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// Says that what ran for the step ended its transaction.
    pub(crate) fn has_lost_transaction(mut self) -> Self {
        if let Failure::Step(StepFailure { remains, .. }) | Failure::Hook { remains, .. } =
            &mut self.0.failure
        {
            *remains = Remains::Perhaps;
        }
        self
    }

    /// Says that the record of the step could not be set back.
    pub(crate) fn stays_dirty(mut self) -> Self {
        if let Failure::Step(StepFailure { remains, .. }) | Failure::Hook { remains, .. } =
            &mut self.0.failure
        {
            *remains = Remains::Dirty;
        }
        self
    }

    /// Says that steps before it, which were one transaction with it, were undone too.
    pub(crate) fn undoing(mut self, before: Vec<MigrationId>) -> Self {
        if let Failure::Step(step) = &mut self.0.failure {
            step.undone_before = before;
        }
        self
    }

    /// Whether the record of the step is another run's by now.
    pub(crate) fn is_taken_over(&self) -> bool {
        matches!(self.failure(), Failure::Step(StepFailure { fault, .. }) if fault.is_taken_over)
    }

    /// Whether nothing is left of the step that failed.
    pub(crate) fn is_undone(&self) -> bool {
        match &self.0.failure {
            Failure::Step(StepFailure { remains, .. }) | Failure::Hook { remains, .. } => {
                matches!(remains, Remains::Nothing | Remains::Before)
            }
            _ => false,
        }
    }

    /// The error with what was done before it, in front of what it already carries.
    pub(crate) fn after(mut self, mut report: Report) -> Self {
        report.applied.append(&mut self.0.report.applied);
        match &mut self.0.failure {
            Failure::Step(step) => step.applied_before = report.applied.len(),
            Failure::Stale(done) | Failure::Refused(_, done) | Failure::Stopped(done) => {
                *done = report.applied.len();
            }
            _ => {}
        }
        self.0.report = report;
        self
    }
}

impl From<Failure> for MigrationError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(Inner { failure, report: Report::default() }))
    }
}

impl From<InvalidTableName> for MigrationError {
    fn from(error: InvalidTableName) -> Self {
        Failure::from(error).into()
    }
}

/// As `{:#}`: it is what `main` and `unwrap` print.
impl fmt::Debug for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.failure.fmt(f)?;
        if let (true, Some(at @ Location { position: Some(position), line: Some(line), .. })) =
            (f.alternate(), self.location())
        {
            let number = position.line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs stay tabs, so that the caret stands under its character.
            let indent: String =
                line.chars().take(position.column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
            write!(f, "\n{margin}--> {at}\n{margin} |\n{number} | {line}\n{margin} | {indent}^")?;
        }
        for problem in self.problems() {
            if let (true, Some(detail)) = (f.alternate(), &problem.detail) {
                write!(f, "\n`{}` as it was applied (-) and as it is (+):\n{detail}", problem.migration)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for MigrationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().and_then(std::error::Error::source)
    }
}
