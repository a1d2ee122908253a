//! What a power failure can leave of the files that the engine itself writes. It syncs a file before the file gets its name, and then the
//! folder, so a snapshot or a note with its final name is complete. Not every disk and file system keeps that promise, so the files may
//! also be missing, empty, shortened or full of zeros. Each is noticed, and nothing is lost by it.

use std::fs;

use super::kills::{kill_at, next};
use super::*;

/// The contents of the files around a database, by their names.
fn everything(database: &TestDatabase) -> Vec<(String, Vec<u8>)> {
    let folder = database.path().parent().unwrap().to_owned();
    files(database)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(folder.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

/// A database whose run was ended half-way, its snapshot, and the note about the run.
fn half_done(mode: &str) -> (TestDatabase, PathBuf, PathBuf) {
    let database = database(mode);
    assert!(kill_at("right restore", &database, "started 3"));
    let snapshot = snapshot_paths(&database, SnapshotKind::BeforeRun).remove(0);
    let note = database.path().with_file_name("test.db-migrate-intent");
    (database, snapshot, note)
}

fn shorten(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn zero(path: &Path) {
    let len = fs::read(path).unwrap().len();
    fs::write(path, vec![0; len]).unwrap();
}

#[test]
fn a_damaged_snapshot_or_note_is_noticed_and_nothing_is_overwritten() {
    type Damage = fn(&Path, &Path);
    let table: [(&str, Damage, &str); 8] = [
        (
            "no snapshot",
            |snapshot, _| fs::remove_file(snapshot).unwrap(),
            "is missing; nothing was done; put the snapshot back, or",
        ),
        ("an empty snapshot", |snapshot, _| fs::write(snapshot, "").unwrap(), "it is empty"),
        ("half a snapshot", |snapshot, _| shorten(snapshot), "malformed"),
        ("a snapshot of zeros", |snapshot, _| zero(snapshot), "file is not a database"),
        ("an empty note", |_, note| fs::write(note, "").unwrap(), "it is damaged, was written"),
        ("half a note", |_, note| shorten(note), "it is damaged, was written"),
        ("a note of zeros", |_, note| zero(note), "it is damaged, was written"),
        (
            "a note about another snapshot",
            |snapshot, _| fs::rename(snapshot, snapshot.with_file_name("elsewhere")).unwrap(),
            "is missing; nothing was done; put the snapshot back, or",
        ),
    ];
    for mode in MODES {
        for (name, damage, said) in table {
            let (database, snapshot, note) = half_done(mode);
            damage(&snapshot, &note);
            let _ = fs::remove_file(snapshot.with_file_name("elsewhere"));
            let (left, beside) = (content(&database.connect()), everything(&database));
            let error = next("right", "restore", &database).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Snapshot, "{name}, {mode}: {error}");
            assert!(error.to_string().contains(said), "{name}, {mode}: {error}");
            crate::sentences::is_one_sentence(&error.to_string());
            assert!(content(&database.connect()) == left, "{name}, {mode}: {error}");
            assert_eq!(everything(&database), beside, "{name}, {mode}: {error}");
            assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"], "{name}, {mode}");
            // A person decides to go on with what the database has.
            fs::remove_file(&note).unwrap();
            next("right", "keep", &database).unwrap_or_else(|error| panic!("{name}, {mode}: {error}"));
        }
    }
}

/// Before a note is there, no step has begun; and a new note replaces the old one at once.
#[test]
fn what_was_not_finished_is_ignored_and_goes() {
    for mode in MODES {
        let database = database(mode);
        let before = content(&database.connect());
        let beside = |name: &str| database.path().with_file_name(name);
        let partial = "test.db-snapshot-2026-11-22T19-09-07.132.partial";
        for name in [partial, "test.db-set-aside-2026-11-22T19-09-07.132.partial"] {
            fs::write(beside(name), [0; 5000]).unwrap();
            fs::write(beside(&format!("{name}-journal")), [0; 512]).unwrap();
        }
        fs::write(beside("test.db-migrate-intent.new"), "switchy_schema int").unwrap();
        let report = next("right", "restore", &database).unwrap();
        assert!(report.restored.is_none(), "{mode}");
        assert_eq!(content_of(&report.snapshot.unwrap()), before, "{mode}");
        assert_eq!(count(&database), (1, 0), "{mode}");
    }
}

/// The note is gone with the power, but not the snapshot: what was done is known, and what was to be undone is not.
#[test]
fn a_run_without_its_note_is_continued_and_its_snapshot_stays() {
    for mode in MODES {
        let (database, snapshot, note) = half_done(mode);
        let before = content_of(&snapshot);
        fs::remove_file(&note).unwrap();
        let report = next("right", "restore", &database).unwrap();
        assert!(report.restored.is_none() && report.snapshot.as_ref() != Some(&snapshot), "{mode}");
        assert!(snapshot.exists() && content_of(&snapshot) == before, "{mode}");
        assert!(next("right", "restore", &database).unwrap().is_up_to_date(), "{mode}");
    }
}

/// The restore was committed, and the note that says so is not there: the run is undone once more, and what is replaced is set aside again.
#[test]
fn a_restore_whose_note_was_lost_is_repeated() {
    for mode in MODES {
        let (database, snapshot, note) = half_done(mode);
        let (before, running) = (content_of(&snapshot), fs::read(&note).unwrap());
        runner([]).restore(&database.connect(), &snapshot).unwrap();
        fs::write(&note, running).unwrap();
        let error = next("failing", "restore", &database).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Step, "{mode}: {error}");
        assert!(content(&database.connect()) == before, "{mode}: {error}");
    }
}
