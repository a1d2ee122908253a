//! `import`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use switchy_schema::layout::{self, Entry};
use switchy_schema::{Backend, MigrationRunner, Mysql, Postgres, Sqlite};
use walkdir::WalkDir;

use super::create;
use super::work::Context;
use crate::args::Import;
use crate::failure::{Failure, Result};
use crate::import::{self, File, Set, Tool, Wrong};
use crate::output::Outcome;
use crate::table::{Field, table};
use crate::text;

/// The number of skipped files that are listed without `-v`.
const MOST_SKIPPED: usize = 20;

/// Creates a folder of migrations from those of another tool, which are not changed.
pub(super) fn import(context: &Context<'_>, arguments: &Import) -> Result<Outcome> {
    let (tool, source, dir) = (arguments.from, &arguments.source, &context.settings.dir.value);
    if let Some(language) = tool.code() {
        return Err(Failure::usage(without_sql(tool, language)));
    }
    refuse_what_is_there(dir)?;
    let set = import::convert(tool, &files(source)?).map_err(|wrong| refused(source, wrong))?;
    fits::<Sqlite>(dir, &set)?;
    fits::<Postgres>(dir, &set)?;
    fits::<Mysql>(dir, &set)?;
    if !arguments.dry_run.dry_run {
        write(dir, &set)?;
    }
    for migration in &set.migrations {
        for note in &migration.notes {
            context.output.note(&text::printable(&format!("{}: {note}", migration.id)));
        }
    }
    let most = if context.global.verbose > 0 { usize::MAX } else { MOST_SKIPPED };
    for skipped in set.skipped.iter().take(most) {
        context.output.say(&text::printable(&format!("left {}: {}", skipped.file, skipped.why)));
    }
    if let Some(more) = set.skipped.len().checked_sub(most).filter(|more| *more > 0) {
        context.output.say(&format!("left {} more; -v names them", text::counted(more, "file")));
    }
    let count = text::counted(set.migrations.len(), "migration");
    let remark = if arguments.dry_run.dry_run {
        format!("{count} of {} would be made in {}; nothing was written", tool.name(), dir.display())
    } else {
        let looked_at = dir.display();
        format!(
            "{count} of {} in {looked_at}; `validate` says whether they run, and `adopt` takes over a database where they did",
            tool.name()
        )
    };
    let rows = set.migrations.iter().map(|migration| -> Vec<Field> {
        vec![text::printable(&migration.id).into(), text::printable(&migration.from.join(", ")).into()]
    });
    let text = table(&["MIGRATION", "MADE OF"], rows.collect());
    Ok(Outcome::new(text, as_json(&set, !arguments.dry_run.dry_run)).remarking(remark))
}

fn as_json(set: &Set, is_written: bool) -> serde_json::Value {
    let migrations = set.migrations.iter().map(|migration| {
        let files: Vec<&str> = migration.files.iter().map(|file| file.path.as_str()).collect();
        json!({ "id": migration.id, "from": migration.from, "files": files, "remarks": migration.notes })
    });
    let skipped = set.skipped.iter().map(|skipped| json!({ "file": skipped.file, "why": skipped.why }));
    json!({
        "is_written": is_written,
        "migrations": migrations.collect::<Vec<_>>(),
        "left": skipped.collect::<Vec<_>>(),
    })
}

fn without_sql(tool: Tool, language: &str) -> String {
    format!(
        "the migrations of {} are written in {language}, so there is no SQL to import; make a first migration of the schema that \
         they leave, and record it with `baseline` where they ran",
        tool.name()
    )
}

/// The failure that lists all errors, one on each line.
fn refused(source: &Path, wrong: Vec<Wrong>) -> Failure {
    let line = |Wrong { file, why }: Wrong| {
        let file = if file.is_empty() { source.to_owned() } else { source.join(file) };
        text::printable(&format!("{}: {why}", file.display()))
    };
    let mut lines: Vec<String> = wrong.into_iter().map(line).collect();
    match &mut lines[..] {
        [line] => Failure::import(std::mem::take(line)),
        _ => Failure::import(format!("nothing was imported, because of\n  - {}", lines.join("\n  - "))),
    }
}

/// Refuses a folder that is not empty: its content may be needed, or it may be the folder that is imported.
fn refuse_what_is_there(dir: &Path) -> Result<()> {
    let is_empty = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(create::cannot("read", dir, &error)),
    };
    if is_empty {
        return Ok(());
    }
    let what = format!("{} has something in it already, and stays as it is", dir.display());
    Err(Failure::file(format!("{what}; name a new folder with --dir")))
}

/// Checks whether programs can read the set, as far as this is possible without running it.
fn fits<B: Backend>(dir: &Path, set: &Set) -> Result<()> {
    let entries: Vec<Entry> = set.migrations.iter().flat_map(|migration| migration.files.clone()).collect();
    let migrations = layout::migrations::<B>(&dir.to_string_lossy(), entries)?;
    Ok(MigrationRunner::for_backend(migrations).map(drop)?)
}

/// The files in a folder and its subfolders, with the content of those that an import may need. Hidden files are skipped.
fn files(source: &Path) -> Result<Vec<File>> {
    if !source.is_dir() {
        let what = format!("there is no folder {}", source.display());
        return Err(Failure::file(format!("{what}; check the path")));
    }
    let mut files = Vec::new();
    let is_visible = |entry: &walkdir::DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(source).follow_links(true).min_depth(1).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(is_visible) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(source).to_owned();
            let loops = || io::Error::other("it is a link back to a folder that it is in");
            create::cannot("read", &path, &error.into_io_error().unwrap_or_else(loops))
        })?;
        let leaves =
            || -> io::Result<bool> { Ok(!entry.path().canonicalize()?.starts_with(source.canonicalize()?)) };
        if entry.path_is_symlink()
            && leaves().map_err(|error| create::cannot("read", entry.path(), &error))?
        {
            let shown = text::printable(&entry.path().display().to_string());
            return Err(Failure::import(format!(
                "{shown}: it is a link to something outside of the folder, which is not followed; replace it with the file itself if that is meant"
            )));
        }
        if !entry.file_type().is_file() {
            continue;
        }
        let relative = entry.path().strip_prefix(source).unwrap_or(entry.path());
        let Some(path) = relative.to_str() else {
            let shown = text::printable(&entry.path().display().to_string());
            return Err(Failure::import(format!(
                "{shown}: its name is not Unicode, and an id must be; rename it"
            )));
        };
        let path = path.replace(std::path::MAIN_SEPARATOR, "/");
        let may_matter = [".sql", ".sql.conf", "metadata.toml", "_journal.json", "snapshot.json"];
        let is_read = may_matter.iter().any(|end| path.ends_with(end));
        let bytes = if is_read { fs::read(entry.path()) } else { Ok(Vec::new()) };
        let bytes = bytes.map_err(|error| create::cannot("read", entry.path(), &error))?;
        files.push(File { path, bytes });
    }
    Ok(files)
}

/// Writes the set to a temporary folder next to `dir`, and renames it to `dir` when it is complete.
fn write(dir: &Path, set: &Set) -> Result<()> {
    // A relative path of one part, such as `migrations`, has an empty parent.
    let beside = match dir.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&beside).map_err(|error| create::cannot("make the folder", &beside, &error))?;
    let draft = tempfile::Builder::new().prefix(".switchy-schema-import-").tempdir_in(&beside);
    let draft = draft.map_err(|error| create::cannot("make a folder in", &beside, &error))?;
    // Only this user may access the temporary folder; the folder inside it has the usual permissions.
    let root = draft.path().join("set");
    for file in set.migrations.iter().flat_map(|migration| &migration.files) {
        let path = root.join(&file.path);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            let mut new = fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
            io::Write::write_all(&mut new, &file.bytes)
        });
        written.map_err(|error| create::cannot("write", &dir.join(&file.path), &error))?;
    }
    // `remove_dir` fails unless the folder is empty, so files that were added meanwhile are not lost.
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(create::cannot("replace", dir, &error)),
        _ => fs::rename(&root, dir).map_err(|error| create::cannot("make", dir, &error)),
    }
}
