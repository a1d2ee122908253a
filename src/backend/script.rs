//! What a backend is given to run, and what surrounds it.

use std::time::Duration;

use super::{Backend, Session};
use crate::dialect::TableName;
use crate::effect::{PlannedScript, Trust};
use crate::fault::BoxError;
use crate::step::{Atomicity, Cascade, ForeignKeys};

/// What surrounds a step.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Scope {
    /// The enforcement of foreign keys it asks for.
    pub foreign_keys: ForeignKeys,
    /// How long to wait for another writer.
    pub patience: Duration,
    /// Whether only a script runs, and no code of the application.
    pub is_script: bool,
}

impl Scope {
    pub(crate) const fn new(foreign_keys: ForeignKeys, patience: Duration) -> Self {
        Self { foreign_keys, patience, is_script: false }
    }
}

/// A script to run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Script<'a> {
    /// The text, without byte order mark.
    pub text: &'a str,
    /// The statement to begin with, from 1: those before it are done.
    pub from: u32,
    /// Whether the engine has a transaction open around it.
    pub atomicity: Atomicity,
    /// The enforcement of foreign keys it runs under.
    pub foreign_keys: ForeignKeys,
    /// How long to try again a statement that finds the database busy.
    pub patience: Duration,
    /// Whether its author declared that rows of other tables go with what it deletes (`allow = ["cascade"]`).
    pub cascade: Cascade,
    /// Where it comes from: what a script out of the database sets on the connection is set back.
    pub trust: Trust,
    /// What the backend knows of the session, if only scripts of this run used it.
    pub session: Option<&'a Session>,
}

/// What came of trying to take a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockAttempt {
    /// This session has it.
    Acquired,
    /// Another session has it; who that is, as far as the database says.
    HeldBy(String),
    /// The database has no such lock.
    Unsupported,
}

/// Code of the application that makes a connection of ours like its own.
pub type Prepare<B> = dyn for<'c> Fn(<B as Backend>::Conn<'c>) -> Result<(), BoxError> + Send + Sync;

/// Scripts to be tried out.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct ForecastRequest<'a, B: Backend> {
    /// The scripts, in the order in which they would run.
    pub scripts: &'a [PlannedScript<'a>],
    /// The tables of the engine, which no script out of the database may touch.
    pub tables: &'a [TableName],
    /// Makes a connection of ours like the application's.
    pub prepare: Option<&'a Prepare<B>>,
}

impl<B: Backend> std::fmt::Debug for ForecastRequest<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ForecastRequest")
            .field("scripts", &self.scripts)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}
