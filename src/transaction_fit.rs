//! [`TransactionFit`]: whether a script fits into a transaction.

use std::borrow::Cow;

use crate::remedy::Remedy;

/// Whether a script fits into the engine's transaction, judged by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionFit {
    /// It runs in the engine's transaction. If the script itself begins and ends one transaction that spans all of it, those two
    /// statements are skipped.
    Inside,
    /// It runs outside a transaction, whatever its author requests.
    Outside,
    /// It may or may not fit, and can run outside a transaction without harm. An example is a setting that may already be in force.
    Either,
    /// One of its statements does not fit, and its author must decide how the other statements run.
    Divided(TransactionConflict),
}

/// A statement that does not fit into the transaction of its script.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionConflict {
    /// Where the statement begins, in bytes.
    pub offset: usize,
    /// What is wrong with it, worded to follow the name of the migration: "would end the transaction that it runs in".
    pub finding: Cow<'static, str>,
    /// What the author can do.
    pub remedy: Remedy,
    /// Whether the script cannot run outside a transaction either.
    pub is_hopeless: bool,
}

impl TransactionConflict {
    /// A statement that does not fit, at this byte offset.
    pub fn new(offset: usize, finding: impl Into<Cow<'static, str>>, remedy: impl Into<Remedy>) -> Self {
        Self { offset, finding: finding.into(), remedy: remedy.into(), is_hopeless: false }
    }

    /// Marks a script that cannot run outside a transaction either.
    pub fn hopeless(mut self) -> Self {
        self.is_hopeless = true;
        self
    }
}
