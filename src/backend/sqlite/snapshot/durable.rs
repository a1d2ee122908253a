//! Files that are complete or not there, also after a power failure.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::fault::{Fault, FaultKind};

/// The fault for an error of the file system.
pub(crate) fn fault(error: io::Error) -> Fault {
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => FaultKind::Full,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => FaultKind::ReadOnly,
        _ => FaultKind::Other,
    };
    Fault::new(kind, error.to_string()).caused_by(error)
}

/// A file that is being written. Unless it is finished, it is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    is_finished: bool,
}

impl Partial {
    /// Creates an empty file that has the permissions of another one, so that nobody reads the copy who may not read the original.
    pub(crate) fn create(path: PathBuf, like: &Path) -> io::Result<Self> {
        let permissions = fs::metadata(like)?.permissions();
        let file = private().write(true).create_new(true).open(&path)?;
        let partial = Self { path, is_finished: false };
        file.set_permissions(permissions)?;
        Ok(partial)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes everything to the disk, and gives the file its name. No connection may have it open.
    pub(crate) fn finish(mut self, name: &Path) -> io::Result<()> {
        File::options().write(true).open(&self.path)?.sync_all()?;
        if name.symlink_metadata().is_ok() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, format!("{} exists", name.display())));
        }
        fs::rename(&self.path, name)?;
        self.is_finished = true;
        sync_folder_of(name)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        // The error that is being returned says more. The next run deletes what is left.
        for ending in ["", "-journal", "-wal", "-shm"] {
            let mut path = self.path.clone();
            path.as_mut_os_string().push(ending);
            let _ = fs::remove_file(path);
        }
    }
}

/// Writes a small file: afterwards it has this text, or is as it was.
pub(crate) fn write(path: &Path, text: &str, like: &Path) -> io::Result<()> {
    let mut name = path.to_owned();
    name.as_mut_os_string().push(".new");
    let permissions = fs::metadata(like)?.permissions();
    let mut file = private().write(true).create(true).truncate(true).open(&name)?;
    file.set_permissions(permissions)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    drop(file);
    if let Err(error) = written.and_then(|()| fs::rename(&name, path)) {
        let _ = fs::remove_file(&name);
        return Err(error);
    }
    sync_folder_of(path)
}

/// Deletes a file if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder_of(path),
    }
}

/// Makes a new name durable. Windows does this by itself.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

/// A new file is at first only for its owner.
fn private() -> OpenOptions {
    #[allow(unused_mut, reason = "it is changed on Unix")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_file_system_has_the_kind_of_its_remedy() {
        let kinds = [
            (ErrorKind::StorageFull, FaultKind::Full),
            (ErrorKind::QuotaExceeded, FaultKind::Full),
            (ErrorKind::FileTooLarge, FaultKind::Full),
            (ErrorKind::ReadOnlyFilesystem, FaultKind::ReadOnly),
            (ErrorKind::PermissionDenied, FaultKind::ReadOnly),
            (ErrorKind::NotFound, FaultKind::Other),
        ];
        for (error, expected) in kinds {
            assert_eq!(fault(error.into()).kind(), expected, "{error:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_deleted_and_one_that_cannot_be_deleted_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        remove(&file).unwrap();
        assert!(!file.exists());
        remove(&file).unwrap();
        assert!(remove(folder.path()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_of_a_new_name_is_synchronized() {
        let folder = tempfile::tempdir().unwrap();
        sync_folder_of(&folder.path().join("file")).unwrap();
        sync_folder_of(Path::new("file")).unwrap();
        assert!(sync_folder_of(&folder.path().join("missing").join("file")).is_err());
    }
}
