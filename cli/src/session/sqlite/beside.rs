//! Files beside a database.

use std::path::{Path, PathBuf};

/// The file with this suffix, such as `-wal`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
