//! [`Problem`]: something a plan found, and what to do about it.

use std::fmt;

use crate::id::MigrationId;

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// It has no script that undoes it.
    Irreversible,
    /// It cannot be part of one transaction with the others.
    NotInBatch,
    /// It is for another kind of database and does not run here.
    OtherDatabase,
    /// It is for other environments and does not run here.
    OtherEnvironment,
    /// Its name is not `YYYY-MM-DD-HHMMSS_name`.
    Unconventional,
    /// A file lies beside its script that nothing reads.
    UnusedFile,
}

impl ProblemKind {
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
            Self::OtherDatabase => "other database",
            Self::OtherEnvironment => "other environment",
            Self::Unconventional => "unconventional",
            Self::UnusedFile => "unused file",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A finding about one migration. Its Display is one line: what is wrong, then the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of finding.
    pub kind: ProblemKind,
    /// The migration it is about.
    pub migration: MigrationId,
    /// What is the case.
    pub finding: String,
    /// What a person can do, if there is anything to be done.
    pub remedy: Option<String>,
}

impl Problem {
    /// A finding that wants to be acted upon.
    pub(crate) fn new(
        kind: ProblemKind,
        migration: &MigrationId,
        finding: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (finding, remedy) = (finding.into(), Some(remedy.into()));
        Self { kind, migration: migration.clone(), finding, remedy }
    }

    /// A finding that is good to know.
    pub(crate) fn note(kind: ProblemKind, migration: &MigrationId, finding: impl Into<String>) -> Self {
        Self { kind, migration: migration.clone(), finding: finding.into(), remedy: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.migration, self.finding)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, "; {remedy}"))
    }
}
