//! [`Doubt`]: what a person has to accept before the history of another tool is believed.

use std::fmt;

/// What a person has to say yes to before a history is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Doubt {
    /// The tool does not keep what would have to be known, so part of the history is assumed.
    Lost,
    /// Something is applied that the set does not have. It is not recorded.
    Orphaned,
    /// A script is not the one that was applied.
    Changed,
    /// The schema is not the one that the migrations make, or they cannot be replayed.
    Unproven,
}

impl Doubt {
    /// All of them.
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
