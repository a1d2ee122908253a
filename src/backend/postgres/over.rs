//! [`PostgresOver`]: PostgreSQL through a session that runs statements.

mod catalog;
mod driver;
mod locks;
mod query;
mod records;
mod settings;
mod statement;
mod tables;

use crate::backend::Schemas;
use crate::backend::statements::{Over, Statements};

/// PostgreSQL, through a session of another driver: see [`Statements`].
///
/// It writes and reads the tables of [`Postgres`](crate::Postgres), and waits for the same lock. What it cannot know, since it has only
/// texts of the connection:
///
/// * What a script takes away is forecast from its text alone: names are not resolved. While it runs, a table that it replaces is compared with
///   the one that takes its place; rows that triggers and foreign key actions delete are not counted.
/// * Views, triggers and functions that a step leaves unusable are not looked for.
/// * Outside a transaction, a script that is interrupted in a statement waits for a person.
/// * A script that begins or ends a transaction outside the engine's is refused before it runs.
/// * Outside a transaction, a `CALL`, a `DO` or a statement with `CONCURRENTLY` that fails waits for a person, since some of it may stay.
/// * A statement is not interrupted: a run that is cancelled ends before the next one.
/// * The words of the server tell whether a lock was waited for in vain, in English.
/// * There is no rehearsal, no replay and no drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresOver<S>(Over<S>);

impl<S: Statements> Schemas for PostgresOver<S> {}
