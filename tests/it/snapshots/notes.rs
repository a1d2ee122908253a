//! What the note about an unfinished run says to the next one, and which files are such notes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::Digest as _;
use switchy_schema::{Event, Lock, Recovery, Signature};

use super::*;

fn note(database: &TestDatabase) -> PathBuf {
    database.path().with_file_name("test.db-migrate-intent")
}

/// Makes the note about a run that failed say what a killed process leaves: that it is running, and is to be undone.
fn as_killed(note: &Path) {
    let text = std::fs::read_to_string(note).unwrap();
    let (body, _) = text.rsplit_once("end ").unwrap();
    let body =
        body.replace("state failed", "state running").replace("after-failure keep", "after-failure restore");
    let sum = sha2::Sha256::digest(body.as_bytes());
    std::fs::write(note, format!("{body}end {sum:x}\n")).unwrap();
}

fn keeping(others: Vec<Migration>) -> MigrationRunner {
    runner(others).snapshot(Snapshot::Always.keep(2))
}

fn restoring(others: Vec<Migration>) -> MigrationRunner {
    runner(others).snapshot(Snapshot::Always.keep(2).after_failure(AfterFailure::Restore))
}

fn right() -> Migration {
    Migration::sql("3_wrong", "CREATE TABLE right (a)")
}

/// A run that fails after its first step, and the path of its snapshot.
fn fail_half_way(database: &TestDatabase) -> PathBuf {
    let error = keeping(vec![add_title(), wrong()]).run(&database.connect()).unwrap_err();
    error.report().snapshot.clone().unwrap()
}

#[test]
fn a_run_that_is_continued_finds_its_snapshot_in_the_folder_of_the_settings() {
    let database = database("delete");
    let folder = tempfile::tempdir().unwrap();
    let run = |steps: Vec<Migration>| {
        let settings = Snapshot::Always.keep(2).in_folder(folder.path());
        runner(steps).snapshot(settings).run(&database.connect())
    };
    let first = run(vec![add_title(), wrong()]).unwrap_err().report().snapshot.clone();
    assert!(first.as_ref().unwrap().starts_with(folder.path()));
    assert_eq!(run(vec![add_title(), right()]).unwrap().snapshot, first);
    assert_eq!(files_in(folder.path()).len(), 1);
}

#[test]
fn a_run_whose_snapshot_is_gone_is_continued_with_a_new_one() {
    let database = database("delete");
    std::fs::remove_file(fail_half_way(&database)).unwrap();
    let report = keeping(vec![add_title(), right()]).run(&database.connect()).unwrap();
    assert!(content_of(&report.snapshot.unwrap()).contains(&"2_title".to_owned()));
}

#[test]
fn a_killed_run_cannot_be_undone_without_its_snapshot_and_the_error_says_so() {
    let database = database("delete");
    std::fs::remove_file(fail_half_way(&database)).unwrap();
    as_killed(&note(&database));
    let error = restoring(vec![add_title(), right()]).run(&database.connect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    let text = error.to_string();
    assert!(text.contains("a run did not finish, and its snapshot") && text.contains("is missing"), "{text}");
    assert!(text.contains("put the snapshot back, or delete this file"), "{text}");
}

/// The plan of the older program would be refused, since the database is ahead of it. It is not, once the run is undone.
#[test]
fn the_killed_run_of_a_newer_program_is_undone_before_an_older_one_plans() {
    let database = database("delete");
    let before = content(&database.connect());
    fail_half_way(&database);
    as_killed(&note(&database));
    let report = restoring(vec![]).run(&database.connect()).unwrap();
    assert!(report.restored.is_some());
    assert_eq!(content(&database.connect()), before);
}

/// Only what a person corrected since the snapshot prevents a restore.
#[test]
fn a_correction_from_before_a_killed_run_does_not_keep_it_from_being_undone() {
    let database = database("delete");
    let conn = database.connect();
    runner([add_title()]).run(&conn).unwrap();
    conn.execute_batch("ALTER TABLE notes DROP COLUMN title").unwrap();
    let forget = Recovery::Forget("2_title".into());
    runner([add_title()]).recover(&conn, forget, Signature::of("ada")).unwrap();
    drop(conn);
    fail_half_way(&database);
    as_killed(&note(&database));
    let report = restoring(vec![add_title(), right()]).run(&database.connect()).unwrap();
    assert!(report.restored.is_some());
    assert_eq!(applied(&database.connect()), ["1_notes", "2_title", "3_wrong"]);
}

/// What code committed by itself is only in the first snapshot, even if the attempts after it run scripts and fail.
#[test]
fn the_snapshot_from_before_code_that_committed_stays_that_of_every_later_attempt() {
    let database = database("delete");
    let before = content(&database.connect());
    let commits =
        Migration::code("2_it", |conn| conn.execute_batch("DELETE FROM notes; COMMIT; SELECT missing"));
    let first = keeping(vec![commits]).run(&database.connect()).unwrap_err().report().snapshot.clone();
    let script = |text: &'static str| keeping(vec![Migration::sql("2_it", text)]).run(&database.connect());
    script("SELECT missing").unwrap_err();
    let report = script("SELECT 1").unwrap();
    assert_eq!(report.snapshot, first);
    assert_eq!(content_of(&report.snapshot.unwrap()), before);
}

#[test]
fn after_a_restore_no_run_is_unfinished() {
    let database = database("delete");
    let snapshot = fail_half_way(&database);
    assert!(note(&database).exists());
    runner([]).restore(&database.connect(), snapshot).unwrap();
    assert!(!note(&database).exists());
}

#[test]
fn a_note_that_cannot_be_read_is_an_error_and_stays() {
    let database = database("delete");
    std::fs::write(note(&database), b"state \xff").unwrap();
    let error = keeping(vec![add_title()]).run(&database.connect()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert_eq!(std::fs::read(note(&database)).unwrap(), b"state \xff");
    assert_eq!(applied(&database.connect()), ["1_notes"]);
}

/// If a note cannot be read, every snapshot stays. These files have other names, so they are none.
#[test]
fn files_with_similar_names_do_not_keep_snapshots_from_being_deleted() {
    let database = database("delete");
    for name in
        ["test.db-migrate-intent_12345678", "test.db-migrate-intent-old", "test.db-migrate-intent-123456789"]
    {
        std::fs::write(database.path().with_file_name(name), "a letter").unwrap();
    }
    let run =
        |others: Vec<Migration>| runner(others).snapshot(Snapshot::Always.keep(1)).run(&database.connect());
    let first = run(vec![add_title()]).unwrap().snapshot.unwrap();
    run(vec![add_title(), right()]).unwrap();
    assert!(!first.exists());
    // A note of another table has this name. It is damaged, so everything stays.
    std::fs::write(database.path().with_file_name("test.db-migrate-intent-12345678"), "a letter").unwrap();
    run(vec![add_title(), right(), Migration::sql("4_it", "SELECT 1")]).unwrap();
    assert_eq!(snapshot_paths(&database, SnapshotKind::BeforeRun).len(), 2);
}

/// Without the lock, the run of another table may be under way.
#[test]
fn a_run_without_a_lock_leaves_the_note_and_the_snapshot_of_others() {
    let database = database("delete");
    let theirs = Migration::sql("1_theirs", "CREATE TABLE theirs (a)");
    let theirs = MigrationRunner::new([theirs, Migration::sql("2_it", "SELECT missing")]).unwrap();
    let theirs = theirs.table_name("theirs").unwrap().snapshot(Snapshot::Always);
    theirs.run(&database.connect()).unwrap_err();
    let names = files(&database);
    let name = names.iter().find(|name| name.contains("intent-")).unwrap();
    let note = database.path().with_file_name(name);
    as_killed(&note);
    let text = std::fs::read_to_string(&note).unwrap();
    keeping(vec![add_title()]).lock(Lock::Off).run(&database.connect()).unwrap();
    assert_eq!(std::fs::read_to_string(&note).unwrap(), text);
    // With the lock, they cannot be running: what this run does is not to be undone by them.
    keeping(vec![add_title(), right()]).run(&database.connect()).unwrap();
    assert_ne!(std::fs::read_to_string(&note).unwrap(), text);

    // The first attempt did nothing. Its snapshot is replaced under the lock only.
    let database = self::database("delete");
    let first = keeping(vec![wrong()]).run(&database.connect()).unwrap_err().report().snapshot.clone();
    keeping(vec![right()]).lock(Lock::Off).run(&database.connect()).unwrap();
    assert!(first.unwrap().exists());
}

#[test]
fn a_database_that_has_just_the_limit_is_not_smaller() {
    let size = |database: &TestDatabase| std::fs::metadata(database.path()).unwrap().len();
    for (more, kept) in [(0, false), (1, true)] {
        let database = database("delete");
        let limit = Snapshot::IfSmallerThan(size(&database) + more);
        let report = runner([add_title()]).snapshot(limit).run(&database.connect()).unwrap();
        assert_eq!(report.snapshot.is_some(), kept, "{more}");
    }
}

/// In WAL mode the connection that looks whether others write would keep the mode as it is.
#[test]
fn a_step_outside_a_transaction_may_change_the_journal_mode_after_others() {
    let database = database("wal");
    let mode = Migration::sql("3_mode", "PRAGMA journal_mode = DELETE").outside_transaction();
    restoring(vec![add_title(), mode]).run(&database.connect()).unwrap();
    assert_eq!(database.rows("PRAGMA journal_mode"), ["delete"]);
}

/// While a person answers, others do what they want, and nothing of it is undone if the process is killed then.
#[test]
fn a_run_that_waits_for_an_answer_is_not_one_that_was_killed() {
    let database = database("wal");
    let path = database.path();
    let drop_title = Migration::sql("3_no_notes", "DROP TABLE notes");
    let (asked, states) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let (seen, text) = (Arc::clone(&states), note(&database));
    let other = AtomicUsize::new(0);
    let runner = restoring(vec![add_title(), drop_title])
        .environment("production")
        .confirm(move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            let text = std::fs::read_to_string(&text).unwrap_or_default();
            let state = text.lines().find(|line| line.starts_with("state ")).map(str::to_owned);
            seen.lock().unwrap().push(state);
            true
        })
        .observe(move |event| {
            // Another program without the lock is faster with the first step, so the plan is another one.
            if matches!(event, Event::Copying { .. }) && other.fetch_add(1, Ordering::Relaxed) == 0 {
                let conn = Connection::open(&path).unwrap();
                super::runner([add_title()]).lock(Lock::Off).run(&conn).unwrap();
            }
        });
    let report = runner.run(&database.connect()).unwrap();
    assert_eq!(report.applied.len(), 1);
    let states = states.lock().unwrap();
    assert_eq!(*states, [None, Some("state failed".to_owned())]);
}
