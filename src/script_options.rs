//! [`ScriptOptions`]: how a script runs, and what its author allows.

/// Whether a step and its record are in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Atomicity {
    /// The script and its record are committed together, or neither is.
    #[default]
    Transaction,
    /// The script runs outside a transaction (`run_in_transaction = false`); while it runs, its record is dirty.
    NonTransactional,
}

/// How foreign keys are enforced while a step runs, on databases where this can be chosen (SQLite).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ForeignKeys {
    /// Enforcement is off while the step runs, so that rebuilding a table fires no `ON DELETE` action. Rows that
    /// violate a foreign key after the step, and did not before, are an error.
    #[default]
    Checked,
    /// `foreign_keys = "on"`: enforcement is on. A statement of the script whose `ON DELETE` or `ON UPDATE` actions
    /// change rows of other tables is an error, unless the migration has `allow = ["cascade"]`.
    Enforced,
    /// `foreign_keys = "off"`: enforcement is off and nothing is checked.
    Unchecked,
}

/// Whether triggers and foreign key actions may take or change rows of other tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cascade {
    /// Such an action is an error.
    #[default]
    Refused,
    /// The migration declares such actions as intended (`allow = ["cascade"]`).
    Allowed,
}

/// Whether a migration declares that it drops or deletes data on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DataLoss {
    /// Not declared, so dropping or deleting data is a finding ([`ProblemKind::Destructive`](crate::ProblemKind::Destructive)), and so
    /// is losing rows that no statement names ([`ProblemKind::RowsLost`](crate::ProblemKind::RowsLost)).
    #[default]
    Undeclared,
    /// Declared (`allow = ["destructive"]`).
    Declared,
}

/// Whether a migration declares what its rebuilds of tables leave out or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RebuildLoss {
    /// Not declared, so an index, a trigger, a constraint or a default that is not created again is a finding
    /// ([`ProblemKind::LostInRebuild`](crate::ProblemKind::LostInRebuild)), and so are values that a copy changes
    /// ([`ProblemKind::ValuesChanged`](crate::ProblemKind::ValuesChanged)).
    #[default]
    Undeclared,
    /// Declared (`allow = ["rebuild"]`).
    Declared,
}

/// Whether a migration declares that all of its script is meant to run, also what follows a comment such as `-- +goose Down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DownPart {
    /// Not declared, so such a part is a finding ([`ProblemKind::DownPart`](crate::ProblemKind::DownPart)).
    #[default]
    Refused,
    /// Declared (`allow = ["down-part"]`).
    Allowed,
}

/// Whether values are put into a script before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ScriptForm {
    /// It runs as it is.
    #[default]
    Plain,
    /// It has placeholders, and runs with their values.
    WithPlaceholders,
}

/// How a script runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ScriptOptions {
    pub(crate) atomicity: Atomicity,
    pub(crate) foreign_keys: ForeignKeys,
    pub(crate) cascade: Cascade,
    pub(crate) data_loss: DataLoss,
    pub(crate) form: ScriptForm,
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
        let data_loss = match self.data_loss {
            DataLoss::Declared => Some("destructive"),
            DataLoss::Undeclared => None,
        };
        let form = match self.form {
            ScriptForm::WithPlaceholders => Some("placeholders"),
            ScriptForm::Plain => None,
        };
        let words = [atomicity, foreign_keys, cascade, data_loss, form];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        words.join(" ")
    }
}
