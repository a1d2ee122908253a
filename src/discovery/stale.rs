//! Whether a folder still matches the set that was compiled into the program: [`refuse`]

use std::collections::BTreeMap;
use std::path::Path;

use crate::checksum::Checksum;
use crate::error::{Failure, Result};
use crate::location::Location;

/// The maximum depth of folders that are read, because a symbolic link may lead back.
const DEEPEST: usize = 16;

/// Cargo compares modification times, and a file can be copied with its old time.
const REMEDY: &str = "build it again, and if that changes nothing, `touch build.rs` first";

/// Refuses a folder whose scripts or metadata differ from these. A folder that does not exist or cannot be read is not
/// an error, because the program may run on another machine.
///
/// # Errors
/// A file was added, changed or removed.
pub(super) fn refuse<P: AsRef<str>>(
    folder: &str,
    files: impl IntoIterator<Item = (P, [u8; 32])>,
) -> Result<()> {
    let mut found = BTreeMap::new();
    if folder.is_empty() || find_hashes(Path::new(folder), "", 0, &mut found).is_err() {
        return Ok(());
    }
    let differs = |(path, what)| {
        let at = Location::file(format!("{folder}/{path}"));
        let what = format!("it was {what} since the program was built");
        Err(Failure::Malformed { at, what, remedy: REMEDY.into() }.into())
    };
    for (path, hash) in files {
        let path = path.as_ref();
        // Hidden files are not part of a set.
        if path.split('/').any(|part| part.starts_with('.')) {
            continue;
        }
        match found.remove(path) {
            Some(now) if *now.bytes() == hash => {}
            Some(_) => return differs((path.to_owned(), "changed")),
            None => return differs((path.to_owned(), "removed")),
        }
    }
    found.into_keys().next().map_or(Ok(()), |path| differs((path, "added")))
}

/// Finds the hash of each script and metadata file, by its path relative to the root.
fn find_hashes(
    folder: &Path,
    inside: &str,
    depth: usize,
    found: &mut BTreeMap<String, Checksum>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') {
            continue;
        }
        let below = if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
        let metadata = std::fs::metadata(&path)?;
        if metadata.is_dir() {
            if depth == DEEPEST {
                return Err(std::io::Error::other("it is too deep to be looked at"));
            }
            find_hashes(&path, &below, depth + 1, found)?;
        } else if metadata.is_file() && is_script_or_metadata(&path) {
            found.insert(below, Checksum::of_bytes(std::fs::read(&path)?));
        }
    }
    Ok(())
}

/// Whether a file is a script or metadata. A folder may contain any other files.
pub(crate) fn is_script_or_metadata(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("sql") || extension.eq_ignore_ascii_case("toml")
    })
}
