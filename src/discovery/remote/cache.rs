//! [`Cache`]: fetched files, by their hashes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use crate::checksum::Checksum;
use crate::error::{Failure, Result};
use crate::location::Location;
use crate::remedy::Remedy;

/// A folder with the files that were fetched and, for each URL, the manifest that was used last. A file is used only if
/// its hash matches, and is written completely or not at all.
pub(super) struct Cache<'a> {
    folder: &'a Path,
    /// The file that names the manifest of this URL.
    pointer: PathBuf,
}

/// A manifest as it was received.
#[derive(PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) etag: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Pointer {
    manifest: String,
    etag: Option<String>,
}

impl<'a> Cache<'a> {
    pub(super) fn new(folder: &'a Path, address: &Address) -> Self {
        let name = format!("{}.json", Checksum::of_bytes(address.uri()));
        Self { folder, pointer: folder.join("manifests").join(name) }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder
    }

    /// The manifest that was used last, if it is complete and has at most `most` bytes.
    pub(super) fn manifest(&self, most: u64) -> Option<Kept> {
        let pointer: Pointer = serde_json::from_slice(&read(&self.pointer, 16 * 1024)?).ok()?;
        let sha256 = pointer.manifest.parse().ok()?;
        let bytes = read(&self.file_path(sha256), most)?;
        (Checksum::of_bytes(&bytes) == sha256).then_some(Kept { bytes, etag: pointer.etag })
    }

    /// The file with this hash and size, if it is complete.
    pub(super) fn file(&self, sha256: Checksum, size: u64) -> Option<Vec<u8>> {
        let bytes = read(&self.file_path(sha256), size)?;
        (bytes.len() as u64 == size && Checksum::of_bytes(&bytes) == sha256).then_some(bytes)
    }

    /// Stores a file whose hash was verified.
    pub(super) fn keep_file(&self, sha256: Checksum, bytes: &[u8]) -> Result<()> {
        self.write(&self.file_path(sha256), bytes)
    }

    /// Stores the manifest after all its files are stored.
    pub(super) fn keep_manifest(&self, kept: &Kept) -> Result<()> {
        let sha256 = Checksum::of_bytes(&kept.bytes);
        self.keep_file(sha256, &kept.bytes)?;
        let pointer = Pointer { manifest: sha256.to_string(), etag: kept.etag.clone() };
        let text = serde_json::to_vec(&pointer).map_err(io::Error::from);
        self.write(&self.pointer, &text.map_err(|error| self.unwritable(&error))?)
    }

    fn file_path(&self, sha256: Checksum) -> PathBuf {
        self.folder.join("files").join(sha256.to_string())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let folder = path.parent().unwrap_or(self.folder);
        let written = make_private(folder).and_then(|()| {
            let mut file = tempfile::Builder::new().prefix(".").tempfile_in(folder)?;
            file.write_all(bytes)?;
            match file.persist(path) {
                Ok(_) => Ok(()),
                // On some systems, a file that another program reads cannot be replaced. It has the same content.
                Err(_) if read(path, bytes.len() as u64).is_some_and(|there| there == bytes) => Ok(()),
                Err(error) => Err(error.error),
            }
        });
        written.map_err(|error| self.unwritable(&error).into())
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::Malformed {
            at: Location::file(self.folder.to_string_lossy()),
            what: format!("the cache cannot be written: {error}"),
            remedy: Remedy::from("make the folder writable")
                .or(Remedy::program("choose another one", "`cache`")),
        }
    }
}

/// Creates a folder that other users cannot change: whoever can change the manifest in it changes what runs.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Reads a file of at most `most` bytes. A file that cannot be read counts as missing.
fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    // Reading a pipe would block, and a link is not from this program.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(most.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= most).then_some(bytes)
}
