//! [`MigrateError`]

use switchy_schema::MigrationError;
use switchy_schema::backend::Fault;

/// Why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The tracking table could not be dropped.
    #[error("`MOOSICBOX_DROP_MIGRATIONS_TABLE` is set, and the table cannot be dropped: {0}")]
    Database(Fault),
    /// The database does not say what kind of database it is, or it is one for which this crate was built without its scripts.
    #[error("{0}")]
    Unsuitable(Fault),
    /// The error of the engine, with the reason and a remedy. Its [`report`](MigrationError::report) lists the steps that were committed
    /// before.
    #[error(transparent)]
    Schema(#[from] MigrationError),
}
