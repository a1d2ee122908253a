//! [`Files`]: where the snapshots of a database and the notes about unfinished runs are.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::backend::snapshot::durable;
use crate::backend::{Driver, Sqlite, utc_now};
use crate::cancel;
use crate::checksum::Checksum;
use crate::dialect::TableName;
use crate::error::{Failure, MigrationError, Result, SnapshotAct};
use crate::fault::{Fault, FaultKind};
use crate::snapshot::SnapshotKind;
use crate::snapshot::file_name::FileName;
use crate::snapshot::intent::{Intent, RunState};

/// The ending of a note about an unfinished run, after the path of the database.
const INTENT: &str = "-migrate-intent";

/// The files around a database.
#[derive(Debug)]
pub(super) struct Files {
    /// The database.
    pub(super) live: PathBuf,
    /// The note about an unfinished run of this tracking table.
    pub(super) intent: PathBuf,
    /// The folder of new snapshots.
    pub(super) folder: PathBuf,
    /// The folder of the settings, if they have one.
    shared: Option<PathBuf>,
    table: String,
}

/// A snapshot that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) kind: SnapshotKind,
    pub(super) made_on: String,
}

impl Files {
    /// The files around the database of a connection; `None` if it is not a file.
    pub(super) fn of(mut conn: &Connection, table: &str, shared: Option<&Path>) -> Result<Option<Self>> {
        let Some(live) = Sqlite::locate(&mut conn) else { return Ok(None) };
        // The working directory of a process can change.
        let live = std::path::absolute(&live).unwrap_or(live);
        let shared = shared.map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()));
        if let Some(folder) = &shared {
            // The note has it as one line of text.
            if folder.to_str().is_none_or(|text| text.contains(['\n', '\r'])) {
                let fault = Fault::new(FaultKind::Other, "the name of the folder is not one line of text");
                return Err(Failure::Snapshot { act: SnapshotAct::List, path: folder.clone(), fault }.into());
            }
        }
        let mut intent = live.clone();
        intent.as_mut_os_string().push(INTENT);
        if table != TableName::default().as_str() {
            intent.as_mut_os_string().push(format!("-{}", number(table.as_bytes())));
        }
        let folder = shared.clone().or_else(|| live.parent().map(Path::to_owned)).unwrap_or_default();
        Ok(Some(Self { live, intent, folder, shared, table: table.to_owned() }))
    }

    /// The names of the snapshots in the folder of the settings, or beside the database.
    fn names(&self, shared: Option<&Path>) -> FileName {
        let name = self.live.file_name().unwrap_or_default();
        let of_path = shared.map(|_| number(self.live.as_os_str().as_encoded_bytes()));
        FileName::of(name, of_path.as_deref())
    }

    /// The time and the path of a snapshot to be made now.
    pub(super) fn new_path(&self, kind: SnapshotKind) -> (String, PathBuf) {
        let names = self.names(self.shared.as_deref());
        loop {
            let made_on = utc_now();
            let path = self.folder.join(names.at(kind, &made_on));
            if path.symlink_metadata().is_err() {
                return (made_on, path);
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// The path of a file that an unfinished run has.
    pub(super) fn path_of(&self, intent: &Intent, kind: SnapshotKind, made_on: &str) -> PathBuf {
        let beside = self.live.parent().unwrap_or(Path::new(""));
        let folder = intent.folder.as_deref();
        folder.unwrap_or(beside).join(self.names(folder).at(kind, made_on))
    }

    /// When a file in the folder for new snapshots was made.
    pub(super) fn made_on(&self, path: &Path) -> Option<String> {
        let (_, made_on) = self.names(self.shared.as_deref()).parse(path.file_name()?)?;
        Some(made_on)
    }

    /// The folder of the settings, for the note about a run.
    pub(super) fn shared(&self) -> Option<PathBuf> {
        self.shared.clone()
    }

    /// All snapshots, newest first: those beside the database, and those in the folder of the settings.
    pub(super) fn found(&self) -> Result<Vec<Found>> {
        let beside = self.live.parent().map(|folder| (folder, self.names(None)));
        let shared = self.shared.as_deref().map(|folder| (folder, self.names(Some(folder))));
        let mut all = Vec::new();
        for (folder, names) in beside.into_iter().chain(shared) {
            all.extend(found_in(folder, &names)?);
        }
        all.sort_by(|a, b| (&b.made_on, &b.path).cmp(&(&a.made_on, &a.path)));
        Ok(all)
    }

    /// The snapshots in the folder for new ones, newest first.
    pub(super) fn found_in_folder(&self) -> Result<Vec<Found>> {
        let mut all = found_in(&self.folder, &self.names(self.shared.as_deref()))?;
        all.sort_by(|a, b| b.made_on.cmp(&a.made_on));
        Ok(all)
    }

    /// Whether a file in the folder for new snapshots is one that is not complete.
    pub(super) fn is_partial(&self) -> impl Fn(&OsStr) -> bool {
        let names = self.names(self.shared.as_deref());
        move |name| names.is_partial(name)
    }

    /// The note about an unfinished run of this tracking table.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is something else. It may say that the database must be restored, so it is not ignored.
    pub(super) fn read_intent(&self) -> Result<Option<Intent>> {
        let Some(intent) = read(&self.intent)? else { return Ok(None) };
        if intent.table != self.table {
            let what = format!("it is about the tracking table `{}`", intent.table);
            return Err(note(&self.intent, Fault::new(FaultKind::Other, what).remedy(INTENT_REMEDY)));
        }
        Ok(Some(intent))
    }

    pub(super) fn write_intent(&self, intent: &Intent) -> Result<()> {
        let written = durable::write(&self.intent, &intent.to_text(), &self.live);
        written.map_err(|error| note(&self.intent, durable::fault(error)))
    }

    /// Notes that the process knows how its run ended. Without that, a later start could restore what the program went on with, so
    /// if the note cannot be changed, it is deleted.
    pub(super) fn note_end(&self, intent: &mut Intent, state: RunState) {
        intent.state = state;
        if self.write_intent(intent).is_err() {
            let _ = durable::remove(&self.intent);
        }
    }

    /// What notes that a run panicked.
    pub(super) fn abandon(&self) -> Box<dyn Fn(&Intent)> {
        let (note, live) = (self.intent.clone(), self.live.clone());
        Box::new(move |intent| {
            let failed = Intent { state: RunState::Failed, ..intent.clone() };
            if durable::write(&note, &failed.to_text(), &live).is_err() {
                let _ = durable::remove(&note);
            }
        })
    }

    /// The notes about unfinished runs of all tracking tables.
    ///
    /// # Errors
    /// The folder or one of them cannot be read.
    pub(super) fn intents(&self) -> Result<Vec<Intent>> {
        let all = self.intent_paths()?.into_iter().map(|path| read(&path));
        Ok(all.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// Notes that a run of this table goes on with what killed runs of other tables left, so they are not undone. The caller holds the lock of
    /// the runs, so none of them is running.
    pub(super) fn supersede_others(&self) -> Result<()> {
        for path in self.intent_paths()?.into_iter().filter(|path| *path != self.intent) {
            // What is not such a note, or is damaged, is an error for its own program.
            let Ok(Some(intent)) = read(&path) else { continue };
            if intent.state == RunState::Running {
                let failed = Intent { state: RunState::Failed, ..intent };
                let written = durable::write(&path, &failed.to_text(), &self.live);
                written.map_err(|error| note(&path, durable::fault(error)))?;
            }
        }
        Ok(())
    }

    /// Deletes the notes about unfinished runs of all tracking tables. What is not such a note stays.
    pub(super) fn delete_intents(&self) -> Result<()> {
        for path in self.intent_paths()?.into_iter().filter(|path| matches!(read(path), Ok(Some(_)))) {
            durable::remove(&path).map_err(|error| note(&path, durable::fault(error)))?;
        }
        Ok(())
    }

    fn intent_paths(&self) -> Result<Vec<PathBuf>> {
        let mut prefix = self.live.file_name().unwrap_or_default().to_owned();
        prefix.push(INTENT);
        let folder = self.live.parent().unwrap_or(Path::new(""));
        let is_intent = |name: &OsString| {
            let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
            rest.is_some_and(|rest| rest.is_empty() || (rest.len() == 9 && rest[0] == b'-'))
        };
        Ok(names_in(folder)?.into_iter().filter(is_intent).map(|name| folder.join(name)).collect())
    }
}

const INTENT_REMEDY: &str =
    "move the file away if the database is as it should be, or restore a snapshot first; then run again";

fn read(path: &Path) -> Result<Option<Intent>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(note(path, durable::fault(error))),
    };
    let damaged = || {
        let what = "it is damaged, was written by a newer version, or is not an intent file";
        note(path, Fault::new(FaultKind::Other, what).remedy(INTENT_REMEDY))
    };
    Intent::parse(&text).map(Some).ok_or_else(damaged)
}

/// The error about a note.
pub(super) fn note(path: &Path, fault: Fault) -> MigrationError {
    failed(SnapshotAct::Note, path, fault)
}

/// The error about a file. If the run was cancelled, that is the error.
pub(super) fn failed(act: SnapshotAct, path: &Path, fault: Fault) -> MigrationError {
    let fault = cancel::explained(fault);
    if fault.details.is_cancel {
        return Failure::Stopped(0).into();
    }
    Failure::Snapshot { act, path: path.to_owned(), fault }.into()
}

fn names_in(folder: &Path) -> Result<Vec<OsString>> {
    let read = || -> std::io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    };
    read().map_err(|error| {
        Failure::Snapshot { act: SnapshotAct::List, path: folder.to_owned(), fault: durable::fault(error) }
            .into()
    })
}

fn found_in(folder: &Path, names: &FileName) -> Result<Vec<Found>> {
    let found = |name: OsString| {
        let (kind, made_on) = names.parse(&name)?;
        let path = folder.join(name);
        // A link leads to a file that is not ours.
        path.symlink_metadata().is_ok_and(|file| file.is_file()).then_some(Found { path, kind, made_on })
    };
    Ok(names_in(folder)?.into_iter().filter_map(found).collect())
}

/// Eight hexadecimal digits for a text.
fn number(text: &[u8]) -> String {
    Checksum::of_bytes(text).to_string().chars().take(8).collect()
}
