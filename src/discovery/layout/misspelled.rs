//! Files that are probably scripts with a misspelled name: [`take`]

use std::collections::BTreeSet;

use super::file::{File, Kind, Role};
use crate::id::MigrationId;
use crate::migration::right_name;

/// Removes these files from a set. They are not read.
///
/// A folder whose name begins with a version and that has no up script is probably a migration, and so is a file whose name begins with a
/// version. All other folders and files may be anything.
pub(super) fn take(files: &mut Vec<File>) -> Vec<File> {
    let is_up = |file: &&File| matches!(file.kind, Kind::InFolder(Role::Up(_)));
    let complete: BTreeSet<String> = files.iter().filter(is_up).map(|file| file.folder.clone()).collect();
    let (mut misspelled, mut others) = (Vec::new(), Vec::new());
    for mut file in std::mem::take(files) {
        match id_of(&file, &complete) {
            Some(id) => {
                file.id = id;
                misspelled.push(file);
            }
            None => others.push(file),
        }
    }
    *files = others;
    misspelled
}

/// The folders of migrations that have a down script.
pub(super) fn folders_with_down(files: &[File]) -> BTreeSet<String> {
    let is_down = |file: &&File| matches!(file.kind, Kind::InFolder(Role::Down(_)));
    files.iter().filter(is_down).map(|file| file.folder.clone()).collect()
}

/// Whether a file is probably the missing down script of the migration that its folder is.
pub(super) fn is_down(file: &File, undone: &BTreeSet<String>) -> bool {
    !undone.contains(&file.folder) && right_name(file.name(), true).is_some_and(|right| right == "down.sql")
}

/// The id of the migration that a misspelled file probably belongs to.
fn id_of(file: &File, complete: &BTreeSet<String>) -> Option<String> {
    if complete.contains(&file.folder) || matches!(file.kind, Kind::InFolder(_) | Kind::FlatMetadata) {
        return None;
    }
    let name = file.name();
    let has_version = |id: &str| MigrationId::from(id).has_version();
    let leaf = file.folder.rsplit('/').next().unwrap_or_default();
    if has_version(leaf) && right_name(name, true).is_some() {
        return Some(leaf.to_owned());
    }
    let right = right_name(name, false).filter(|_| file.kind == Kind::Other)?;
    let id = right.strip_suffix(".sql")?;
    let id = id.strip_suffix(".up").or_else(|| id.strip_suffix(".down")).unwrap_or(id);
    has_version(id).then(|| id.to_owned())
}
