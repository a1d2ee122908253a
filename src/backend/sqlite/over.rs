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
mod statement;
mod tables;

/// SQLite, through a session of another driver: see [`Statements`].
///
/// It writes and reads the tables of [`Sqlite`](crate::Sqlite). What it cannot know, since it has only texts of the connection:
///
/// * What a script removes is forecast on a copy of the schema without rows. While it runs, a table that it replaces is compared with the one
///   that takes its place, and rows that are missing there are an error. Rows that a trigger, a foreign key action or `REPLACE` deletes are not
///   counted: of these, only what the forecast sees is known.
/// * What a script touched is not known, so after each step all tables with foreign keys are checked, in time in proportion to their rows.
/// * Outside a transaction, a script that is interrupted in a statement waits for a person, also if the statement could be repeated.
/// * A script is refused before it runs if it has a parameter, for which nothing gives a value, and outside the engine's transaction if it
///   begins or ends a transaction, sets a savepoint, or asks for `changes()`.
/// * A statement with `OR FAIL` that fails outside a transaction waits for a person, and so does one that changes rows if a constraint or
///   trigger has `FAIL` in it.
/// * A statement is not interrupted: a run that is cancelled ends before the next one.
/// * A limit on waits for locks counts for the engine's own attempts. How long the driver waits before it says that the database is busy is
///   the driver's setting.
/// * There is no rehearsal, no snapshot and no validation by a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqliteOver<S>(Over<S>);

impl<S: Statements> Locks for SqliteOver<S> {}
