//! [`TransactionFit`]: whether a script fits into a transaction.

use std::borrow::Cow;

use crate::remedy::Remedy;

/// Whether a script fits into the engine's transaction, as far as its text says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionFit {
    /// It runs in the engine's transaction. Where it begins and ends one itself that is all of it, those two statements are passed over.
    Inside,
    /// It runs outside a transaction, whatever its author asks for.
    Outside,
    /// It may fit and may not, and can run outside a transaction without harm: a setting that may be in force already.
    Either,
    /// One of its statements does not fit, and its author has to say what is to become of the others.
    Divided(TransactionConflict),
}

/// A statement that does not fit into the transaction of its script.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionConflict {
    /// Where the statement begins, in bytes.
    pub offset: usize,
    /// What is wrong with it, to go behind the name of the migration: "would end the transaction that it runs in".
    pub finding: Cow<'static, str>,
    /// What its author can do.
    pub remedy: Remedy,
    /// Whether the script cannot run outside a transaction either.
    pub is_hopeless: bool,
}

impl TransactionConflict {
    /// A statement that does not fit, at this byte offset.
    pub fn new(offset: usize, finding: impl Into<Cow<'static, str>>, remedy: impl Into<Remedy>) -> Self {
        Self { offset, finding: finding.into(), remedy: remedy.into(), is_hopeless: false }
    }

    /// Says that the script cannot run outside a transaction either.
    pub fn hopeless(mut self) -> Self {
        self.is_hopeless = true;
        self
    }
}
