//! [`Problem`]: a finding and its remedy.

use std::fmt;

use crate::id::MigrationId;
use crate::location::Location;
use crate::printable::{Printable, shortened};
use crate::remedy::{Remedy, Render, Worded, Wording, append_remedy, for_programmers};

/// The kind of a finding.
///
/// The documentation of [`Policy`](crate::Policy) has a table of the verdicts on each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The database has a migration that this program does not know: the database is newer than the program.
    DatabaseAhead,
    /// The script differs from the one that was applied.
    Changed,
    /// The down script differs from the one that was stored when it was applied.
    ChangedDown,
    /// It runs outside a transaction, began, and did not finish.
    Dirty,
    /// It is pending although later ones are applied. It will run.
    OutOfOrder,
    /// It needs a migration that does not run on this database or in this environment.
    NeedsExcluded,
    /// It has no down script and no code that undoes it.
    Irreversible,
    /// It cannot be part of one transaction with the others.
    NotInBatch,
    /// A statement of its script cannot run in the step's transaction, or would end it.
    NotInTransaction,
    /// It is committed together with later steps, because otherwise rows would reference missing rows in between.
    Together,
    /// It destroys something, and its author does not declare that.
    Destructive,
    /// It is code, whose effects are unknown before it runs; or a statement of it runs what its text does not show, such as a routine.
    Opaque,
    /// It needs a confirmation in this environment and has none.
    Unconfirmed,
    /// The stored down script is damaged, does what no stored script may do, or fails on a copy of the schema.
    Untrusted,
    /// It is for another kind of database and does not run here.
    OtherDatabase,
    /// It is for other environments and does not run here.
    OtherEnvironment,
    /// Its name has no version, or is not like those of most of its set. A set may have any convention, and change it.
    Unconventional,
    /// Its version sorts far from the others, or not by the date that it contains.
    OddVersion,
    /// Its id differs only in case from another one, so on some systems both have the same folder.
    SimilarIds,
    /// An unused file: it is beside the script of a migration, or is not a migration ([`Unread`](crate::Unread)).
    UnusedFile,
    /// SQLite reads a word in double quotes as a string literal, since no column has that name. The scripts of a plan and of a validation are checked
    /// for it; a run whose policy does not refuse it makes no trial and does not report it.
    QuotedString,
    /// A placeholder in its script has no value, is not declared, or has a value that it may not have where it stands.
    Placeholder,
    /// Its script has `${...}`, and no placeholder is declared, so this goes to the database as it is. Its metadata can say that it is text
    /// (`placeholders = false`).
    LiteralPlaceholder,
    /// Its script has a part with which another tool undoes it, such as what follows `-- +goose Down`. Here all of a script runs. Its metadata can
    /// say that this is meant (`allow = ["down-part"]`).
    DownPart,
    /// Its id is invalid.
    InvalidId,
    /// It is defined twice.
    Duplicate,
    /// It needs a migration that the set does not have.
    MissingDependency,
    /// It needs itself, through others.
    Cycle,
    /// Its folder or one of its files is missing, unreadable or malformed.
    Unreadable,
    /// It loses rows that no statement deletes by the name of their table: it replaces a table with one that has fewer rows, or a trigger, a
    /// foreign key action or `REPLACE` deletes them. Its metadata can allow it (`allow = ["destructive"]`; for triggers, actions and
    /// `REPLACE`, `"cascade"` is enough).
    RowsLost,
    /// After it, a view, a trigger, a foreign key, a full-text table or an SQL function refers to something that is not there, the index
    /// of a full-text table no longer matches its content, or an index is not valid. Views and triggers that only this connection has are
    /// included.
    BrokenReference,
    /// It replaces a table or a view and does not recreate what belonged to it: an index, a trigger, a constraint other than `NOT NULL`, a
    /// foreign key or what that does when its parent goes, `AUTOINCREMENT`, a collation, `STRICT` or a default. Its metadata can allow it (`allow = ["rebuild"]`).
    LostInRebuild,
    /// Rows stay, and values of them do not. It copies values into columns of other names, or into a column whose type changes them; it
    /// replaces a table and does not copy the values of a column, the primary keys of the rows, or any row; an expression is `NULL` where
    /// there was a value; `CAST` makes a number of a text that is none; `REPLACE` does not name all columns; or `OR IGNORE` leaves rows out
    /// of a copy whose source is dropped. Its metadata can allow it (`allow = ["rebuild"]`).
    ValuesChanged,
    /// The run should keep a snapshot, but the database is not a file. The problem is reported for the first step.
    NoSnapshot,
    /// It names a table or view that a temporary one of the connection hides, so it would use the wrong one.
    HiddenTable,
    /// Its script fails when the whole set is replayed in an empty database, on a copy of this database's schema, or because of rows of
    /// this database; or its result cannot be committed.
    Fails,
    /// Its down script fails on a copy, after the migration was applied there.
    DownFails,
    /// After its down script the schema differs from the one before the migration; or the migration cannot be applied again, or then produces a
    /// different schema.
    DownLeavesBehind,
    /// Rows or values that existed before are missing or different after its down script, or after it is applied again.
    RowsNotBack,
    /// An object of the schema is not what the applied migrations produce. The finding is about the object, and only a validation looks for it. If it
    /// is not known what the migrations produce, that is no finding.
    Drift,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 40] = [
        Self::DatabaseAhead,
        Self::Changed,
        Self::ChangedDown,
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
        Self::SimilarIds,
        Self::UnusedFile,
        Self::QuotedString,
        Self::Placeholder,
        Self::LiteralPlaceholder,
        Self::DownPart,
        Self::InvalidId,
        Self::Duplicate,
        Self::MissingDependency,
        Self::Cycle,
        Self::Unreadable,
        Self::RowsLost,
        Self::BrokenReference,
        Self::LostInRebuild,
        Self::ValuesChanged,
        Self::NoSnapshot,
        Self::HiddenTable,
        Self::Fails,
        Self::DownFails,
        Self::DownLeavesBehind,
        Self::RowsNotBack,
        Self::Drift,
    ];

    /// What to do about a finding that is a note by default, if a policy refuses it.
    fn remedy_if_refused(self) -> Option<Remedy> {
        Some(Remedy::from(match self {
            Self::OutOfOrder => "if it is not applied anywhere, give it a later version than theirs",
            Self::Irreversible => "write a script that does",
            Self::Together => "make one migration of them",
            Self::Opaque => "check what it runs, and allow this kind of finding if that is right",
            Self::OtherDatabase | Self::OtherEnvironment => {
                "run it on a database or in an environment that its metadata names, or change its metadata"
            }
            Self::UnusedFile => "move it away, or make it a migration of its own",
            _ => return None,
        }))
    }

    /// The name of the kind: a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DatabaseAhead => "database ahead",
            Self::Changed => "changed",
            Self::ChangedDown => "changed down script",
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
            Self::SimilarIds => "similar ids",
            Self::UnusedFile => "unused file",
            Self::QuotedString => "quoted string",
            Self::Placeholder => "placeholder",
            Self::LiteralPlaceholder => "literal placeholder",
            Self::DownPart => "down part",
            Self::InvalidId => "invalid id",
            Self::Duplicate => "duplicate",
            Self::MissingDependency => "missing dependency",
            Self::Cycle => "cycle",
            Self::Unreadable => "unreadable",
            Self::RowsLost => "rows lost",
            Self::BrokenReference => "broken reference",
            Self::LostInRebuild => "lost in rebuild",
            Self::ValuesChanged => "values changed",
            Self::NoSnapshot => "no snapshot",
            Self::HiddenTable => "hidden table",
            Self::Fails => "fails",
            Self::DownFails => "down fails",
            Self::DownLeavesBehind => "down leaves behind",
            Self::RowsNotBack => "rows not back",
            Self::Drift => "drift",
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What happens with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It is not mentioned.
    Allow,
    /// It is reported, and the run continues.
    Warn,
    /// The run is refused. For a finding about what a step did, the step is rolled back.
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

/// A finding about one migration. Its Display is one line: what is wrong, then the remedy. The alternate form `{:#}` adds the
/// details.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The kind of the finding.
    pub kind: ProblemKind,
    /// What happens with the finding.
    pub verdict: Verdict,
    /// The migration it is about, the folder if it is about a whole folder, or the object of the schema if it is about drift.
    pub migration: MigrationId,
    /// The finding, worded to follow the id.
    pub finding: String,
    /// What a person can do, if anything.
    pub remedy: Option<Remedy>,
    /// The location in a file, if it is about one.
    pub at: Option<Location>,
    /// The program that applied the migration, if this one does not know it: see
    /// [`newer_program`](crate::MigrationError::newer_program).
    pub program: Option<String>,
    /// Further lines: for a changed script, the lines that changed.
    pub detail: Option<String>,
}

impl Problem {
    /// Creates a finding with a remedy.
    pub(crate) fn new(
        kind: ProblemKind,
        migration: &MigrationId,
        finding: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        let remedy = Some(remedy.into());
        Self { remedy, ..Self::note(kind, migration, finding) }
    }

    /// Creates a finding without a remedy.
    pub(crate) fn note(kind: ProblemKind, migration: &MigrationId, finding: impl Into<String>) -> Self {
        Self {
            kind,
            verdict: Verdict::Deny,
            migration: migration.clone(),
            finding: finding.into(),
            remedy: None,
            at: None,
            program: None,
            detail: None,
        }
    }

    /// With its verdict. A finding that is a note by default has a remedy only if it is refused.
    pub(crate) fn judged(self, verdict: Verdict) -> Self {
        let refused = || self.kind.remedy_if_refused().filter(|_| verdict == Verdict::Deny);
        Self { verdict, remedy: self.remedy.clone().or_else(refused), ..self }
    }

    /// With the program that applied the migration.
    pub(crate) fn of_program(mut self, program: &str) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    /// With its location.
    pub(crate) fn at(mut self, at: Location) -> Self {
        self.at = Some(at);
        self
    }
}

impl Problem {
    /// What is wrong, then the remedy in your words. The `Display` of a problem words it for a programmer.
    pub fn worded<'a>(&'a self, wording: &'a dyn Fn(&Remedy) -> String) -> impl fmt::Display + 'a {
        Worded(self, wording)
    }
}

impl Render for Problem {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result {
        let id = self.migration.to_string();
        write!(f, "`{}` {}", shortened(&id), shortened(&self.finding))?;
        append_remedy(f, self.remedy.as_ref(), wording)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f, &for_programmers)?;
        match &self.detail {
            Some(detail) if f.alternate() => {
                write!(f, "\n{}", Printable(detail).abridged_lines())
            }
            _ => Ok(()),
        }
    }
}
