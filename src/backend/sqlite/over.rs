//! [`SqliteOver`]: SQLite through a session that runs statements.

use crate::backend::locks::Locks;
use crate::backend::statements::{Over, Statements};

mod catalog;
mod dangling;
mod driver;
mod keys;
mod records;
mod replica;
mod settings;

/// SQLite, through a session of another driver: see [`Statements`].
///
/// It writes and reads the tables of [`Sqlite`](crate::Sqlite). What it cannot know, since it has only texts of the connection:
///
/// * A step is checked for what its text removes, on a copy of the schema without rows, and for references to missing rows. Its deletions
///   are not counted statement by statement, so rows that a statement or a trigger deletes without being declared destructive are only
///   refused if the forecast before the run says that it deletes rows.
/// * What a script touched is not known, so after each step all tables with foreign keys are checked, in time in proportion to their rows.
/// * Outside a transaction, a script that is interrupted in a statement waits for a person, also if the statement could be repeated.
/// * A statement is not interrupted: a run that is cancelled ends before the next one.
/// * There is no rehearsal, no snapshot and no validation by a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOver<S>(Over<S>);

impl<S: Statements> Locks for SqliteOver<S> {}
