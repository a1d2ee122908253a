//! [`EmbeddedMigrations`]

use include_dir::{Dir, DirEntry};

use super::MigrationSource;
use super::layout::{Entry, migrations};
use crate::backend::Backend;
use crate::error::Result;
use crate::migration::Migration;

/// A folder of SQL files inside the program. [`layout`](super::layout) says how the folder looks.
///
/// `cargo` does not notice by itself when a file is *added* to the folder: a `build.rs` that prints
/// `cargo::rerun-if-changed=migrations` makes it.
///
/// ```
/// use include_dir::{Dir, include_dir};
/// use rusqlite::Connection;
/// use switchy_schema::{EmbeddedMigrations, MigrationRunner};
///
/// static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
///
/// let runner = MigrationRunner::new(EmbeddedMigrations::new(&MIGRATIONS))?;
/// assert_eq!(runner.run(&Connection::open_in_memory()?)?.applied.len(), 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EmbeddedMigrations {
    root: &'static Dir<'static>,
}

impl EmbeddedMigrations {
    /// The migrations in a folder that `include_dir!` embedded.
    pub const fn new(root: &'static Dir<'static>) -> Self {
        Self { root }
    }
}

impl<B: Backend> MigrationSource<B> for EmbeddedMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        let mut entries = Vec::new();
        collect(self.root, &mut entries);
        // `include_dir!` of a folder inside another one keeps the whole path; the set begins here.
        let root = self.root.path().to_string_lossy().replace('\\', "/");
        for entry in &mut entries {
            if let Some(inside) = entry.path.strip_prefix(&root).filter(|_| !root.is_empty()) {
                entry.path = inside.trim_start_matches('/').to_owned();
            }
        }
        migrations(&root, entries)
    }
}

fn collect(folder: &Dir<'static>, entries: &mut Vec<Entry>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, entries),
            DirEntry::File(file) => {
                entries.push(Entry::new(file.path().to_string_lossy().replace('\\', "/"), file.contents()));
            }
        }
    }
}
