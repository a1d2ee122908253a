//! [`DirectoryMigrations`]

use std::path::PathBuf;

use super::folder::Links;
use super::layout::{listed, migrations};
use super::{MigrationSource, folder};
use crate::backend::Backend;
use crate::error::Result;
use crate::migration::{Meta, Migration};

/// The migrations in a folder of SQL files, read when the program runs. [`layout`](super::layout) describes the folder.
///
/// ```
/// use rusqlite::Connection;
/// use switchy_schema::{DirectoryMigrations, MigrationRunner};
///
/// let runner = MigrationRunner::new(DirectoryMigrations::from_path("migrations"))?;
/// assert_eq!(runner.run(&Connection::open_in_memory()?)?.applied.len(), 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct DirectoryMigrations {
    root: PathBuf,
    links: Links,
}

impl DirectoryMigrations {
    /// Creates a source from a folder. The folder is read when the migrations are requested, and symbolic links are
    /// followed.
    pub fn from_path(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), links: Links::Follow }
    }

    /// Sets what happens with symbolic links. For a folder that the author of the program did not make, [`Links::StayInside`] keeps it from
    /// naming other files.
    pub fn links(mut self, links: Links) -> Self {
        self.links = links;
        self
    }
}

impl<B: Backend> MigrationSource<B> for DirectoryMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        migrations(&self.root.to_string_lossy(), folder::entries(&self.root, self.links)?)
    }

    fn list(&self) -> Result<Vec<Meta>> {
        listed(B::DIALECT, &self.root.to_string_lossy(), folder::outline(&self.root, self.links)?)
    }
}
