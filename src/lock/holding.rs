//! [`Holding`]: a lock that is held.

use super::file::Locked;
use crate::dialect::TableName;

/// A lock that is held, or the absence of one.
#[derive(Debug)]
pub(crate) struct Holding {
    file: Option<Locked>,
    /// The tracking table that the lock protects, with its schema.
    pub(crate) table: TableName,
}

impl Holding {
    /// Without a lock file.
    pub(crate) fn of(table: &TableName) -> Self {
        Self { file: None, table: table.clone() }
    }

    /// With the lock file.
    pub(super) fn with(self, file: Locked) -> Self {
        Self { file: Some(file), ..self }
    }

    /// Writes the current migration to the lock file, for the messages of waiting runs.
    pub(crate) fn announce(&self, migration: impl std::fmt::Display) {
        if let Some(locked) = &self.file {
            locked.announce(migration);
        }
    }
}
