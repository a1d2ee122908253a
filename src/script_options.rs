//! [`ScriptOptions`]: how a script runs, and what its author allows it.

/// Whether a step and its record are one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Atomicity {
    /// The script and its record are committed together, or neither is.
    #[default]
    Transaction,
    /// The script runs outside a transaction (`run_in_transaction = false`); while it runs, its record is dirty.
    NonTransactional,
}

/// What enforcement of foreign keys a step runs under, where the database lets it be chosen (SQLite).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ForeignKeys {
    /// Enforcement is off while the step runs, so that rebuilding a table fires no `ON DELETE` action; rows that
    /// point nowhere afterwards, and did not before, are an error.
    #[default]
    Checked,
    /// `foreign_keys = "on"`: enforcement is on, and a statement of its script whose `ON DELETE` or `ON UPDATE` actions change rows
    /// of other tables is an error unless the migration says `allow = ["cascade"]`.
    Enforced,
    /// `foreign_keys = "off"`: enforcement is off and nothing is checked.
    Unchecked,
}

/// Whether `ON DELETE` and `ON UPDATE` actions may change rows of other tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cascade {
    /// That is an error.
    #[default]
    Refused,
    /// The author says it is meant.
    Allowed,
}

/// Whether the author of a migration says that what it takes away is meant to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DataLoss {
    /// Nothing is said, so it is a finding ([`ProblemKind::Destructive`](crate::ProblemKind::Destructive)).
    #[default]
    Undeclared,
    /// It is meant (`allow = ["destructive"]`).
    Declared,
}

/// How a script runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ScriptOptions {
    pub(crate) atomicity: Atomicity,
    pub(crate) foreign_keys: ForeignKeys,
    pub(crate) cascade: Cascade,
}

impl ScriptOptions {
    pub(crate) fn in_words(self) -> String {
        let atomicity = match self.atomicity {
            Atomicity::NonTransactional => Some("guarded"),
            Atomicity::Transaction => None,
        };
        let foreign_keys = match self.foreign_keys {
            ForeignKeys::Enforced => Some("foreign_keys=on"),
            ForeignKeys::Unchecked => Some("foreign_keys=off"),
            ForeignKeys::Checked => None,
        };
        let cascade = match self.cascade {
            Cascade::Allowed => Some("cascade"),
            Cascade::Refused => None,
        };
        let words: Vec<&str> = [atomicity, foreign_keys, cascade].into_iter().flatten().collect();
        words.join(" ")
    }
}
