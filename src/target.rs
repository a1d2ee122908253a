//! [`Target`]: where a run should end.

use crate::id::MigrationId;

/// Where a run should end.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, Target};
///
/// let conn = Connection::open_in_memory()?;
/// let runner = MigrationRunner::new(["1_a", "2_b", "3_c"].map(|id| Migration::sql(id, "")))?;
///
/// assert_eq!(runner.run_to(&conn, Target::Before("3_c".into()))?.applied.len(), 2);
/// assert!(runner.run_to(&conn, Target::Through("4_d".into())).is_err());
/// assert_eq!(runner.run_to(&conn, Target::Steps(5))?.applied[0].id, "3_c");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// Everything is applied.
    Latest,
    /// Everything up to and including this migration is applied.
    Through(MigrationId),
    /// Everything before this migration is applied; it stays pending.
    Before(MigrationId),
    /// This many of the pending migrations are applied, or all if there are fewer.
    Steps(usize),
    /// This many of the applied migrations are undone, newest first, or all if there are fewer.
    Back(usize),
    /// Everything applied after this migration is undone; this migration stays applied.
    BackTo(MigrationId),
    /// Everything is undone.
    Empty,
    /// The newest applied migration is undone and applied again, in one transaction if it runs in a transaction.
    Redo,
    /// Everything that the program does not know is undone, newest first, with the scripts that were stored in the database when it
    /// was applied: the rollback by an older program. Each script is first tried on a copy of the schema.
    Known,
}

impl Target {
    /// Whether a run that stopped halfway can simply start again, because it ends at the same place.
    pub(crate) const fn is_fixed(&self) -> bool {
        !matches!(self, Self::Steps(_) | Self::Back(_) | Self::Redo)
    }

    /// Whether a run to it only applies migrations.
    pub(crate) const fn applies(&self) -> bool {
        matches!(self, Self::Latest | Self::Through(_) | Self::Before(_) | Self::Steps(_))
    }

    /// The migration it names.
    pub(crate) const fn migration(&self) -> Option<&MigrationId> {
        match self {
            Self::Through(id) | Self::Before(id) | Self::BackTo(id) => Some(id),
            _ => None,
        }
    }
}
