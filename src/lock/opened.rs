//! Opens a lock file, and nothing else that has its path: anybody who may write to the folder could put something there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek};
use std::path::Path;

use crate::remedy::Remedy;

/// Opens a lock file, and creates it if it does not exist. No link is followed, and opening never waits.
pub(super) fn or_created(path: &Path) -> io::Result<File> {
    // The file may be created or removed between two calls.
    for _ in 0..8 {
        match existing(path, Access::Write) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Another user's lock file: it can still be locked.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return existing(path, Access::Read).map_err(|_| error);
            }
            opened => return opened,
        }
        // `create_new` does not follow a link, not even one to a missing file.
        match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created,
        }
    }
    Err(io::Error::other("other programs create and remove it"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Opens an existing lock file.
pub(super) fn existing(path: &Path, access: Access) -> io::Result<File> {
    // Opening a pipe would wait for somebody at its other end, so the file is looked at before.
    regular(&fs::symlink_metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true).write(access == Access::Write);
    #[cfg(windows)]
    {
        /// <https://learn.microsoft.com/en-us/windows/win32/api/fileapi/nf-fileapi-createfilew>
        const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, FILE_FLAG_OPEN_REPARSE_POINT);
    }
    let file = options.open(path)?;
    // Something else may have taken its place meanwhile. Opening a file does not change it.
    regular(&file.metadata()?)?;
    is_there(path, &file)?;
    Ok(file)
}

/// Refuses what is not a file.
fn regular(found: &Metadata) -> io::Result<&Metadata> {
    let kind = found.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(found),
        () if kind.is_symlink() => "it is a link, which is not followed",
        () if kind.is_dir() => "it is a folder",
        () => "it is a pipe or a device",
    };
    Err(io::Error::other(what))
}

/// Checks that an open file is the one at the path and not one to which a link there led.
#[cfg(unix)]
fn is_there(path: &Path, file: &File) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let (found, opened) = (fs::symlink_metadata(path)?, file.metadata()?);
    if (regular(&found)?.dev(), found.ino()) == (opened.dev(), opened.ino()) {
        Ok(())
    } else {
        Err(io::Error::other("another file took its place while it was opened"))
    }
}

#[cfg(not(unix))]
fn is_there(path: &Path, _: &File) -> io::Result<()> {
    regular(&fs::symlink_metadata(path)?).map(drop)
}

/// The first lines of a lock file.
pub(super) fn text(mut file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(1024).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a file is empty or has the text that a run writes to its lock file. After a power failure a file may have zeros for its text.
pub(super) fn is_ours(file: &File) -> bool {
    let Ok(text) = text(file) else { return false };
    let mut lines = text.trim_end_matches('\0').lines();
    match (lines.next(), lines.next(), lines.next()) {
        (None, ..) => true,
        (Some(since), Some(who), Some(what)) => {
            since.parse::<u64>().is_ok() && who.starts_with("pid ") && what.starts_with("applying `")
        }
        _ => false,
    }
}

/// What to do about an error of these functions.
pub(super) fn remedy(error: &io::Error) -> Remedy {
    let remedy = match error.kind() {
        // An error of this module.
        _ if error.raw_os_error().is_none() => return "move away what is there, and run again".into(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk",
        ErrorKind::NotFound | ErrorKind::NotADirectory => "create its folder",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "make its folder writable",
        _ => "check the disk",
    };
    Remedy::from(remedy).or(Remedy::ChooseLockFile)
}
