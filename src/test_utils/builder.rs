//! [`TestMigrationBuilder`]: a folder of migrations.

use std::path::Path;

use tempfile::TempDir;

use crate::discovery::{DirectoryMigrations, MigrationSource};
use crate::error::Result;
use crate::migration::Migration;
use crate::runner::MigrationRunner;

/// A temporary folder of migrations that a test writes. The folder is removed when this value is dropped.
#[derive(Debug)]
pub struct TestMigrationBuilder {
    folder: TempDir,
}

impl TestMigrationBuilder {
    /// Creates an empty folder.
    ///
    /// # Panics
    /// If the temporary folder cannot be created.
    #[allow(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Writes a file. The path is relative to the folder.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file in the folder")).expect("its folders");
        std::fs::write(path, content).expect("its content");
        self
    }

    /// Writes a migration without a down script.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn migration(self, id: &str, up: &str) -> Self {
        self.file(format!("{id}/up.sql"), up)
    }

    /// Writes a migration with a down script.
    ///
    /// # Panics
    /// If a file cannot be written.
    pub fn reversible(self, id: &str, up: &str, down: &str) -> Self {
        self.migration(id, up).file(format!("{id}/down.sql"), down)
    }

    /// Writes the `metadata.toml` of a migration.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn metadata(self, id: &str, toml: &str) -> Self {
        self.file(format!("{id}/metadata.toml"), toml)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Creates a runner for the current content of the folder.
    ///
    /// # Panics
    /// If the content is not a valid set of migrations.
    #[track_caller]
    pub fn runner(&self) -> MigrationRunner {
        MigrationRunner::new_directory(self.path()).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The current content of the folder.
impl MigrationSource for TestMigrationBuilder {
    fn migrations(&self) -> Result<Vec<Migration>> {
        DirectoryMigrations::from_path(self.path()).migrations()
    }
}
