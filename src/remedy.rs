//! [`Remedy`]: what to do about an error or a finding.

use std::borrow::Cow;
use std::{fmt, io};

use crate::direction::Direction;
use crate::doubt::Doubt;
use crate::printable::shortened;

/// What to do about an error or a finding, as a value: a program can offer it as a button and word it for its users.
///
/// Its Display words it for a programmer who calls this crate: "call `recover` with `Recovery::Retry` ...". A program for other
/// people words it in a `match` of its own and passes that to [`MigrationError::worded`](crate::MigrationError::worded) or a
/// similar method. The command line does so and says "run `repair retry` ...".
///
/// The enum is exhaustive on purpose: such a `match` needs no wildcard, and the compiler reports the remedies that a later version
/// adds. A new remedy is therefore a breaking change of this crate.
///
/// # Examples
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Remedy};
///
/// let conn = Connection::open_in_memory()?;
/// MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b)")])?.run(&conn)?;
/// let changed = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (b) -- of ours")])?;
///
/// let remedy = changed.run(&conn).unwrap_err().remedy().unwrap();
/// assert!(remedy.singles().contains(&&Remedy::Accept));
/// assert!(remedy.to_string().contains("call `recover` with `Recovery::Accept`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Remedy {
    /// Advice that is the same for everyone: one line, lower case, no full stop.
    Text(Cow<'static, str>),
    /// One of these remedies.
    Either(Vec<Remedy>),
    /// All of these remedies, in order.
    Then(Vec<Remedy>),
    /// A remedy under a condition.
    If {
        /// The condition: "the change means nothing".
        condition: Cow<'static, str>,
        /// The remedy.
        remedy: Box<Remedy>,
    },

    /// Apply the pending migrations.
    Run,
    /// Undo it with a rollback or a downgrade.
    RollBack,
    /// Undo it with the script that is stored in the database.
    Downgrade,
    /// Make a new plan.
    PlanAgain,
    /// Run each migration in its own transaction instead of all in one.
    PerMigration,
    /// Accept the plan in the `confirm` function.
    Confirm,
    /// Wait longer for the lock.
    WaitLonger,

    /// [`Recovery::Retry`](crate::Recovery::Retry)
    Retry,
    /// [`Recovery::RetryFrom`](crate::Recovery::RetryFrom)
    RetryFrom {
        /// The number of the statement, from 1; `None` if only a person can determine it.
        statement: Option<u32>,
    },
    /// [`Recovery::MarkDone`](crate::Recovery::MarkDone)
    MarkDone {
        /// The direction of the step to mark as done.
        direction: Direction,
    },
    /// [`Recovery::Forget`](crate::Recovery::Forget)
    Forget,
    /// [`Recovery::Accept`](crate::Recovery::Accept)
    Accept,
    /// [`Recovery::AssumeApplied`](crate::Recovery::AssumeApplied)
    AssumeApplied,
    /// [`Recovery::Baseline`](crate::Recovery::Baseline)
    Baseline,

    /// Repair drift: put back indexes, triggers and views.
    RepairDrift,
    /// Repair drift in an object by its name.
    RepairNamed,
    /// Look at the statements that would remove drift, and decide.
    ShowDriftSql,
    /// Leave objects out of drift.
    IgnoreInDrift,

    /// Accept a doubt about the history of another tool.
    AcceptDoubt(Doubt),
    /// Name the tool whose history is to be adopted.
    NameTool,
    /// Name the table in which another tool stores its history.
    NameToolTable,
    /// Name the Django application whose migrations the set has.
    NameApp,

    /// Store the records in a table with another name.
    ChooseTable,
    /// Use this table, which is a tracking table of this crate, as the tracking table.
    UseTable,
    /// Raise a limit of scripts that are stored in the database.
    RaiseStoredLimits,
    /// Put the lock file somewhere else.
    ChooseLockFile,
    /// Keep the snapshots in another folder.
    SnapshotFolder,
    /// Keep no snapshot.
    NoSnapshot,
    /// Register a function, collation or module of the application on the connections on which scripts run.
    Register,
    /// Set a key in the metadata of the migration.
    SetMetadata {
        /// The key, as `metadata.toml` has it.
        key: &'static str,
        /// The value, as TOML.
        value: Cow<'static, str>,
        /// The purpose, if the finding does not state it: "to run it without one".
        purpose: Option<&'static str>,
    },
    /// Give a value for a placeholder.
    GivePlaceholder {
        /// Its name.
        name: String,
    },
    /// Give a value for a placeholder that is secret.
    GiveSecret {
        /// Its name.
        name: String,
    },
    /// Declare a placeholder.
    DeclarePlaceholder {
        /// Its name.
        name: String,
    },
    /// Create the folder of the migrations.
    CreateFolder,
    /// Convert the folder, which has the files of another tool.
    ImportFolder,
    /// Regenerate the manifest of a remote folder.
    MakeManifest,
    /// Change the code of the program, if there is no other place for it.
    Program {
        /// What to do: "wait longer".
        what: Cow<'static, str>,
        /// The function of this crate that does it, in back-ticks.
        with: Cow<'static, str>,
    },
}

/// The error of a path that is too long, on this system.
const NAME_TOO_LONG: i32 = match () {
    () if cfg!(windows) => 206,
    () if cfg!(any(target_os = "linux", target_os = "android")) => 36,
    () => 63,
};

impl Remedy {
    /// What to do about a file or folder that cannot be read.
    pub(crate) fn for_unreadable(cause: &io::Error) -> Self {
        if cause.raw_os_error() == Some(NAME_TOO_LONG) {
            "remove folders in which it is, or shorten their names".into()
        } else {
            "check that it exists and that this user may read it".into()
        }
    }

    /// The remedies that this one consists of, in order; itself if it is a single remedy.
    pub fn singles(&self) -> Vec<&Self> {
        match self {
            Self::Either(remedies) | Self::Then(remedies) => {
                remedies.iter().flat_map(Self::singles).collect()
            }
            Self::If { remedy, .. } => remedy.singles(),
            single => vec![single],
        }
    }

    /// This remedy or another one.
    pub(crate) fn or(self, other: impl Into<Self>) -> Self {
        let mut all = match self {
            Self::Either(all) => all,
            single => vec![single],
        };
        match other.into() {
            Self::Either(others) => all.extend(others),
            single => all.push(single),
        }
        Self::Either(all)
    }

    /// This remedy, then another one.
    pub(crate) fn then(self, next: impl Into<Self>) -> Self {
        Self::Then(vec![self, next.into()])
    }

    /// This remedy under a condition.
    pub(crate) fn only_if(self, condition: impl Into<Cow<'static, str>>) -> Self {
        Self::If { condition: condition.into(), remedy: Box::new(self) }
    }

    /// Whether it says how an unfinished step ends.
    pub(crate) fn settles(&self) -> bool {
        self.singles().iter().any(|remedy| matches!(remedy, Self::MarkDone { .. }))
    }

    /// The same for a step in this direction.
    pub(crate) fn towards(self, direction: Direction) -> Self {
        let all =
            |remedies: Vec<Self>| remedies.into_iter().map(|remedy| remedy.towards(direction)).collect();
        match self {
            Self::Either(remedies) => Self::Either(all(remedies)),
            Self::Then(remedies) => Self::Then(all(remedies)),
            Self::If { condition, remedy } => {
                Self::If { condition, remedy: Box::new(remedy.towards(direction)) }
            }
            Self::MarkDone { .. } => Self::MarkDone { direction },
            other => other,
        }
    }

    /// A metadata key to set.
    pub(crate) fn metadata(key: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self::SetMetadata { key, value: value.into(), purpose: None }
    }

    /// A metadata key to set, with its purpose.
    pub(crate) fn metadata_for(
        key: &'static str,
        value: impl Into<Cow<'static, str>>,
        purpose: &'static str,
    ) -> Self {
        Self::SetMetadata { key, value: value.into(), purpose: Some(purpose) }
    }

    /// A change to the program's code with a function of this crate.
    pub(crate) fn program(what: impl Into<Cow<'static, str>>, with: impl Into<Cow<'static, str>>) -> Self {
        Self::Program { what: what.into(), with: with.into() }
    }
}

impl From<&'static str> for Remedy {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Remedy {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Cow<'static, str>> for Remedy {
    fn from(text: Cow<'static, str>) -> Self {
        Self::Text(text)
    }
}

/// Worded for a programmer who calls this crate.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text,
            Self::Either(remedies) => return either(f, remedies),
            Self::Then(remedies) if has_inner_choice(remedies) => {
                return joined(f, remedies, |_| "; then ");
            }
            Self::Then(remedies) => return joined(f, remedies, |_| ", then "),
            Self::If { condition, remedy } if remedy.singles().len() > 1 => {
                return write!(f, "if {condition}, {remedy}");
            }
            Self::If { condition, remedy } => return write!(f, "{remedy} if {condition}"),
            Self::Run => "apply what is pending with `run`",
            Self::RollBack => "undo it with `rollback`, `rollback_to` or `downgrade`",
            Self::Downgrade => "undo it with `downgrade`",
            Self::PlanAgain => "make a new plan",
            Self::PerMigration => "run with `TransactionMode::PerMigration`",
            Self::Confirm => "accept the plan in `confirm`",
            Self::WaitLonger => "wait longer with `lock_timeout`",
            Self::Retry => "call `recover` with `Recovery::Retry` to continue where it stopped",
            Self::RetryFrom { statement: Some(statement) } => {
                return write!(f, "call `recover` with `Recovery::RetryFrom` and statement {statement}");
            }
            Self::RetryFrom { statement: None } => {
                "call `recover` with `Recovery::RetryFrom` to name the statement to continue with"
            }
            Self::MarkDone { direction: Direction::Up } => {
                "call `recover` with `Recovery::MarkDone` once it is done by hand"
            }
            Self::MarkDone { direction: Direction::Down } => {
                "call `recover` with `Recovery::MarkDone` once it is undone by hand"
            }
            Self::Forget => "call `recover` with `Recovery::Forget` to run it again anyway",
            Self::Accept => "call `recover` with `Recovery::Accept` to accept it only in this database",
            Self::AssumeApplied => {
                "call `recover` with `Recovery::AssumeApplied` to count a single migration as applied"
            }
            Self::Baseline => {
                "call `recover` with `Recovery::Baseline` and the last migration that is applied"
            }
            Self::RepairDrift => "call `repair_drift`",
            Self::RepairNamed => "name it with `Drift::including`, and call `repair_drift`",
            Self::ShowDriftSql => "choose among the statements of `Drift::sql`",
            Self::IgnoreInDrift => "leave it out with `ignore_in_drift`",
            Self::AcceptDoubt(Doubt::Lost) => "accept `Doubt::Lost`",
            Self::AcceptDoubt(Doubt::Orphaned) => "accept `Doubt::Orphaned`",
            Self::AcceptDoubt(Doubt::Changed) => "accept `Doubt::Changed`",
            Self::AcceptDoubt(Doubt::Unproven) => "accept `Doubt::Unproven`",
            Self::NameTool => "name the tool with `Adopt::tool`",
            Self::NameToolTable => "name the table with `Adopt::table`",
            Self::NameApp => "name the application whose migrations the set has with `Adopt::app`",
            Self::ChooseTable => "choose another name with `table_name`, under which nothing is applied yet",
            Self::UseTable => "read that table itself with `table_name`, which says what to do about it",
            Self::RaiseStoredLimits => "raise the limit with `stored_limits`",
            Self::ChooseLockFile => "choose another place with `lock(Lock::File(path))`",
            Self::SnapshotFolder => "choose another folder with `SnapshotSettings::in_folder`",
            Self::NoSnapshot => "run with `Snapshot::Never`",
            Self::Register => {
                "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out"
            }
            Self::SetMetadata { key, value, purpose } => {
                write!(f, "set {key} = {value} in its metadata")?;
                return purpose.iter().try_for_each(|purpose| write!(f, " {purpose}"));
            }
            Self::GivePlaceholder { name } | Self::GiveSecret { name } => {
                return write!(f, "give one with `placeholder_value(\"{name}\", ...)`");
            }
            Self::DeclarePlaceholder { name } => {
                return write!(f, "declare it with `placeholder(Placeholder::new(\"{name}\"))`");
            }
            Self::CreateFolder => "create it",
            Self::ImportFolder => "convert the folder with `switchy-schema import`",
            Self::MakeManifest => "write the manifest with `Manifest::write`; docs/format.md describes the format",
            Self::Program { what, with } => return write!(f, "{what} with {with}"),
        })
    }
}

/// Whether one of these is a choice that the next one would seem to belong to: `a, or b, then c`.
fn has_inner_choice(remedies: &[Remedy]) -> bool {
    remedies.iter().rev().skip(1).any(|remedy| matches!(remedy, Remedy::Either(_)))
}

/// `a, or b`; `a, b, or c`
fn either(f: &mut fmt::Formatter<'_>, remedies: &[Remedy]) -> fmt::Result {
    joined(f, remedies, |place| if place + 1 == remedies.len() { ", or " } else { ", " })
}

fn joined(
    f: &mut fmt::Formatter<'_>,
    remedies: &[Remedy],
    between: impl Fn(usize) -> &'static str,
) -> fmt::Result {
    for (place, remedy) in remedies.iter().enumerate() {
        f.write_str(if place == 0 { "" } else { between(place) })?;
        write!(f, "{remedy}")?;
    }
    Ok(())
}

/// Words a remedy.
pub(crate) type Wording<'a> = &'a dyn Fn(&Remedy) -> String;

/// A text that contains remedies.
pub(crate) trait Render {
    fn render(&self, f: &mut fmt::Formatter<'_>, wording: Wording<'_>) -> fmt::Result;
}

/// A text with its remedies in another wording.
pub(crate) struct Worded<'a, T>(pub(crate) &'a T, pub(crate) Wording<'a>);

impl<T: Render> fmt::Display for Worded<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.render(f, self.1)
    }
}

/// The wording for a programmer.
pub(crate) fn for_programmers(remedy: &Remedy) -> String {
    remedy.to_string()
}

/// `; ` and the remedy, if there is one.
pub(crate) fn append_remedy(
    f: &mut fmt::Formatter<'_>,
    remedy: Option<&Remedy>,
    wording: Wording<'_>,
) -> fmt::Result {
    remedy.iter().try_for_each(|remedy| write!(f, "; {}", shortened(&wording(remedy))))
}
