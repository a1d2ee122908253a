//! `schema`, and the file that `migrate` keeps up to date

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use similar::TextDiff;
use tempfile::NamedTempFile;

use super::create::cannot;
use super::work::Work;
use crate::args::Schema;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Outcome;
use crate::session::{Access, Database};

/// Prints the schema, writes it to a file, or compares it with one.
pub(super) fn schema<B: Database>(work: &Work<'_, B>, how: &Schema) -> Result<Outcome> {
    let mut session = work.open(Access::Read)?;
    let text = text_of(work, &mut session)?;
    if let Some(file) = &how.write {
        if work.context.settings.address()?.is_missing() {
            let what = "there is no database yet whose schema could be written";
            return Err(Failure::connection(format!("{what}; apply its migrations with `migrate`")));
        }
        write(file, &text)?;
        let file = file.display().to_string();
        return Ok(Outcome::new(file.clone(), json!({ "file": file, "schema": text })));
    }
    let Some(file) = &how.check else {
        return Ok(Outcome::new(text.clone(), json!({ "schema": text })));
    };
    let name = file.display().to_string();
    let kept = match fs::read_to_string(file) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::file(format!("cannot read {name}: {error}"))),
    };
    // Version control may have changed the line ends.
    let unix = |text: &str| text.replace("\r\n", "\n");
    let is_current = kept.as_deref().map(unix) == Some(unix(&text));
    let diff = kept.as_deref().filter(|_| !is_current).map(|kept| diff(kept, &text));
    let json = json!({ "file": name, "is_current": is_current, "diff": diff, "schema": text });
    if is_current {
        return Ok(Outcome::new("", json).remarking(format!("{name} is the schema of the database")));
    }
    let what = match &kept {
        None => format!("there is no {name}"),
        Some(_) => format!("{name} (-) is not the schema of the database (+)"),
    };
    let remark = format!("{what}; write it with `schema --write {name}`");
    Ok(Outcome::new(diff.unwrap_or_default(), json).exiting(Exit::Refused).remarking(remark))
}

/// Writes the file that the settings name, if they do, and returns its name.
pub(super) fn keep<B: Database>(work: &Work<'_, B>, session: &mut B::Session) -> Result<Option<String>> {
    let Some(setting) = &work.context.settings.schema_file else { return Ok(None) };
    let text = text_of(work, session)?;
    write(&setting.value, &text)?;
    Ok(Some(setting.value.display().to_string()))
}

/// Adds to the outcome of a run whether that file was written.
pub(super) fn told(mut outcome: Outcome, written: Result<Option<String>>) -> Outcome {
    match written {
        Ok(None) => outcome,
        Ok(Some(file)) => {
            outcome.json.insert("schema_file".into(), json!(file));
            outcome.remarking(format!("the schema is in {file}"))
        }
        Err(failure) => outcome.remarking(unwritten(&failure)).exiting(Exit::Failed),
    }
}

/// What to say about that file if it could not be written.
pub(super) fn unwritten(failure: &Failure) -> String {
    format!("the schema file was not written: {failure}; then write it with `schema --write`")
}

fn text_of<B: Database>(work: &Work<'_, B>, session: &mut B::Session) -> Result<String> {
    B::schema_script(&work.runner, session, work.context.settings.address()?)
}

/// Replaces a file as a whole, unless it has this text already.
fn write(file: &Path, text: &str) -> Result<()> {
    // A link stays a link.
    let file = &fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    if fs::read(file).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let what = format!("there is no folder {} for the schema", folder.display());
        return Err(Failure::file(format!("{what}; make it, or check the path")));
    }
    let replace = || -> io::Result<()> {
        let mut new = NamedTempFile::new_in(folder)?;
        new.write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        readable(&new, file)?;
        new.persist(file).map_err(|error| error.error)?;
        Ok(())
    };
    replace().map_err(|error| cannot("write", file, &error))
}

/// Gives a new file the permissions of the one that it replaces, or those that others may read: a temporary file is private.
#[cfg(unix)]
fn readable(new: &NamedTempFile, old: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let permissions = match fs::metadata(old) {
        Ok(metadata) => metadata.permissions(),
        Err(_) => fs::Permissions::from_mode(0o644),
    };
    new.as_file().set_permissions(permissions)
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "it fails on other systems")]
fn readable(_: &NamedTempFile, _: &Path) -> io::Result<()> {
    Ok(())
}

/// The changed lines with a few around them.
fn diff(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let hunks = diff.unified_diff().context_radius(2).missing_newline_hint(false).to_string();
    hunks.trim_end().to_owned()
}
