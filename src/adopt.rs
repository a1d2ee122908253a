//! [`Adoption`]: what adopting the history of another tool would record. It follows from the tool's table and the set;
//! nothing here accesses a database.

mod adoption;
mod choose;
mod display;
mod flagged;
mod form;
mod moment;
mod names;
mod plan;
mod sums;
mod tool;
mod tool_history;
mod tools;
mod versions;

pub use adoption::{Adopt, Adopted, Adoption, Finding, Proof};
pub(crate) use choose::{Chosen, Seen, candidates, choose};
pub(crate) use plan::{Known, Local, decide};
pub use tool::{Tool, UnknownTool};
pub(crate) use tool_history::quoted;

/// Tables that tools create for themselves. No migration creates them.
pub(crate) fn companions() -> impl Iterator<Item = &'static str> {
    tools::COMPANIONS.into_iter().chain(tools::FORMS.iter().map(|form| form.table))
}
