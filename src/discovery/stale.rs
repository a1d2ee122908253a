//! Whether a folder is still what was compiled into the program: [`refuse`]

use std::collections::BTreeMap;
use std::path::Path;

use crate::checksum::Checksum;
use crate::error::{Failure, Result};
use crate::location::Location;

/// How many levels deep it looks: a link may lead back.
const DEEPEST: usize = 16;

/// Cargo compares times, and a file can be copied with its old time.
const REMEDY: &str = "build it again, and if that changes nothing, `touch build.rs` first";

/// Refuses a folder that holds other scripts or metadata than these. A folder that is not there, or cannot be read, is no error: the
/// program may have been taken to another machine.
///
/// # Errors
/// A file was added, changed or removed.
pub(super) fn refuse<P: AsRef<str>>(
    folder: &str,
    files: impl IntoIterator<Item = (P, [u8; 32])>,
) -> Result<()> {
    let mut found = BTreeMap::new();
    if folder.is_empty() || look(Path::new(folder), "", 0, &mut found).is_err() {
        return Ok(());
    }
    let differs = |(path, what)| {
        let at = Location::file(format!("{folder}/{path}"));
        let what = format!("it was {what} since the program was built");
        Err(Failure::Malformed { at, what, remedy: REMEDY }.into())
    };
    for (path, hash) in files {
        let path = path.as_ref();
        // Hidden files are no part of a set.
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

/// The hash of each script and metadata file, by its path from the root.
fn look(
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
            look(&path, &below, depth + 1, found)?;
        } else if metadata.is_file() && is_ours(&path) {
            found.insert(below, Checksum::of_bytes(std::fs::read(&path)?));
        }
    }
    Ok(())
}

/// Scripts and metadata. A folder may hold anything else.
pub(super) fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("sql") || extension.eq_ignore_ascii_case("toml")
    })
}
