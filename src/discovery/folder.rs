//! The files of a folder: [`entries`]

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::layout::Entry;
use super::stale::is_script_or_metadata;
use crate::error::{Failure, MigrationError, Result};
use crate::location::Location;
#[cfg(any(feature = "directory", feature = "build"))]
use crate::migration::right_name;

/// The scripts and metadata in a folder, and files that are probably scripts with a misspelled name, unordered.
#[cfg(any(feature = "directory", feature = "build"))]
pub(crate) fn entries(root: &Path, links: Links) -> Result<Vec<Entry>> {
    let probably_script = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        right_name(name, true).or_else(|| right_name(name, false)).is_some()
    };
    find(root, links, |path| is_script_or_metadata(path) || probably_script(path))
}

/// The scripts and metadata in a folder, unordered.
#[cfg(feature = "remote")]
pub(crate) fn scripts(root: &Path) -> Result<Vec<Entry>> {
    find(root, Links::Follow, is_script_or_metadata)
}

/// The files in a folder, unordered. Symbolic links are followed, hidden names are skipped.
/// What happens with symbolic links in a folder of migrations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Links {
    /// They are followed.
    #[default]
    Follow,
    /// They are followed inside the folder. A link out of it is an error: in a set that somebody else made, it could name any file of this user,
    /// whose lines would run, be stored or appear in an error.
    StayInside,
}

/// Refuses a link that leaves the folder.
fn refuse_outside(root: &Path, entry: &walkdir::DirEntry) -> Result<()> {
    let real = |path: &Path| -> Result<PathBuf> {
        let real = path.canonicalize();
        Ok(real.map_err(|cause| Failure::Unreadable { path: path.to_owned(), cause })?)
    };
    if !entry.path_is_symlink() || real(entry.path())?.starts_with(real(root)?) {
        return Ok(());
    }
    Err(Failure::Malformed {
        at: Location::file(entry.path().to_string_lossy()),
        what: "it is a link to something outside of the folder, which is not followed".to_owned(),
        remedy: "replace it with the file itself if that is meant".into(),
    }
    .into())
}

fn find(root: &Path, links: Links, is_wanted: impl Fn(&Path) -> bool) -> Result<Vec<Entry>> {
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
        if links == Links::StayInside {
            refuse_outside(root, &entry)?;
        }
        let path = entry.path();
        if entry.file_type().is_file() && is_wanted(path) {
            // Any other file is only reported by its name.
            let bytes = if is_script_or_metadata(path) { std::fs::read(path) } else { Ok(Vec::new()) };
            let bytes = bytes.map_err(|cause| Failure::Unreadable { path: path.to_owned(), cause })?;
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
