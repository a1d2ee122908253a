//! [`Problem`]: something that was found, and what to do about it.

use std::fmt;

use crate::id::MigrationId;
use crate::location::Location;

/// What kind of finding it is.
///
/// What a [`Policy`](crate::Policy) makes of each stands in the table of its documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The database holds a migration that this program does not know: the database is newer than the program.
    DatabaseAhead,
    /// The script is not the one that was applied.
    Changed,
    /// It could not be atomic, began, and did not finish.
    Dirty,
    /// It is pending although later ones are applied. It will run.
    OutOfOrder,
    /// It needs a migration that this database or environment does not get.
    NeedsExcluded,
    /// It has nothing that undoes it.
    Irreversible,
    /// It cannot be part of one transaction with the others.
    NotInBatch,
    /// A statement of its script cannot run in its transaction, or would end it.
    NotInTransaction,
    /// It is committed together with steps behind it, since in between rows would reference missing ones.
    Together,
    /// It takes something away, and its author does not say that this is meant.
    Destructive,
    /// It is code, and what code does is not known before it runs.
    Opaque,
    /// It needs a yes in this environment, and there was none.
    Unconfirmed,
    /// The script that would undo it came out of the database and is damaged, does what no such script may, or fails on a copy of
    /// the schema.
    Untrusted,
    /// It is for another kind of database and does not run here.
    OtherDatabase,
    /// It is for other environments and does not run here.
    OtherEnvironment,
    /// Its name is not `YYYY-MM-DD-HHMMSS_name`.
    Unconventional,
    /// Its version sorts far from those of the others, or elsewhere than the date that it is.
    OddVersion,
    /// A file that nothing reads: it lies beside its script, or is no migration ([`Unread`](crate::Unread)).
    UnusedFile,
    /// Its id cannot be one.
    InvalidId,
    /// It is defined twice.
    Duplicate,
    /// It needs a migration that the set does not have.
    MissingDependency,
    /// It needs itself, by way of others.
    Cycle,
    /// Its folder or one of its files is missing, unreadable or malformed.
    Unreadable,
    /// Its script fails when the whole set is replayed in an empty database, or against a copy of this one's schema; or what it leaves
    /// behind cannot be committed.
    Fails,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 24] = [
        Self::DatabaseAhead,
        Self::Changed,
        Self::Dirty,
        Self::OutOfOrder,
        Self::NeedsExcluded,
        Self::Irreversible,
        Self::NotInBatch,
        Self::NotInTransaction,
        Self::Together,
        Self::Destructive,
        Self::Opaque,
        Self::Unconfirmed,
        Self::Untrusted,
        Self::OtherDatabase,
        Self::OtherEnvironment,
        Self::Unconventional,
        Self::OddVersion,
        Self::UnusedFile,
        Self::InvalidId,
        Self::Duplicate,
        Self::MissingDependency,
        Self::Cycle,
        Self::Unreadable,
        Self::Fails,
    ];

    /// The kind as one word or two.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DatabaseAhead => "database ahead",
            Self::Changed => "changed",
            Self::Dirty => "dirty",
            Self::OutOfOrder => "out of order",
            Self::NeedsExcluded => "needs excluded",
            Self::Irreversible => "irreversible",
            Self::NotInBatch => "not in batch",
            Self::NotInTransaction => "not in transaction",
            Self::Together => "together",
            Self::Destructive => "destructive",
            Self::Opaque => "opaque",
            Self::Unconfirmed => "unconfirmed",
            Self::Untrusted => "untrusted",
            Self::OtherDatabase => "other database",
            Self::OtherEnvironment => "other environment",
            Self::Unconventional => "unconventional",
            Self::OddVersion => "odd version",
            Self::UnusedFile => "unused file",
            Self::InvalidId => "invalid id",
            Self::Duplicate => "duplicate",
            Self::MissingDependency => "missing dependency",
            Self::Cycle => "cycle",
            Self::Unreadable => "unreadable",
            Self::Fails => "fails",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is made of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing: it is not mentioned.
    Allow,
    /// It is reported, and the run goes on.
    Warn,
    /// The run is refused.
    Deny,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allowed",
            Self::Warn => "note",
            Self::Deny => "refused",
        })
    }
}

/// A finding about one migration. Its Display is one line: what is wrong, then the remedy; the alternate form `{:#}` adds what is
/// known in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of finding.
    pub kind: ProblemKind,
    /// What is made of it.
    pub verdict: Verdict,
    /// The migration it is about; of a whole folder, the folder.
    pub migration: MigrationId,
    /// What is the case.
    pub finding: String,
    /// What a person can do, if there is anything to be done.
    pub remedy: Option<String>,
    /// The place in a file, if it is about one.
    pub at: Option<Location>,
    /// More lines: of a changed script, the lines that changed.
    pub detail: Option<String>,
}

impl Problem {
    /// A finding that wants to be acted upon.
    pub(crate) fn new(
        kind: ProblemKind,
        migration: &MigrationId,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { remedy, ..Self::note(kind, migration, finding) }
    }

    /// A finding that is good to know.
    pub(crate) fn note(kind: ProblemKind, migration: &MigrationId, finding: impl Into<String>) -> Self {
        Self {
            kind,
            verdict: Verdict::Deny,
            migration: migration.clone(),
            finding: finding.into(),
            remedy: None,
            at: None,
            detail: None,
        }
    }

    /// With its place.
    pub(crate) fn at(mut self, at: Location) -> Self {
        self.at = Some(at);
        self
    }

    /// With the verdict on it.
    pub(crate) fn judged(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.migration, self.finding)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))?;
        match &self.detail {
            Some(detail) if f.alternate() => write!(f, "\n{detail}"),
            _ => Ok(()),
        }
    }
}
