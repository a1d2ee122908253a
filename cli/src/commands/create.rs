//! `create`

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan};
use serde_json::json;
use switchy_schema::{MigrationRunner, Sqlite};

use super::work::Context;
use crate::args::Create;
use crate::blank::UNWRITTEN;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::session::Database;
use crate::{ids, text};

/// Creates a migration whose scripts have no statement yet, and the folder if it is missing.
pub(super) fn create(context: &Context<'_>, create: &Create) -> Result<Outcome> {
    let dir = &context.settings.dir.value;
    let name = safe(&create.name)?;
    let metadata = metadata(context, create)?;
    fs::create_dir_all(dir).map_err(|error| cannot("make the folder", dir, &error))?;
    let layout = if create.flat { Layout::Flat } else { Layout::Folder };
    let down = if create.no_down { Down::Without } else { Down::With };
    Ok(outcome(&write(dir, &name, layout, down, &metadata)?))
}

/// The text of the metadata; empty if there is none.
fn metadata(context: &Context<'_>, create: &Create) -> Result<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let dir = &context.settings.dir.value;
    let mut lines = Vec::new();
    lines.extend(create.description.as_ref().map(|text| format!("description = {}\n", quoted(text))));
    if !create.needs.is_empty() {
        let set = if dir.is_dir() { Some(Sqlite::folder(dir, context.global.links())?) } else { None };
        let known = || set.iter().flat_map(MigrationRunner::list).map(|meta| &meta.id);
        let mut needs = Vec::new();
        for given in &create.needs {
            let id = ids::resolve(given, known())?;
            if !known().any(|known| *known == *id) {
                let what = format!("there is no migration `{}` in {}", text::shortened(&id), dir.display());
                return Err(Failure::usage(format!("{what}; `list` shows them")));
            }
            needs.push(quoted(&id));
        }
        lines.push(format!("depends_on = [{}]\n", needs.join(", ")));
    }
    if create.no_transaction {
        lines.push("run_in_transaction = false\n".to_owned());
    }
    Ok(lines.concat())
}

/// Whether a migration is a folder, or files with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Folder,
    Flat,
}

/// Whether a migration has a down script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Down {
    With,
    Without,
}

/// The result: the created files.
pub(super) fn outcome(files: &[PathBuf]) -> Outcome {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Outcome::new(names.join("\n"), json!({ "files": names }))
}

/// Writes the files of a new migration, and returns their paths.
pub(super) fn write(
    dir: &Path,
    name: &str,
    layout: Layout,
    down: Down,
    metadata: &str,
) -> Result<Vec<PathBuf>> {
    let id = format!("{}_{name}", stamp(dir)?);
    let (up_file, down_file, metadata_file) = match layout {
        Layout::Folder => {
            let folder = dir.join(&id);
            fs::create_dir(&folder).map_err(|error| cannot("make the folder", &folder, &error))?;
            (folder.join("up.sql"), folder.join("down.sql"), folder.join("metadata.toml"))
        }
        Layout::Flat => {
            let file = |end: &str| dir.join(format!("{id}.{end}"));
            (file("up.sql"), file("down.sql"), file("toml"))
        }
    };
    let up = format!("-- {name}: {UNWRITTEN}\n");
    let mut files = vec![(up_file, up)];
    if down == Down::With {
        let text = format!(
            "-- {name}: write here what undoes up.sql. As long as nothing is written, there is no way back.\n"
        );
        files.push((down_file, text));
    }
    if !metadata.is_empty() {
        files.push((metadata_file, metadata.to_owned()));
    }
    for (file, text) in &files {
        new_file(file, text)?;
    }
    Ok(files.into_iter().map(|(file, _)| file).collect())
}

/// Writes a file that must not exist yet.
pub(super) fn new_file(path: &Path, text: &str) -> Result<()> {
    let written = fs::OpenOptions::new().write(true).create_new(true).open(path);
    written
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| cannot("write", path, &error))
}

pub(super) fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;

    let hint = match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::IsADirectory => {
            "something else has that name; move it away, or choose another name"
        }
        ErrorKind::NotADirectory => "a part of this path is a file; check the path",
        ErrorKind::StorageFull => "make room on the disk",
        _ => "check that this user may do so",
    };
    Failure::file(format!("cannot {verb} {}: {error}; {hint}", path.display()))
}

/// The time in UTC, increased by seconds until no migration has it: two migrations with the same time would be ordered by their names.
fn stamp(dir: &Path) -> Result<String> {
    let entries = fs::read_dir(dir).map_err(|error| cannot("read", dir, &error))?;
    let taken: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    let mut time = Timestamp::now();
    loop {
        let stamp = time.strftime("%Y-%m-%d-%H%M%S").to_string();
        if !taken.iter().any(|name| name.starts_with(&stamp)) {
            return Ok(stamp);
        }
        time = time.saturating_add(1.second()).unwrap_or(Timestamp::MAX);
    }
}

/// Turns a name into one that every file system accepts.
fn safe(name: &str) -> Result<String> {
    let refused = |why: &str| {
        Failure::usage(format!("a migration cannot have this name: {why}; say in a few words what it does"))
    };
    if name.chars().any(|c| c.is_control() || "/\\:*?\"<>|".contains(c)) {
        return Err(refused("it has a character that no file name has everywhere"));
    }
    if name.trim_start().starts_with(['.', '-', '~']) {
        return Err(refused("it begins with a dot, a dash or a tilde"));
    }
    let mut safe = String::new();
    for c in name.trim().chars() {
        if c.is_alphanumeric() {
            safe.extend(c.to_lowercase());
        } else if !safe.ends_with('_') && !safe.is_empty() {
            safe.push('_');
        }
    }
    let safe = safe.trim_end_matches('_');
    match safe.len() {
        0 => Err(refused("it has no letter and no digit")),
        length if length > 100 => Err(refused("it is longer than 100 bytes")),
        _ => Ok(safe.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_safe_or_refused() {
        let table = [
            ("users", Some("users")),
            ("  Add E-Mail  to users! ", Some("add_e_mail_to_users")),
            ("Straße 2", Some("straße_2")),
            ("a__b", Some("a_b")),
            ("", None),
            ("   ", None),
            ("!!!", None),
            ("../../etc/passwd", None),
            ("a/b", None),
            ("a\\b", None),
            ("a\nb", None),
            ("a\0b", None),
            (".hidden", None),
            ("-rf", None),
            ("c:evil", None),
        ];
        for (name, expected) in table {
            assert_eq!(safe(name).ok().as_deref(), expected, "{name:?}");
        }
        assert!(safe(&"x".repeat(101)).is_err());
    }
}
