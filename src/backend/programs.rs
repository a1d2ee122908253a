//! The installed programs of servers.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folders outside `PATH` in which packages install the programs of servers.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin"];

/// The folder that has all these programs: one in `PATH`, or otherwise one of the usual folders.
///
/// `versions` are folders with a folder for each version, and the rest of the path in it. The newest version comes first.
pub(super) fn folder_of(programs: &[&str], versions: &[(&str, &str)]) -> Option<PathBuf> {
    // The programs are run by a shell, with signals and sockets that Windows does not have.
    if cfg!(not(unix)) {
        return None;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let versions = versions.iter().flat_map(|(root, rest)| newest_first(Path::new(root), rest));
    let mut folders = in_path.chain(versions).chain(FOLDERS.map(PathBuf::from));
    folders.find(|folder| programs.iter().all(|program| folder.join(program).is_file()))
}

/// A path as a word of the shell.
pub(super) fn word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

fn newest_first(root: &Path, rest: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let mut folders: Vec<(Vec<u32>, PathBuf)> = entries
        .map(|entry| (version(&entry.file_name().to_string_lossy()), entry.path().join(rest)))
        .filter(|(version, _)| !version.is_empty())
        .collect();
    folders.sort();
    folders.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// The numbers in the name of a folder, such as `9.6`.
fn version(name: &str) -> Vec<u32> {
    name.split('.').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert!(version("15") > version("9.6"));
        assert!(version("15") < version("16"));
        assert!(version("common").is_empty());
    }

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(word(Path::new("/a b/it's")), "'/a b/it'\\''s'");
    }
}
