//! [`Step`]: what a statement did on the copy.

use std::ops::ControlFlow;

use super::quoted::QuotedWord;
use super::watch::Seen;
use crate::effect::FailureCause;
use crate::fault::Fault;

/// The result of a statement.
pub(super) struct Step {
    /// The length of the statement, if SQLite reports it.
    pub(super) len: Option<usize>,
    /// The fault, and its offset in the statement.
    pub(super) failure: Option<(Fault, usize)>,
    pub(super) cause: FailureCause,
    pub(super) quoted: Option<QuotedWord>,
    pub(super) flow: ControlFlow<()>,
    /// What the statement does, as SQLite reported it when it prepared the statement.
    pub(super) seen: Seen,
}

impl Default for Step {
    fn default() -> Self {
        let (cause, seen) = (FailureCause::Unknown, Seen::default());
        Self { len: None, failure: None, cause, quoted: None, flow: ControlFlow::Continue(()), seen }
    }
}

impl Step {
    pub(super) fn failed(self, failure: Fault, offset: usize, is_end: bool) -> Self {
        let flow = if is_end { ControlFlow::Break(()) } else { self.flow };
        Self { failure: Some((failure, offset)), flow, ..self }
    }
}
