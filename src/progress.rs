//! [`ScriptProgress`]: how far a script came, and [`StatementOutcome`]: whether a statement is done whose end nobody saw.

/// How far a script came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptProgress {
    /// The statement that is next, from 1: those before it are done. One more than there are if all are.
    pub statement: u32,
    /// How many there are.
    pub of: Option<u32>,
    /// If that statement begins now, and cannot be one transaction with what is noted of it: what the database is like before it, to be
    /// looked at by [`Driver::statement_outcome`](crate::backend::Driver::statement_outcome).
    pub mark: Option<String>,
}

impl ScriptProgress {
    /// Before a statement, which has not begun.
    pub fn statement(statement: u32) -> Self {
        Self { statement, of: None, mark: None }
    }
}

/// Whether a statement is done whose end nobody saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementOutcome {
    /// It is.
    Completed,
    /// It is not, and left nothing.
    NoEffect,
    /// It is not, and left something: what, and what to do about it.
    Partial {
        /// What it left.
        what: String,
        /// What to do before it can run again.
        remedy: String,
    },
    /// A session is still at work on it; which, as the database names it.
    Running(String),
    /// Nobody can tell; why.
    Unknown(String),
}
