//! [`ScriptProgress`]: how far a script got, and [`StatementOutcome`]: whether an interrupted statement took effect.

use crate::remedy::Remedy;

/// How far a script got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptProgress {
    /// The next statement, from 1; those before it are done. If all are done, it is the number of statements plus one.
    pub statement: u32,
    /// The number of statements.
    pub of: Option<u32>,
    /// The state of the database before the statement, if the statement begins now and cannot share a transaction with its record. After
    /// an interruption, [`Driver::statement_outcome`](crate::backend::Driver::statement_outcome) compares it with the current state.
    pub mark: Option<String>,
}

impl ScriptProgress {
    /// The progress of a script whose next statement is this one and has not begun.
    pub fn statement(statement: u32) -> Self {
        Self { statement, of: None, mark: None }
    }
}

/// Whether an interrupted statement took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementOutcome {
    /// It took effect.
    Completed,
    /// It had no effect.
    NoEffect,
    /// It took effect in part.
    Partial {
        /// What it left behind.
        what: String,
        /// What to do before the statement can run again.
        remedy: Remedy,
    },
    /// A session still runs it. The value is the name that the database gives the session.
    Running(String),
    /// The outcome cannot be determined. The value is the reason.
    Unknown(String),
}
