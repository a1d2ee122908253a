//! Files of the user.

use std::env;
use std::path::PathBuf;

/// A file in the user's home directory; on Windows, in `%APPDATA%\postgresql`.
pub(super) fn file(name: &str, on_windows: &str) -> Option<PathBuf> {
    if cfg!(windows) {
        return env::var_os("APPDATA")
            .map(|folder| PathBuf::from(folder).join("postgresql").join(on_windows));
    }
    env::home_dir().filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(name))
}
