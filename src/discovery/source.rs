//! [`MigrationSource`]: a source of migrations.

use super::compiled::CompiledMigrations;
use crate::backend::Backend;
#[cfg(feature = "sqlite")]
use crate::backend::Sqlite;
use crate::error::Result;
use crate::migration::{Meta, Migration};

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

    /// What the source has, without a database: ids, descriptions, where each migration is defined, and for which databases and environments it
    /// is. Files that are reported and never run are included ([`Meta::unread`]). The order is not that in which they run; for that, see
    /// [`MigrationRunner::list`](crate::MigrationRunner::list), which also refuses a set whose migrations do not fit together.
    ///
    /// A folder, on disk or behind a URL, is listed without its scripts: only names and metadata are read, so a checksum is `None`, and
    /// a script that cannot be read is no error.
    ///
    /// ```
    /// use switchy_schema::{DirectoryMigrations, MigrationSource, Sqlite};
    ///
    /// let source = DirectoryMigrations::from_path("migrations");
    /// for meta in MigrationSource::<Sqlite>::list(&source)? {
    ///     println!("{}: {} ({})", meta.id, meta.description.unwrap_or_default(), meta.origin);
    /// }
    /// # Ok::<(), switchy_schema::MigrationError>(())
    /// ```
    ///
    /// # Errors
    /// The source cannot be reached, or its names or metadata are malformed.
    fn list(&self) -> Result<Vec<Meta>> {
        Ok(self.migrations()?.into_iter().map(|migration| migration.meta).collect())
    }

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

    fn list(&self) -> Result<Vec<Meta>> {
        let mut metas = self.0.list()?;
        metas.append(&mut self.1.list()?);
        Ok(metas)
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

    fn list(&self) -> Result<Vec<Meta>> {
        (**self).list()
    }

    fn compiled(&self) -> Option<CompiledMigrations> {
        (**self).compiled()
    }
}

impl<B: Backend, S: MigrationSource<B> + ?Sized> MigrationSource<B> for Box<S> {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        (**self).migrations()
    }

    fn list(&self) -> Result<Vec<Meta>> {
        (**self).list()
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
