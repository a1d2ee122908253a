//! [`MigrationError`]: a sentence for people, and a kind for programs.

use std::fmt;

use crate::dialect::InvalidTableName;
use crate::fault::FaultKind;
use crate::id::MigrationId;
use crate::location::Location;
use crate::notice::Notice;
use crate::problem::{Problem, ProblemKind};
use crate::remedy::{Remedy, Render, Worded, for_programmers};
use crate::report::Report;

mod ahead;
mod amended;
mod display;
mod failure;
mod sentence;
mod step;
mod trial;

use crate::printable::{Printable, shortened};
pub(crate) use display::Abridged;
use failure::Inner;
pub use failure::MigrationError;
#[cfg(feature = "sqlite")]
pub(crate) use failure::SnapshotAct;
pub(crate) use failure::{Failure, HookKind};
pub(crate) use step::{Remains, StepFailure};

/// The bytes of the differences that an error shows.
const ENOUGH_DETAILS: usize = 1536;

/// A result of this crate.
pub type Result<T, E = MigrationError> = std::result::Result<T, E>;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A folder or a file of migrations is missing, unreadable or malformed.
    Source,
    /// The server of a remote folder cannot be reached or cannot answer at the moment. A retry may succeed; nothing was done.
    Unreachable,
    /// The migrations are not a valid set: duplicate ids, missing dependencies, cycles.
    Set,
    /// The name of the tracking table is invalid.
    TableName,
    /// An id that the set does not have.
    UnknownMigration,
    /// The plan has problems; [`problems`](MigrationError::problems) lists them all. Nothing was done.
    Refused,
    /// A recovery does not apply here. Nothing was done.
    Recovery,
    /// The history of another tool cannot be adopted as it is. Nothing was done.
    Adoption,
    /// The plan was made for another state of the database. Nothing was done.
    Stale,
    /// The connection is inside a transaction. Nothing was done.
    OpenTransaction,
    /// A migration failed.
    Step,
    /// A hook failed or vetoed, or the function of [`baseline_if`](crate::MigrationRunner::baseline_if) failed.
    Hook,
    /// The run was asked to stop before its next step, or was cancelled in one.
    Stopped,
    /// Another run holds the lock, and the lock timeout has passed.
    LockTimeout,
    /// The lock file, or the selected kind of lock, cannot be used.
    LockFile,
    /// A snapshot could not be taken, read or restored, or an unfinished run could not be settled. The database is unchanged, unless [`outcome`](MigrationError::outcome) says otherwise.
    Snapshot,
    /// The database could not be read, the tracking table could not be written, or a session statement failed.
    Database,
}

/// Refuses a script with a NUL byte, which the database would read only up to that byte.
pub(crate) fn refuse_nul(origin: &impl fmt::Display, is_inline: bool, text: &str) -> Result<()> {
    let Some(nul) = text.find('\0') else { return Ok(()) };
    let at = Location { line: None, is_inline, ..Location::in_text(&origin.to_string(), text, nul) };
    let what = "it holds a NUL byte, where SQL would end".to_owned();
    Err(Failure::Malformed { at, what, remedy: "remove it".into() }.into())
}

/// The finding about an id that is defined twice.
pub(crate) fn defined_twice(
    id: &MigrationId,
    first: impl fmt::Display,
    second: impl fmt::Display,
) -> Problem {
    let finding = format!("is defined twice, in {first} and in {second}");
    Problem::new(ProblemKind::Duplicate, id, finding, "rename one of them")
}

impl MigrationError {
    /// The kind of the error.
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
            Failure::Step(StepFailure { fault, .. })
            | Failure::Hook { fault, .. }
            | Failure::BaselineIf { fault, .. }
                if fault.details.is_cancel =>
            {
                ErrorKind::Stopped
            }
            Failure::Step(_) => ErrorKind::Step,
            Failure::Hook { .. } | Failure::BaselineIf { .. } => ErrorKind::Hook,
            Failure::Stopped(_) => ErrorKind::Stopped,
            Failure::LockTimeout { .. } => ErrorKind::LockTimeout,
            Failure::LockFile { .. } | Failure::NoSuchLock(_) => ErrorKind::LockFile,
            Failure::Snapshot { .. } => ErrorKind::Snapshot,
            Failure::Session { .. } | Failure::Database { .. } => ErrorKind::Database,
        }
    }

    /// The migration that the error is about, if it is about one.
    pub fn migration(&self) -> Option<&MigrationId> {
        match &self.0.failure {
            Failure::Step(step) => Some(&step.migration),
            Failure::Hook { migration, .. } | Failure::BaselineIf { id: migration, .. } => Some(migration),
            Failure::Unknown { id, .. } | Failure::ForeignPlan(id) => Some(id),
            Failure::Recovery { id, .. } => id.as_ref(),
            Failure::Set(problems) | Failure::Refused(problems, _) if problems.len() == 1 => {
                Some(&problems[0].migration)
            }
            _ => None,
        }
    }

    /// The file, line and column that the error is about.
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

    /// What happened, without the location, the reason and the remedy: "migration `1_a` failed". For several errors or findings it
    /// is their number; [`errors`](Self::errors), [`problems`](Self::problems) and `objections` return each.
    pub fn what(&self) -> String {
        self.sentence().what
    }

    /// Why it happened, if that is known and not part of [`what`](Self::what): the error of the database, or what is wrong at the
    /// [`location`](Self::location). It may have text from the database; [`Printable`](crate::Printable) makes it safe for a terminal, as the `Display` of the
    /// error is.
    pub fn reason(&self) -> Option<String> {
        self.sentence().reason
    }

    /// What remains of the failed operation, if that is known: "nothing of it was kept".
    pub fn outcome(&self) -> Option<String> {
        self.sentence().outcome
    }

    /// What to do about it. If there are several errors or findings, each has its own remedy.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner, Remedy};
    ///
    /// let conn = Connection::open_in_memory()?;
    /// let script = "CREATE TABLE a (b); INSERT INTO aa VALUES (1)";
    /// let runner = MigrationRunner::new([Migration::sql("1_a", script).outside_transaction()])?;
    /// let error = runner.run(&conn).unwrap_err();
    ///
    /// assert_eq!(error.what(), "migration `1_a` failed");
    /// assert_eq!(error.reason().unwrap(), "no such table: aa");
    /// assert!(error.outcome().unwrap().contains("marked dirty"));
    /// assert!(error.remedy().unwrap().singles().contains(&&Remedy::Retry));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remedy(&self) -> Option<Remedy> {
        self.sentence().remedy
    }

    /// The sentence, with the remedy in your words. The `Display` of this error words it for a programmer.
    ///
    /// ```
    /// use switchy_schema::{Migration, MigrationRunner, Remedy};
    ///
    /// fn for_users(remedy: &Remedy) -> String {
    ///     match remedy {
    ///         Remedy::PlanAgain => "press Start again".to_owned(),
    ///         other => other.to_string(),
    ///     }
    /// }
    ///
    /// # let conn = rusqlite::Connection::open_in_memory()?;
    /// let runner = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")])?;
    /// let plan = runner.plan(&conn, switchy_schema::Target::Latest)?;
    /// runner.run(&conn)?;
    /// let error = runner.apply(&conn, plan).unwrap_err();
    /// assert!(error.worded(&for_users).to_string().ends_with("; press Start again"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }

    /// The individual errors, if there are several: all files of a source are read, and each can fail.
    pub fn errors(&self) -> &[Self] {
        match &self.0.failure {
            Failure::Several(errors) => errors,
            _ => &[],
        }
    }

    /// The sentence without the remedy.
    pub(crate) fn finding(&self) -> String {
        self.0.failure.sentence().to_string()
    }

    /// The complete statement that failed.
    pub fn statement(&self) -> Option<&str> {
        match &self.0.failure {
            Failure::Step(step) => step.fault.details.statement.as_ref().map(|(_, text)| &**text),
            _ => None,
        }
    }

    /// All problems of the set, or of the plan if it was refused.
    pub fn problems(&self) -> &[Problem] {
        match &self.0.failure {
            Failure::Set(problems)
            | Failure::Refused(problems, _)
            | Failure::Step(StepFailure { problems, .. }) => problems,
            _ => &[],
        }
    }

    /// What the server said while the failed step ran; on PostgreSQL also about the statement that failed.
    pub fn notices(&self) -> &[Notice] {
        match &self.0.failure {
            Failure::Step(step) => &step.notices,
            _ => &[],
        }
    }

    /// The steps that were carried out and committed before the error.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Whether the database holds migrations that this program does not know: it was migrated by a newer version.
    pub fn is_database_ahead(&self) -> bool {
        self.problems().iter().any(|problem| problem.kind == ProblemKind::DatabaseAhead)
    }

    /// The program that applied the newest of these migrations, with its version, as
    /// [`MigrationRunner::program`](crate::MigrationRunner::program) gave it: what the user has to install.
    ///
    /// `None` if it is not recorded, or if the migration seems to be renamed or removed: this version of this program or an older one
    /// applied it.
    ///
    /// ```
    /// use rusqlite::Connection;
    /// use switchy_schema::{Migration, MigrationRunner};
    ///
    /// const USERS: Migration = Migration::sql("1_users", "CREATE TABLE users (name)");
    /// const TAGS: Migration = Migration::sql("2_tags", "CREATE TABLE tags (name)");
    /// let conn = Connection::open_in_memory()?;
    /// MigrationRunner::new([USERS, TAGS])?.program("notes 2.0").run(&conn)?;
    ///
    /// let error = MigrationRunner::new([USERS])?.program("notes 1.4").run(&conn).unwrap_err();
    /// assert_eq!(error.newer_program(), Some("notes 2.0"));
    /// assert!(error.to_string().ends_with("; open the database with notes 2.0 or a newer version"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn newer_program(&self) -> Option<&str> {
        let mut ahead = self.problems().iter().rev().filter(|it| it.kind == ProblemKind::DatabaseAhead);
        ahead.next()?.program.as_deref()
    }

    /// The kind of the database's fault, if the database failed.
    pub fn fault(&self) -> Option<FaultKind> {
        match &self.0.failure {
            Failure::Step(StepFailure { fault, .. })
            | Failure::BaselineIf { fault, .. }
            | Failure::Snapshot { fault, .. }
            | Failure::Session { fault, .. }
            | Failure::Database { fault, .. } => Some(fault.details.kind),
            _ => None,
        }
    }

    /// The error of the driver, the hook, the migration's code or the file system, for downcasting.
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
            | Failure::BaselineIf { fault, .. }
            | Failure::Snapshot { fault, .. }
            | Failure::Session { fault, .. }
            | Failure::Database { fault, .. } => fault.details.cause.as_deref(),
            Failure::Unreadable { cause, .. } | Failure::LockFile { cause, .. } => Some(cause),
            #[cfg(feature = "remote")]
            Failure::Remote { cause: Some(cause), .. } => Some(cause),
            _ => None,
        }
    }

    /// Combines errors into one; there must be at least one.
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
}

impl From<Failure> for MigrationError {
    #[inline(never)]
    fn from(failure: Failure) -> Self {
        Self(Box::new(Inner { failure, report: Report::default() }))
    }
}

impl From<InvalidTableName> for MigrationError {
    fn from(error: InvalidTableName) -> Self {
        Failure::from(error).into()
    }
}

/// The same as `{:#}`, because `main` and `unwrap` print this form.
impl fmt::Debug for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)?;
        let place = self.location().filter(|_| f.alternate());
        if let Some((at, position, excerpt)) = place.and_then(|at| Some((at, at.position?, at.excerpt()?))) {
            let number = position.line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs are kept, so that the caret is under its character.
            let before = excerpt.text.chars().take(excerpt.mark);
            let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
            let (at, text) = (shortened(&at.to_string()), excerpt.text);
            write!(f, "\n{margin}--> {at}\n{margin} |\n{number} | {text}\n{margin} | {indent}^")?;
        }
        let problems = if f.alternate() { self.problems() } else { &[] };
        let details =
            problems.iter().filter_map(|problem| Some((&problem.migration, problem.detail.as_deref()?)));
        let mut written = 0;
        for (migration, detail) in details {
            let detail = Printable(detail).abridged_lines();
            // The first one says enough.
            if written > 0 && written + detail.len() > ENOUGH_DETAILS {
                continue;
            }
            written += detail.len();
            write!(f, "\n`{migration}` as it was applied (-) and as it is (+):\n{detail}")?;
        }
        Ok(())
    }
}

impl std::error::Error for MigrationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().and_then(std::error::Error::source)
    }
}
