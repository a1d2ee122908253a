//! `manifest`

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use switchy_schema::{DirectoryMigrations, Manifest, ManifestFile, MigrationRunner, Mysql, Postgres, Sqlite};

use super::create;
use super::work::Context;
use crate::args::Command;
use crate::exit::Exit;
use crate::failure::Result;
use crate::folder::Folder;
use crate::output::Outcome;
use crate::table::{Field, table};
use crate::text;

/// Writes the manifest of the folder.
pub(super) fn write(context: &Context<'_>) -> Result<Outcome> {
    let (folder, file) = places(context)?;
    let manifest = Manifest::write(&folder)?;
    say_if_empty(context, &folder, manifest.files());
    let remark = format!(
        "{}; a program that trusts nothing else says .pin({:?})",
        text::counted(manifest.files().len(), "file"),
        manifest.sha256(),
    );
    let text = format!("{}  {}", manifest.sha256(), file.display());
    let listed: Vec<Value> = manifest.files().iter().map(as_json).collect();
    // A wrong folder is reported by the other commands, and by the programs that read it.
    let set =
        MigrationRunner::new_directory(&folder).map(|runner| runner.list().to_vec()).unwrap_or_default();
    let json = json!({ "file": file.display().to_string(), "sha256": manifest.sha256(), "listed": listed });
    Ok(text::misspelled(&set).fold(Outcome::new(text, json).remarking(remark), Outcome::remarking))
}

/// A note about a folder without files.
fn say_if_empty(context: &Context<'_>, folder: &Path, files: &[ManifestFile]) {
    if files.is_empty() {
        Folder::look(folder, &[]).say(context.output, &Command::List);
    }
}

/// Reports whether the manifest matches the current folder.
pub(super) fn check(context: &Context<'_>) -> Result<Outcome> {
    let (folder, file) = places(context)?;
    let (now, name) = (Manifest::of_folder(&folder)?, file.display().to_string());
    say_if_empty(context, &folder, now.files());
    let bytes = match fs::read(&file) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(create::cannot("read", &file, &error)),
    };
    let written = bytes.as_deref().map(|bytes| Manifest::parse(&name, bytes)).transpose()?;
    let changes = changes(written.as_ref().map_or(&[], Manifest::files), now.files());
    let is_current = bytes.is_some_and(|bytes| bytes == now.to_string().as_bytes());
    let listed: Vec<Value> = now.files().iter().map(as_json).collect();
    let listed_changes: Vec<Value> =
        changes.iter().map(|(path, what)| json!({ "path": path, "change": what })).collect();
    let json = json!({
        "file": name, "sha256": now.sha256(), "listed": listed, "is_current": is_current, "changes": listed_changes,
    });
    if is_current {
        return Ok(Outcome::new(format!("{}  {name}", now.sha256()), json));
    }
    let what = match (&written, changes.is_empty()) {
        (None, _) => format!("there is no {name}"),
        (Some(_), true) => {
            format!(
                "{name} lists what the folder has, and not as it would be written, so its hash is another"
            )
        }
        (Some(_), false) => format!("{name} is not that of the folder"),
    };
    let rows =
        changes.iter().map(|(path, what)| -> Vec<Field> { vec![(*path).into(), (*what).into()] }).collect();
    let text = if changes.is_empty() { String::new() } else { table(&["FILE", "CHANGE"], rows) };
    Ok(Outcome::new(text, json).exiting(Exit::Refused).remarking(format!("{what}; write it with `manifest`")))
}

/// The folder and the path of its manifest.
///
/// # Errors
/// A program cannot read the migrations in the folder, for one of the databases.
fn places(context: &Context<'_>) -> Result<(PathBuf, PathBuf)> {
    let folder = context.settings.dir.value.clone();
    let source = || DirectoryMigrations::from_path(&folder);
    MigrationRunner::<Sqlite>::for_backend(source())?;
    MigrationRunner::<Postgres>::for_backend(source())?;
    MigrationRunner::<Mysql>::for_backend(source())?;
    let file = folder.join("manifest.json");
    Ok((folder, file))
}

fn as_json(file: &ManifestFile) -> Value {
    json!({ "path": file.path, "size": file.size, "sha256": file.sha256 })
}

/// The files that were added, changed or removed.
fn changes<'f>(before: &'f [ManifestFile], now: &'f [ManifestFile]) -> Vec<(&'f str, &'static str)> {
    let mut left: BTreeMap<&str, &str> =
        before.iter().map(|file| (file.path.as_str(), file.sha256.as_str())).collect();
    let mut found = Vec::new();
    for file in now {
        match left.remove(file.path.as_str()) {
            None => found.push((file.path.as_str(), "added")),
            Some(sha256) if sha256 == file.sha256 => {}
            Some(_) => found.push((file.path.as_str(), "changed")),
        }
    }
    found.extend(left.into_keys().map(|path| (path, "removed")));
    found.sort_unstable();
    found
}
