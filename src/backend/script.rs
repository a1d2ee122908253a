//! What a backend is given to run, and what surrounds it.

use std::time::Duration;

use super::session::Session;
use crate::effect::Trust;
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
