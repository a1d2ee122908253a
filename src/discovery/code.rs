//! [`CodeMigration`] and [`CodeMigrations`]

use std::panic::Location;
use std::sync::Arc;

use super::MigrationSource;
use crate::backend::Backend;
#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::dialect::Dialect;
use crate::error::{Failure, Result, defined_twice};
use crate::fault::BoxError;
use crate::id::MigrationId;
use crate::migration::{Migration, Origin};

/// A migration that is implemented by a type.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{BoxError, CodeMigration, CodeMigrations, MigrationId, MigrationRunner};
///
/// struct Slugs;
///
/// impl CodeMigration for Slugs {
///     fn id(&self) -> MigrationId {
///         MigrationId::from_static("2026-03-01-090000_slugs")
///     }
///
///     fn up(&self, conn: &Connection) -> Result<(), BoxError> {
///         conn.execute_batch("CREATE TABLE slugs (slug TEXT)")?;
///         Ok(())
///     }
/// }
///
/// let runner = MigrationRunner::new(CodeMigrations::new().register(Slugs))?;
/// assert_eq!(runner.run(&Connection::open_in_memory()?)?.applied.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CodeMigration<
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
>: Send + Sync + 'static
{
    /// Its unique name.
    fn id(&self) -> MigrationId;

    /// Applies the migration, inside the step's transaction.
    ///
    /// # Errors
    /// Any error rolls back the step.
    fn up(&self, conn: B::Conn<'_>) -> Result<(), BoxError>;

    /// Rolls the migration back. It is called only if [`reversible`](Self::reversible) returns `true`.
    ///
    /// # Errors
    /// Any error rolls back the step.
    fn down(&self, conn: B::Conn<'_>) -> Result<(), BoxError> {
        let _ = conn;
        Err("this migration cannot be undone".into())
    }

    /// Whether [`down`](Self::down) is implemented. Return `true` if you implement it.
    fn reversible(&self) -> bool {
        false
    }

    /// What it does, in one line.
    fn description(&self) -> Option<&str> {
        None
    }

    /// The migrations that must be applied before it.
    fn depends_on(&self) -> Vec<MigrationId> {
        Vec::new()
    }

    /// The databases it is for; empty means all.
    fn supported_databases(&self) -> Vec<Dialect> {
        Vec::new()
    }
}

impl<B: Backend> Migration<B> {
    /// Creates a migration from a type that implements [`CodeMigration`].
    #[track_caller]
    pub fn from_code(code: impl CodeMigration<B>) -> Self {
        let code = Arc::new(code);
        let up = Arc::clone(&code);
        let mut migration = Self::function(code.id(), move |conn: B::Conn<'_>| up.up(conn));
        migration.meta.description = code.description().map(|text| text.to_owned().into());
        migration.meta.depends_on = code.depends_on();
        migration.meta.databases = code.supported_databases();
        if code.reversible() { migration.undo(move |conn: B::Conn<'_>| code.down(conn)) } else { migration }
    }
}

/// A registry of migrations written in code, and of any other migrations.
#[derive(Debug, Clone)]
pub struct CodeMigrations<
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
> {
    migrations: Vec<(Migration<B>, &'static Location<'static>)>,
}

impl<B: Backend> CodeMigrations<B> {
    /// An empty registry.
    pub const fn new() -> Self {
        Self { migrations: Vec::new() }
    }

    /// Adds a migration that is implemented by a type.
    #[track_caller]
    pub fn register(self, code: impl CodeMigration<B>) -> Self {
        self.register_migration(Migration::from_code(code))
    }

    /// Adds a migration.
    #[track_caller]
    pub fn register_migration(mut self, migration: Migration<B>) -> Self {
        self.migrations.push((migration, Location::caller()));
        self
    }
}

impl<B: Backend> Default for CodeMigrations<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Backend> MigrationSource<B> for CodeMigrations<B> {
    /// # Errors
    /// An id is registered twice; the error names both places.
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        let mut seen = std::collections::HashMap::new();
        let mut twice = Vec::new();
        for (migration, place) in &self.migrations {
            if let Some(first) = seen.insert(migration.id(), *place) {
                twice.push(defined_twice(migration.id(), Origin::Code(first), Origin::Code(place)));
            }
        }
        if !twice.is_empty() {
            return Err(Failure::Set(twice).into());
        }
        Ok(self.migrations.iter().map(|(migration, _)| migration.clone()).collect())
    }
}
