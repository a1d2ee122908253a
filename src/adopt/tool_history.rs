//! [`ToolHistory`]: the content of another tool's table, before it is matched with the set.

use super::adoption::Finding;
use super::sums::Sum;
use crate::objection::Objection;
use crate::printable::Printable;
use crate::remedy::Remedy;

/// A migration that is applied according to the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolRecord {
    /// Its name in the tool, for messages.
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) sum: Option<Sum>,
    pub(super) applied_on: Option<String>,
    /// The finding if the set has it: [`Finding::Matched`], unless it is not in the table itself.
    pub(super) finding: Finding,
}

/// How a record is matched with a migration of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// By its whole name, or by its version if no migration has that name.
    Named { id: Option<String>, version: Option<String> },
    /// By its checksum alone.
    Hashed,
}

/// What is applied besides the records, because something later is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Through {
    /// Everything before this version.
    Before(String),
    /// Everything up to and including this version.
    Version(String),
    /// The first migrations of the set, up to this number.
    Position(i64),
}

/// The content of a tool's table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ToolHistory {
    /// In the order in which they were applied, if the tool stores it.
    pub(super) records: Vec<ToolRecord>,
    pub(super) order: Order,
    pub(super) through: Option<Through>,
    pub(super) objections: Vec<Objection>,
}

/// The order of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// The order in which they were applied.
    Applied,
    /// No order is stored, but the tool applies by version.
    #[default]
    Unknown,
}

impl ToolHistory {
    /// A history that cannot be adopted at all.
    pub(super) fn refused(finding: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self { objections: vec![Objection::new(finding, remedy)], ..Self::default() }
    }
}

/// A text from a database, for messages: on one line, in backticks, truncated if it is long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let line = text.replace('`', "'").replace('\t', " ");
    let cut: String = line.chars().take(LONGEST).collect();
    let dots = if cut.len() < line.len() { "..." } else { "" };
    format!("`{}{dots}`", Printable(&cut))
}

/// The maximum number of names in a message.
const MOST_NAMED: usize = 10;

/// Lists up to `MOST_NAMED` names for a message.
pub(super) fn listed(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMED { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(MOST_NAMED)].join(", "))
}
