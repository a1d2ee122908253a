//! The files of a folder: [`entries`]

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::layout::Entry;
#[cfg(feature = "directory")]
use super::layout::is_metadata;
use super::stale::is_script_or_metadata;
use crate::error::{Failure, MigrationError, Result};
use crate::location::Location;
#[cfg(any(feature = "directory", feature = "build"))]
use crate::migration::right_name;

/// The scripts and metadata in a folder, and files that are probably scripts with a misspelled name, unordered.
#[cfg(any(feature = "directory", feature = "build"))]
pub(crate) fn entries(root: &Path, links: Links) -> Result<Vec<Entry>> {
    // Any other file is only reported by its name.
    find(root, links, is_wanted, is_script_or_metadata)
}

/// Whether it is a script, metadata, or probably a script with a misspelled name.
#[cfg(any(feature = "directory", feature = "build"))]
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    is_script_or_metadata(path) || right_name(name, true).or_else(|| right_name(name, false)).is_some()
}

/// The same without the contents of scripts.
#[cfg(feature = "directory")]
pub(crate) fn outline(root: &Path, links: Links) -> Result<Vec<Entry>> {
    let is_metadata = |path: &Path| is_metadata(&path.to_string_lossy());
    find(root, links, is_wanted, is_metadata)
}

/// The scripts and metadata in a folder, unordered.
#[cfg(feature = "remote")]
pub(crate) fn scripts(root: &Path) -> Result<Vec<Entry>> {
    find(root, Links::Follow, is_script_or_metadata, is_script_or_metadata)
}

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
    let what = "it is a link to something outside of the folder, which is not followed";
    Err(malformed(entry.path(), what, "replace it with the file itself if that is meant"))
}

/// The files in a folder, unordered, with the contents of those to be read. Hidden names are skipped.
fn find(
    root: &Path,
    links: Links,
    is_wanted: impl Fn(&Path) -> bool,
    is_read: impl Fn(&Path) -> bool,
) -> Result<Vec<Entry>> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(malformed(root, "it is not a folder", "check the path")),
        Err(cause) if root.is_symlink() => return Err(broken_link(root, &cause)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Failure::MissingRoot(root.to_owned()).into());
        }
        Err(cause) => return Err(Failure::Unreadable { path: root.to_owned(), cause }.into()),
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
        // A script that does not run must not go unnoticed, and reading a pipe or a device may never end.
        let is_odd = if entry.file_type().is_dir() { is_part(path) } else { !entry.file_type().is_file() };
        if is_odd && is_script_or_metadata(path) {
            let what = if entry.file_type().is_dir() { "a folder" } else { "a pipe, a socket or a device" };
            let what = format!("it has the name of a script or of metadata, and is {what}");
            return Err(malformed(path, what, "replace it with a file, or remove it"));
        }
        if entry.file_type().is_file() && is_wanted(path) {
            let bytes = if is_read(path) { std::fs::read(path) } else { Ok(Vec::new()) };
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
        None => Err(malformed(path, "its name is not Unicode, and an id must be", "rename it")),
    }
}

/// Whether a path has a name that only a part of a migration has. A folder `1_users.sql` may be a migration.
fn is_part(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    ["up.sql", "down.sql", "metadata.toml"].iter().any(|part| name.eq_ignore_ascii_case(part))
}

fn malformed(path: &Path, what: impl Into<String>, remedy: &'static str) -> MigrationError {
    let at = Location::file(path.to_string_lossy());
    Failure::Malformed { at, what: what.into(), remedy: remedy.into() }.into()
}

/// The error about a link whose target is missing or cannot be reached.
fn broken_link(path: &Path, cause: &std::io::Error) -> MigrationError {
    let target = std::fs::read_link(path).unwrap_or_default();
    let what = format!("it is a link to {}, which cannot be followed: {cause}", target.display());
    malformed(path, what, "correct the link, or remove it")
}

fn unreadable(root: &Path, error: walkdir::Error) -> MigrationError {
    let path = error.path().unwrap_or(root).to_owned();
    if let (true, Some(cause)) = (path.is_symlink(), error.io_error()) {
        return broken_link(&path, cause);
    }
    if let Some(ancestor) = error.loop_ancestor() {
        return malformed(&path, format!("it is a link back to {}", ancestor.display()), "remove the link");
    }
    let cause = error.into_io_error().unwrap_or_else(|| std::io::Error::other("it cannot be walked"));
    Failure::Unreadable { path, cause }.into()
}
