//! [`MigrationSource`]: a source of migrations.

use super::compiled::CompiledMigrations;
use crate::backend::Backend;
#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::error::Result;
use crate::migration::Migration;

/// A source of migrations: a folder, a registry, a list, or anything else that can return [`Migration`]s.
///
/// A source guarantees no order; dependencies and ids decide the order, so sources can be combined.
///
/// # A library's migrations beside the application's
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{Migration, MigrationRunner, MigrationSource};
///
/// let library = [Migration::sql("2026-01-01-000000_cache", "CREATE TABLE cache (key TEXT)")];
/// let application = [
///     Migration::sql("2026-02-01-000000_index", "CREATE INDEX by_key ON cache (key)")
///         .depends_on("2026-01-01-000000_cache"),
/// ];
/// let runner = MigrationRunner::new(application.and(library))?;
/// assert_eq!(runner.run(&Connection::open_in_memory()?)?.applied[0].id, "2026-01-01-000000_cache");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait MigrationSource<
    #[cfg(feature = "sqlite")] B: Backend = Sqlite,
    #[cfg(not(feature = "sqlite"))] B: Backend,
>
{
    /// All migrations of the source.
    ///
    /// # Errors
    /// The source cannot be read, or something in it is malformed. The error names the place.
    fn migrations(&self) -> Result<Vec<Migration<B>>>;

    /// The set, if a build script has ordered and hashed it.
    #[doc(hidden)]
    fn compiled(&self) -> Option<CompiledMigrations> {
        None
    }

    /// Combines this source with another one.
    fn and<S: MigrationSource<B>>(self, other: S) -> Combined<Self, S>
    where
        Self: Sized,
    {
        Combined(self, other)
    }
}

/// Two sources combined into one by [`MigrationSource::and`].
#[derive(Debug, Clone, Copy)]
pub struct Combined<S, T>(S, T);

impl<B: Backend, S: MigrationSource<B>, T: MigrationSource<B>> MigrationSource<B> for Combined<S, T> {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        let mut migrations = self.0.migrations()?;
        migrations.append(&mut self.1.migrations()?);
        Ok(migrations)
    }
}

impl<B: Backend> MigrationSource<B> for [Migration<B>] {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        Ok(self.to_vec())
    }
}

impl<B: Backend, const N: usize> MigrationSource<B> for [Migration<B>; N] {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        Ok(self.to_vec())
    }
}

impl<B: Backend> MigrationSource<B> for Vec<Migration<B>> {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        Ok(self.clone())
    }
}

impl<B: Backend, S: MigrationSource<B> + ?Sized> MigrationSource<B> for &S {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        (**self).migrations()
    }

    fn compiled(&self) -> Option<CompiledMigrations> {
        (**self).compiled()
    }
}

impl<B: Backend, S: MigrationSource<B> + ?Sized> MigrationSource<B> for Box<S> {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        (**self).migrations()
    }

    fn compiled(&self) -> Option<CompiledMigrations> {
        (**self).compiled()
    }
}

impl<B: Backend> MigrationSource<B> for CompiledMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        self.refuse_unfit(B::DIALECT)?;
        Ok(self.0.migrations.iter().map(|migration| migration.definition().into()).collect())
    }

    fn compiled(&self) -> Option<CompiledMigrations> {
        Some(*self)
    }
}
