//! [`ToolHistory`]: what the table of another tool says, before anybody asks what it means for the set.

use super::adoption::Finding;
use super::sums::Sum;
use crate::error::Printable;
use crate::foreign::Objection;

/// Something that a tool says is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolRecord {
    /// What the tool calls it, for people.
    pub(super) name: String,
    pub(super) link: Link,
    pub(super) sum: Option<Sum>,
    pub(super) applied_on: Option<String>,
    /// What is to be said of it if it is found in the set: [`Finding::Matched`], unless it is not in the table itself.
    pub(super) finding: Finding,
}

/// How the migration of a fact is found in the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// By its whole name, and if there is none of that, by its version.
    Named { id: Option<String>, version: Option<String> },
    /// By its checksum alone.
    Hashed,
}

/// What is applied besides the facts, because something later is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Through {
    /// Everything before this version.
    Before(String),
    /// Everything up to this version, and that too.
    Version(String),
    /// So many of the set, in its order.
    Position(i64),
}

/// What a table says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ToolHistory {
    /// In the order in which it was applied, if the tool knows.
    pub(super) records: Vec<ToolRecord>,
    pub(super) order: Order,
    pub(super) through: Option<Through>,
    pub(super) objections: Vec<Objection>,
}

/// What the order of the facts is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// That in which they were applied.
    Applied,
    /// None, but the tool applies by version.
    #[default]
    Unknown,
}

impl ToolHistory {
    /// It cannot be taken over at all.
    pub(super) fn refused(finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { objections: vec![Objection::new(finding, remedy)], ..Self::default() }
    }
}

/// A text out of a database in a message: one line, in back-ticks, cut where it gets long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let line = text.replace('`', "'").replace('\t', " ");
    let cut: String = line.chars().take(LONGEST).collect();
    let dots = if cut.len() < line.len() { "..." } else { "" };
    format!("`{}{dots}`", Printable(&cut))
}

/// So many names stand in a sentence.
const MOST_NAMED: usize = 10;

/// Names in a sentence, as many as it holds.
pub(super) fn listed(names: &[String]) -> String {
    let more = if names.len() > MOST_NAMED { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(MOST_NAMED)].join(", "))
}
