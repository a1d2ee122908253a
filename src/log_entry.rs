//! [`LogEntry`]: changes to the records of a database, other than applying migrations.

use std::fmt::{self, Write};

use crate::checksum::Checksum;
use crate::id::MigrationId;
use crate::printable::Escaped;

/// One entry in the log of a database: a migration was rolled back, or a person corrected its record.
///
/// The log is a separate table, so an entry in it never means that a migration is applied now. A database where neither has
/// happened has no such table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogEntry {
    /// The id of the migration.
    pub id: MigrationId,
    /// What was done.
    pub kind: LogEntryKind,
    /// When, in UTC, in the format of the database (SQLite: `2026-11-22T19:09:07.132`). Empty until the database sets it.
    pub logged_on: String,
    /// When the migration had been applied, if it was.
    pub applied_on: Option<String>,
    /// The checksum that its record had, if it had one.
    pub checksum: Option<Checksum>,
    /// The program that did it, as [`MigrationRunner::program`](crate::MigrationRunner::program) names it.
    pub program: Option<String>,
    /// The person who asked for it.
    pub who: Option<String>,
    /// The reason.
    pub why: Option<String>,
}

impl LogEntry {
    /// Creates an entry; the database sets the date.
    pub fn new(id: impl Into<MigrationId>, kind: LogEntryKind) -> Self {
        Self {
            id: id.into(),
            kind,
            logged_on: String::new(),
            applied_on: None,
            checksum: None,
            program: None,
            who: None,
            why: None,
        }
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogEntryKind {
    /// It was undone, with the script or code of the program.
    RolledBack,
    /// It was undone by a program that does not know it, with the script stored in the database.
    Downgraded,
    /// Its unfinished record was cleared, so that the step runs again.
    Retried,
    /// Its unfinished step was declared done.
    MarkedDone,
    /// Its unfinished undoing was declared done.
    MarkedUndone,
    /// Its record was removed, without undoing anything.
    Forgotten,
    /// Its changed script was accepted.
    Accepted,
    /// It was recorded without having been run.
    AssumedApplied,
    /// It was recorded without having been run, as part of what a database had before its first migration.
    Baselined,
    /// It was recorded because another tool had applied it.
    Adopted,
    /// It was the last one when indexes, triggers or views were recreated as the applied migrations produce.
    Repaired,
    /// An action of a later version.
    Other(String),
}

impl LogEntryKind {
    /// The name in the table.
    pub fn name(&self) -> &str {
        match self {
            Self::RolledBack => "rolled back",
            Self::Downgraded => "downgraded",
            Self::Retried => "retried",
            Self::MarkedDone => "marked done",
            Self::MarkedUndone => "marked undone",
            Self::Forgotten => "forgotten",
            Self::Accepted => "accepted",
            Self::AssumedApplied => "assumed applied",
            Self::Baselined => "baselined",
            Self::Adopted => "adopted",
            Self::Repaired => "repaired",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for LogEntryKind {
    fn from(name: &str) -> Self {
        let known = [
            Self::RolledBack,
            Self::Downgraded,
            Self::Retried,
            Self::MarkedDone,
            Self::MarkedUndone,
            Self::Forgotten,
            Self::Accepted,
            Self::AssumedApplied,
            Self::Baselined,
            Self::Adopted,
            Self::Repaired,
        ];
        known.into_iter().find(|kind| kind.name() == name).unwrap_or_else(|| Self::Other(name.to_owned()))
    }
}

impl fmt::Display for LogEntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One line: what was done to which migration, when, by which program, by whom and why.
impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        write!(f, "`{}` was {}", self.id, self.kind)?;
        if !self.logged_on.is_empty() {
            write!(f, " at {} UTC", self.logged_on)?;
        }
        if let Some(applied_on) = &self.applied_on {
            write!(f, ", applied at {applied_on} UTC")?;
        }
        self.program.iter().try_for_each(|program| write!(f, ", by {program}"))?;
        self.who.iter().try_for_each(|who| write!(f, ", for {who}"))?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

/// The person who asks for a change and the reason, both stored in the log of the database.
///
/// ```
/// use switchy_schema::Signature;
///
/// let signature = Signature::of("ada").because("only the comments of the script were changed");
/// assert_eq!(signature.who, "ada");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// The person who asks.
    pub who: String,
    /// The reason; empty if none was given.
    pub why: String,
}

impl Signature {
    /// Creates a signature without a reason.
    pub fn of(who: impl Into<String>) -> Self {
        Self { who: who.into(), why: String::new() }
    }

    /// Sets the reason.
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }
}
