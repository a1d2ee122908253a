//! The files of a folder: [`entries`]

use std::path::Path;

use walkdir::WalkDir;

use super::layout::Entry;
use super::stale::is_script_or_metadata;
use crate::error::{Failure, MigrationError, Result};
use crate::location::Location;

/// The scripts and metadata in a folder, unordered. Symbolic links are followed, hidden names are skipped.
pub(crate) fn entries(root: &Path) -> Result<Vec<Entry>> {
    if !root.is_dir() {
        return Err(match std::fs::metadata(root) {
            Ok(_) => Failure::MissingRoot(root.to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Failure::MissingRoot(root.to_owned())
            }
            Err(cause) => Failure::Unreadable { path: root.to_owned(), cause },
        }
        .into());
    }
    let visible = |name: &std::ffi::OsStr| !name.as_encoded_bytes().starts_with(b".");
    let mut entries = Vec::new();
    let walk = WalkDir::new(root).follow_links(true).min_depth(1);
    for entry in walk.into_iter().filter_entry(|entry| visible(entry.file_name())) {
        let entry = match entry {
            Ok(entry) => entry,
            // Emacs creates locks as symbolic links to nothing, such as `.#up.sql`.
            Err(error) if error.path().and_then(Path::file_name).is_some_and(|name| !visible(name)) => {
                continue;
            }
            Err(error) => return Err(unreadable(root, error)),
        };
        let path = entry.path();
        if entry.file_type().is_file() && is_script_or_metadata(path) {
            let bytes =
                std::fs::read(path).map_err(|cause| Failure::Unreadable { path: path.to_owned(), cause })?;
            entries.push(Entry::new(relative(root, path)?, bytes));
        }
    }
    Ok(entries)
}

fn relative(root: &Path, path: &Path) -> Result<String> {
    let relative = path.strip_prefix(root).unwrap_or(path);
    match relative.to_str() {
        Some(relative) => Ok(relative.replace(std::path::MAIN_SEPARATOR, "/")),
        None => Err(Failure::Malformed {
            at: Location::file(path.to_string_lossy()),
            what: "its name is not Unicode, and an id must be".to_owned(),
            remedy: "rename it".into(),
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
