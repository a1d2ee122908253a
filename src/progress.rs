//! [`ScriptProgress`]: how far a script came, and [`StatementOutcome`]: whether an interrupted statement took effect.

/// How far a script came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptProgress {
    /// The next statement, from 1; those before it are done. If all are done, it is one more than there are.
    pub statement: u32,
    /// The number of statements.
    pub of: Option<u32>,
    /// If the statement begins now and cannot be one transaction with its record: the state of the database before it, which
    /// [`Driver::statement_outcome`](crate::backend::Driver::statement_outcome) compares after an interruption.
    pub mark: Option<String>,
}

impl ScriptProgress {
    /// A statement is next and has not begun.
    pub fn statement(statement: u32) -> Self {
        Self { statement, of: None, mark: None }
    }
}

/// Whether an interrupted statement took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementOutcome {
    /// It did.
    Completed,
    /// It did not, and left nothing.
    NoEffect,
    /// It did in part.
    Partial {
        /// What it left behind.
        what: String,
        /// What to do before it can run again.
        remedy: String,
    },
    /// A session still runs it; the session as the database names it.
    Running(String),
    /// It cannot be determined; the reason.
    Unknown(String),
}
