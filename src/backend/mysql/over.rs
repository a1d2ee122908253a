//! [`MysqlOver`]: MySQL and MariaDB through a session that runs statements.

mod catalog;
mod driver;
mod exchange;
mod locks;
mod query;
mod records;
mod settings;
mod statement;
mod tables;

use crate::backend::Schemas;
use crate::backend::statements::{Over, Statements};

/// MySQL and MariaDB, through a session of another driver: see [`Statements`].
///
/// It writes and reads the tables of [`Mysql`](crate::Mysql), and waits for the same lock. What it cannot know, since it has only texts of
/// the connection:
///
/// * What a script takes away is forecast from its text alone: names are not resolved. While it runs, a table that it replaces is compared with
///   the one that takes its place; rows that triggers and foreign key actions delete are not counted.
/// * A script that is interrupted in a statement waits for a person, also if the catalogue could tell whether the statement was done.
/// * A script is refused before it runs if it has `LOCK TABLES`, and outside the engine's transaction if it begins or ends a transaction or
///   sets `autocommit`.
/// * A statement that fails outside a transaction waits for a person unless it is certain to have done nothing: a `CALL`, one that drops
///   several objects, and one that changes rows if a table of the database has no transactions.
/// * A statement is not interrupted: a run that is cancelled ends before the next one.
/// * The words of the server tell whether a lock was waited for in vain, in English.
/// * There is no rehearsal and no drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MysqlOver<S>(Over<S>);

/// In MySQL, a schema is a database.
impl<S: Statements> Schemas for MysqlOver<S> {}
