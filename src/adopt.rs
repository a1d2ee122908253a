//! [`Adoption`]: what becomes of the history that another tool has kept. What is read of that, and the set, decide it; nothing here
//! touches a database.

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

/// Tables that are in no migration: what tools keep for themselves.
pub(crate) fn companions() -> impl Iterator<Item = &'static str> {
    tools::COMPANIONS.into_iter().chain(tools::FORMS.iter().map(|form| form.table))
}
