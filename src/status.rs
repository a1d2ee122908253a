//! [`Status`]: the set compared with the history.

use std::fmt;

use crate::direction::Direction;
use crate::graph::Graph;
use crate::history::{History, Record};
use crate::id::MigrationId;
use crate::plan::Setting;
use crate::printable::Printable;
use crate::problem::ProblemKind;

/// The set compared with the history: the migrations of the set in order, then those that only the database knows. Its Display has
/// a line for each.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, State, Target};
///
/// let conn = Connection::open_in_memory()?;
/// let runner = MigrationRunner::new([Migration::sql("1_a", ""), Migration::sql("2_b", "")])?;
/// runner.run_to(&conn, Target::Steps(1))?;
/// let status = runner.status(&conn)?;
/// assert!(matches!(status.entries[0].state, State::Applied(_)));
/// assert_eq!(status.entries[1].state, State::Pending);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// One entry for each migration of the set or the history.
    pub entries: Vec<Entry>,
}

/// One migration of the set, of the history, or of both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The id of the migration.
    pub id: MigrationId,
    /// The author's description.
    pub description: Option<String>,
    /// The state of the migration.
    pub state: State,
}

/// The state of a migration in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Applied, with the current script.
    Applied(Record),
    /// The next run applies it.
    Pending,
    /// Nothing is recorded, and the next run records it as applied without running it
    /// ([`baseline_if`](crate::MigrationRunner::baseline_if)).
    Baseline,
    /// Applied with another script than the set has now.
    Changed(Record),
    /// It began outside a transaction and did not finish.
    Dirty(Record),
    /// Applied, but not in the set.
    Unknown(Record),
    /// It is for other databases.
    OtherDatabase,
    /// It is for other environments.
    OtherEnvironment,
    /// Its files are not a migration ([`Meta::unread`](crate::Meta::unread) says why).
    Unread,
}

impl Status {
    /// The migrations that [`run`](crate::MigrationRunner::run) would apply, in order.
    pub fn pending(&self) -> impl Iterator<Item = &MigrationId> {
        // A step that is marked to continue is pending too.
        let is_pending = |entry: &&Entry| match &entry.state {
            State::Dirty(record) => record.dirty.as_ref().is_some_and(|dirty| dirty.resumes(Direction::Up)),
            state => *state == State::Pending,
        };
        self.entries.iter().filter(is_pending).map(|entry| &entry.id)
    }

    /// The state of a database in which nothing is recorded, compared with a history that a run would record first.
    pub(crate) fn before_baseline(mut self) -> Self {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Applied(_)) {
                entry.state = State::Baseline;
            }
        }
        self
    }
}

/// Joins the set and the history.
pub(crate) fn status(graph: &Graph, history: &History, setting: Setting<'_>) -> Status {
    let known = graph.metas().iter().map(|meta| {
        let state = match (history.get(&meta.id), setting.excludes(meta)) {
            (Some(record), _) if record.dirty.is_some() => State::Dirty(record.clone()),
            // The program does not have its script.
            (Some(record), _) if meta.right_name().is_some() => State::Unknown(record.clone()),
            (Some(record), _) => match (record.checksum, meta.checksum) {
                (Some(was), Some(is)) if was != is && !meta.accepted.contains(&was) => {
                    State::Changed(record.clone())
                }
                _ => State::Applied(record.clone()),
            },
            (None, Some(ProblemKind::OtherDatabase)) => State::OtherDatabase,
            (None, Some(ProblemKind::UnusedFile)) => State::Unread,
            (None, Some(_)) => State::OtherEnvironment,
            (None, None) => State::Pending,
        };
        Entry { id: meta.id.clone(), description: meta.description.as_deref().map(str::to_owned), state }
    });
    let unknown = history.records().iter().filter(|record| graph.place(&record.id).is_none()).map(|record| {
        let state = match &record.dirty {
            Some(_) => State::Dirty(record.clone()),
            None => State::Unknown(record.clone()),
        };
        Entry { id: record.id.clone(), description: None, state }
    });
    Status { entries: known.chain(unknown).collect() }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            self.entries.iter().map(|entry| entry.id.as_str().chars().count()).max().unwrap_or(0).min(100);
        for (number, entry) in self.entries.iter().enumerate() {
            let (word, when) = match &entry.state {
                State::Applied(record) => ("applied", &*record.run_on),
                State::Pending => ("pending", ""),
                State::Baseline => ("to be recorded as applied", ""),
                State::Changed(record) => ("changed", &*record.run_on),
                State::Dirty(record) => ("dirty", &*record.run_on),
                State::Unknown(record) => ("unknown", &*record.run_on),
                State::OtherDatabase => ("for another database", ""),
                State::OtherEnvironment => ("for another environment", ""),
                State::Unread => ("not read", ""),
            };
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{:width$}  {word}", entry.id)?;
            if !when.is_empty() {
                write!(f, " {}", Printable(when))?;
            }
        }
        Ok(())
    }
}
