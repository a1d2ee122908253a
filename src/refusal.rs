//! [`Refusal`]: a statement that is certain to be refused, as the text of its script shows.

use crate::fault::Fault;

/// A statement of a script that cannot succeed: the database, its client or the engine refuses it. It is found in the text, before
/// anything runs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refusal {
    /// What is wrong with it, with its offset and its statement.
    pub fault: Fault,
    /// The statement is refused only if this is the schema in which names without one are looked up; `None` if it is refused anywhere.
    pub only_in: Option<String>,
}

impl Refusal {
    /// A statement that is refused anywhere.
    pub fn new(fault: Fault) -> Self {
        Self { fault, only_in: None }
    }

    /// Limits it to a database whose current schema has this name.
    pub fn only_in(mut self, schema: impl Into<String>) -> Self {
        self.only_in = Some(schema.into());
        self
    }

    /// Whether the statement is one of those from this number on. A script that cannot be split is refused as a whole.
    pub(crate) fn is_from(&self, number: u32) -> bool {
        self.fault.details.statement.as_ref().is_none_or(|(own, _)| *own >= number)
    }
}
