//! [`Statement`]: what the engine asks a connection for, and its [`Answer`].

use std::sync::mpsc::Sender;

use futures::future::BoxFuture;
use switchy_database::Database;
use switchy_schema::backend::{Fault, Texts};

/// Code of a migration that uses the connection as a database of `switchy_database`.
pub(crate) type Work = Box<dyn for<'d> FnOnce(&'d dyn Database) -> BoxFuture<'d, ()> + Send>;

/// A statement of the engine.
pub(crate) enum Statement {
    /// Run it, and ignore its rows.
    Run(String),
    /// Run it, and count the rows that it changed.
    Change(String),
    /// Run it, and return its rows.
    Rows(String),
    /// Run code of a migration.
    Work(Work),
}

/// What a statement returned.
#[derive(Debug)]
pub(crate) enum Answer {
    Done,
    Changed(u64),
    Rows(Texts),
}

/// A statement, and where its answer is expected.
pub(crate) struct Request {
    pub(crate) statement: Statement,
    pub(crate) reply: Sender<Result<Answer, Fault>>,
}
