//! [`Report`]: what a run did.

use std::fmt::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use crate::account::Account;
use crate::direction::Direction;
use crate::id::MigrationId;
use crate::notice::{Notice, Severity};
use crate::printable::Escaped;
use crate::problem::{Problem, Verdict};
use crate::snapshot::Restored;

/// The result of a run. Its Display is for people.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner};
///
/// let conn = Connection::open_in_memory()?;
/// let runner = MigrationRunner::new([Migration::sql("1_users", "CREATE TABLE users (name TEXT)")])?;
/// assert_eq!(runner.run(&conn)?.applied.len(), 1);
/// assert_eq!(runner.run(&conn)?.to_string(), "nothing to do, with 1 migration applied");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The steps that were carried out and committed, in order.
    pub applied: Vec<Applied>,
    /// The number of migrations that were applied before.
    pub already: usize,
    /// Steps that were committed together though each could be committed by itself.
    pub together: Vec<Together>,
    /// The findings about the plan and about what the steps did that the policy reports. A run that finds everything applied does not
    /// plan, and reports only scripts with misspelled names.
    pub notes: Vec<Problem>,
    /// What was recorded because of [`baseline_if`](crate::MigrationRunner::baseline_if); `None` if something was recorded before the run, or if
    /// the database did not exist before its migrations.
    pub baseline: Option<Baselined>,
    /// The snapshot from before the first step, if the run kept one. A run that continues an unfinished run keeps that run's snapshot.
    pub snapshot: Option<PathBuf>,
    /// The restore that undid this run after a failure, or an unfinished run before this one. If it undid this run, `applied` is empty.
    pub restored: Option<Restored>,
    /// Why the snapshot was not restored after a failure, although the settings ask for it.
    pub not_restored: Option<String>,
}

impl Report {
    /// Whether nothing was pending.
    pub fn is_up_to_date(&self) -> bool {
        self.applied.is_empty()
    }

    /// Where the snapshot of the run is, and whether it was restored: a clause for an error.
    pub(crate) fn aftermath(&self) -> Option<String> {
        if let Some(restored) = &self.restored {
            return Some(restored.to_string());
        }
        let snapshot = self.snapshot.as_ref()?.display();
        Some(match &self.not_restored {
            Some(why) => format!("the snapshot {snapshot} from before the run was not restored, since {why}"),
            None => format!("the snapshot from before the run is {snapshot}"),
        })
    }

    /// Adds the warnings among these, each once, and calls `announce` for each.
    pub(crate) fn warn(&mut self, problems: &[Problem], announce: impl Fn(&Problem)) {
        for problem in problems.iter().filter(|problem| problem.verdict == Verdict::Warn) {
            if !self.notes.contains(problem) {
                announce(problem);
                self.notes.push(problem.clone());
            }
        }
    }
}

/// Who recorded a database that existed before its migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Baselined {
    /// This run recorded these migrations as applied, in order, without running them.
    Here(Vec<MigrationId>),
    /// When this run had the lock, another program had recorded migrations already. This run recorded none as applied without running them.
    ByAnother,
}

impl fmt::Display for Baselined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        match self {
            Self::Here(ids) => {
                let was = if ids.len() == 1 { "was" } else { "were" };
                write!(f, "{}", Migrations(ids.len()))?;
                ids.last().iter().try_for_each(|last| write!(f, " through `{last}`"))?;
                write!(f, " {was} recorded as applied, since the database existed before")
            }
            Self::ByAnother => f.write_str("another program recorded what the database has"),
        }
    }
}

/// Steps that were committed together, because in between something would have referred to what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Together {
    /// The ids of the migrations, in the order in which they ran.
    pub steps: Vec<MigrationId>,
    /// What would have been wrong after the first step: "2 rows of `leg` reference missing rows of `trip`".
    pub why: String,
}

impl fmt::Display for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaped(f);
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else { return Ok(()) };
        let others = match self.steps.len() {
            2 => format!("`{first}` and `{last}`"),
            all => format!("`{first}` and the {} steps after it", all - 1),
        };
        write!(f, "{others} are one transaction, since in between {} until `{last}` is done", self.why)
    }
}

/// A step that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The id of the migration.
    pub id: MigrationId,
    /// The direction.
    pub direction: Direction,
    /// The run time of its script.
    pub duration: Duration,
    /// What it did to rows and to the schema.
    pub account: Account,
    /// What the server said about its statements, in order: at most fifty notices, and then how many others there were. SQLite says nothing.
    pub notices: Vec<Notice>,
}

/// `1 migration`, `2 migrations`
pub(crate) struct Migrations(pub(crate) usize);

impl fmt::Display for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 migration"),
            count => write!(f, "{count} migrations"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            write!(f, "nothing to do, with {} applied", Migrations(self.already))?;
        } else {
            let steps = if self.applied.len() == 1 { "step" } else { "steps" };
            write!(
                f,
                "{} {steps} done, with {} applied before:",
                self.applied.len(),
                Migrations(self.already)
            )?;
            for step in &self.applied {
                let milliseconds = step.duration.as_secs_f64() * 1e3;
                write!(f, "\n  {:4} {} ({milliseconds:.1} ms)", step.direction, step.id)?;
                let account = step.account.to_string();
                if !account.is_empty() {
                    write!(f, ": {account}")?;
                }
                let mut warnings = step.notices.iter().filter(|notice| notice.severity >= Severity::Warning);
                warnings.try_for_each(|warning| write!(f, "\n    note: {warning}"))?;
            }
        }
        self.baseline.iter().try_for_each(|baseline| write!(f, "\n  {baseline}"))?;
        self.together.iter().try_for_each(|together| write!(f, "\n  {together}"))?;
        self.restored.iter().try_for_each(|restored| write!(f, "\n  {restored}"))?;
        self.snapshot
            .iter()
            .try_for_each(|path| write!(f, "\n  the snapshot from before the run is {}", path.display()))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n  note: {note}"))
    }
}
