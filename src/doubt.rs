//! [`Doubt`]: a doubt that a person must accept before the history of another tool is adopted.

use std::fmt;

/// A doubt about the history of another tool. A person must accept it before the history is adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Doubt {
    /// The tool does not store everything that is needed, so part of the history is assumed.
    Lost,
    /// The tool applied a migration that the set does not have. It is not recorded.
    Orphaned,
    /// A script differs from the one that was applied.
    Changed,
    /// The schema differs from the one that the migrations create, or they cannot be replayed.
    Unproven,
}

impl Doubt {
    /// All doubts.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Orphaned, Self::Changed, Self::Unproven];

    /// The doubt as a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Orphaned => "orphaned",
            Self::Changed => "changed",
            Self::Unproven => "unproven",
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
