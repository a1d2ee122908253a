//! [`DirectoryMigrations`]

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::MigrationSource;
use super::layout::{Entry, migrations};
use crate::backend::Backend;
use crate::error::{Failure, Location, MigrationError, Result};
use crate::migration::Migration;

/// A folder of SQL files, read when the program runs. [`layout`](super::layout) says how the folder looks.
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
}

impl DirectoryMigrations {
    /// The migrations in a folder. It is read when they are asked for, and links are followed.
    pub fn from_path(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl<B: Backend> MigrationSource<B> for DirectoryMigrations {
    fn migrations(&self) -> Result<Vec<Migration<B>>> {
        if !self.root.is_dir() {
            return Err(match std::fs::metadata(&self.root) {
                Ok(_) => Failure::MissingRoot(self.root.clone()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Failure::MissingRoot(self.root.clone())
                }
                Err(cause) => Failure::Unreadable { path: self.root.clone(), cause },
            }
            .into());
        }
        let visible = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b".");
        let mut entries = Vec::new();
        let walk = WalkDir::new(&self.root).follow_links(true).min_depth(1);
        for entry in walk.into_iter().filter_entry(|entry| visible(entry.file_name())) {
            let entry = match entry {
                Ok(entry) => entry,
                // Emacs keeps its locks as links that point nowhere, `.#up.sql`.
                Err(error) if error.path().and_then(Path::file_name).is_some_and(|name| !visible(name)) => {
                    continue;
                }
                Err(error) => return Err(unreadable(&self.root, error)),
            };
            let path = entry.path();
            if entry.file_type().is_file() && is_ours(path) {
                let bytes = std::fs::read(path)
                    .map_err(|cause| Failure::Unreadable { path: path.to_owned(), cause })?;
                entries.push(Entry::new(relative(&self.root, path)?, bytes));
            }
        }
        migrations(&self.root.to_string_lossy(), entries)
    }
}

/// Only these are read: a folder may hold anything else, of any size.
fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("sql") || extension.eq_ignore_ascii_case("toml")
    })
}

fn relative(root: &Path, path: &Path) -> Result<String> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    match relative.to_str() {
        Some(relative) => Ok(relative.replace(std::path::MAIN_SEPARATOR, "/")),
        None => Err(Failure::Malformed {
            at: Location::file(path.to_string_lossy()),
            what: "its name is not Unicode, and an id must be".to_owned(),
            remedy: "rename it",
        }
        .into()),
    }
}

fn unreadable(root: &Path, error: walkdir::Error) -> MigrationError {
    let path = error.path().unwrap_or(root).to_owned();
    let cause = match error.loop_ancestor() {
        Some(ancestor) => std::io::Error::other(format!("it is a link back to {}", ancestor.display())),
        None => error.into_io_error().unwrap_or_else(|| std::io::Error::other("it cannot be walked")),
    };
    Failure::Unreadable { path, cause }.into()
}
