//! Runs that fail, and what the next one makes of them.

use super::*;

fn set(others: Vec<Migration>, after_failure: AfterFailure) -> MigrationRunner {
    runner(others).snapshot(Snapshot::Always.keep(2).after_failure(after_failure))
}

/// A step that commits, whatever its kind, and one that fails after it.
fn failing() -> Vec<(&'static str, Vec<Migration>)> {
    let vacuum = Migration::sql("2_vacuum", "DELETE FROM notes WHERE id > 10; VACUUM").outside_transaction();
    let growing = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO notes SELECT i + 5000, 'more' FROM n";
    vec![
        ("a script", vec![drop_notes(), wrong()]),
        ("growing", vec![Migration::sql("2_more", growing), wrong()]),
        ("code", vec![Migration::code("2_code", |conn| conn.execute_batch("DELETE FROM notes")), wrong()]),
        (
            "outside a transaction",
            vec![Migration::sql("2_half", "DELETE FROM notes; SELECT missing").outside_transaction()],
        ),
        ("vacuum", vec![vacuum, wrong()]),
        (
            "code that commits",
            vec![Migration::code("2_commits", |conn| {
                conn.execute_batch("DELETE FROM notes; COMMIT; SELECT missing")
            })],
        ),
    ]
}

#[test]
fn a_run_that_fails_after_a_commit_is_undone_where_the_settings_say_so() {
    for mode in MODES {
        for (name, steps) in failing() {
            let database = database(mode);
            let (conn, before) = (database.connect(), content(&database.connect()));
            let error = set(steps, AfterFailure::Restore).run(&conn).unwrap_err();
            let report = error.report();
            assert!(content(&conn) == before, "{name}, {mode}: {error}");
            assert_eq!(report.applied, [], "{name}, {mode}");
            let restored = report.restored.as_ref().unwrap_or_else(|| panic!("{name}, {mode}: {error}"));
            assert_eq!(Some(&restored.snapshot), report.snapshot.as_ref(), "{name}, {mode}");
            assert_ne!(content_of(&restored.set_aside), before, "{name}, {mode}");
            let said = error.to_string();
            assert!(said.contains(&format!("; {restored}; ")), "{name}, {mode}: {said}");
            assert!(
                !said.contains("done and kept") && !said.contains("marked dirty"),
                "{name}, {mode}: {said}"
            );
            crate::sentences::is_one_sentence(&said);
            assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{name}, {mode}");
        }
    }
}

#[test]
fn a_run_that_fails_keeps_what_it_did_and_says_where_the_snapshot_is() {
    let database = database("wal");
    let before = content(&database.connect());
    let error = set(vec![drop_notes(), wrong()], AfterFailure::Keep).run(&database.connect()).unwrap_err();
    let snapshot = error.report().snapshot.clone().unwrap();
    assert_eq!(error.report().applied.len(), 1);
    assert_eq!(content_of(&snapshot), before);
    let said = format!("; the snapshot from before the run is {}; ", snapshot.display());
    assert!(error.to_string().contains(&said), "{error}");
    assert_eq!(applied(&database.connect()), ["1_notes", "2_no_notes"]);
}

#[test]
fn a_run_that_fails_in_its_first_transaction_did_nothing_to_undo() {
    let database = database("wal");
    let before = content(&database.connect());
    let error = set(vec![wrong()], AfterFailure::Restore).run(&database.connect()).unwrap_err();
    assert_eq!((content(&database.connect()), count(&database)), (before, (1, 0)), "{error}");
    assert!(error.report().restored.is_none());
}

#[test]
fn what_another_connection_wrote_is_not_undone() {
    for mode in MODES {
        let database = database(mode);
        let path = database.path();
        let theirs = Migration::code("3_theirs", move |_| {
            Connection::open(&path)?.execute_batch("INSERT INTO notes (id, text) VALUES (7000, 'theirs')")
        })
        .outside_transaction();
        let steps = || vec![add_title(), theirs.clone(), Migration::sql("4_wrong", "SELECT missing")];
        let conn = database.connect();
        let error = set(steps(), AfterFailure::Restore).run(&conn).unwrap_err();
        assert_eq!(rows(&conn, "SELECT text FROM notes WHERE id = 7000"), ["theirs"], "{mode}: {error}");
        assert_eq!(applied(&conn), ["1_notes", "2_title", "3_theirs"], "{mode}");
        assert_eq!(error.report().applied.len(), 2, "{mode}");
        let said = "was not restored, since another connection has written to the database since then, or";
        assert!(error.to_string().contains(said), "{mode}: {error}");
        crate::sentences::is_one_sentence(&error.to_string());
        assert_eq!(count(&database), (1, 0), "{mode}");

        // The program has gone on since. A later start does not undo it either.
        conn.execute_batch("INSERT INTO notes (id, text) VALUES (8000, 'later')").unwrap();
        let error = set(steps(), AfterFailure::Restore).run(&conn).unwrap_err();
        assert!(error.report().restored.is_none(), "{mode}: {error}");
        assert_eq!(rows(&conn, "SELECT text FROM notes WHERE id = 8000"), ["later"], "{mode}");
        assert_eq!(count(&database), (1, 0), "{mode}");
    }
}

/// SQLite's number that says whether others have written changes with the mode too, so nothing is undone on a guess.
#[test]
fn a_run_that_changed_the_journal_mode_is_not_undone() {
    let database = database("delete");
    let steps = vec![Migration::sql("2_mode", "PRAGMA journal_mode = WAL"), add_title(), wrong()];
    let error = set(steps, AfterFailure::Restore).run(&database.connect()).unwrap_err();
    assert!(error.to_string().contains("or a step changed its journal mode"), "{error}");
    assert_eq!(error.report().applied.len(), 2);
    // A person can decide to.
    let snapshot = error.report().snapshot.clone().unwrap();
    runner([]).restore(&database.connect(), snapshot).unwrap();
    assert_eq!(applied(&database.connect()), ["1_notes"]);
    assert_eq!(database.rows("PRAGMA journal_mode"), ["wal"]);
}

#[test]
fn a_restore_that_is_impossible_leaves_everything_and_says_why() {
    let database = database("wal");
    let folder = tempfile::tempdir().unwrap();
    let (snapshots, elsewhere) = (folder.path().join("snapshots"), folder.path().join("elsewhere"));
    std::fs::create_dir(&snapshots).unwrap();
    let (from, to) = (snapshots.clone(), elsewhere);
    let moves = Migration::code("2_moves", move |conn| {
        std::fs::rename(&from, &to).unwrap();
        conn.execute_batch("DELETE FROM notes WHERE id = 1")
    });
    let settings = Snapshot::Always.in_folder(&snapshots).after_failure(AfterFailure::Restore);
    let error = runner([moves, wrong()]).snapshot(settings).run(&database.connect()).unwrap_err();
    assert!(error.to_string().contains("was not restored, since that failed"), "{error}");
    assert_eq!(error.report().applied.len(), 1);
    assert_eq!(database.rows("SELECT count(*) FROM notes"), ["999"]);
}

/// The same for a run that fails while the application has such a statement.
#[test]
fn a_run_that_fails_under_an_unfinished_statement_is_not_undone_over_the_rows_of_others() {
    let database = database("wal");
    let conn = database.connect();
    let mut statement = conn.prepare("SELECT id FROM notes").unwrap();
    let mut open = statement.query([]).unwrap();
    open.next().unwrap().unwrap();
    let path = database.path();
    let set = set(vec![add_title(), wrong()], AfterFailure::Restore).observe(move |event| {
        if let switchy_schema::Event::Failed { .. } = event {
            let path = path.clone();
            // The step is rolled back when this ends.
            std::thread::spawn(move || {
                let theirs = Connection::open(path).unwrap();
                theirs.busy_timeout(std::time::Duration::from_secs(600)).unwrap();
                theirs.execute_batch("INSERT INTO notes (id, text) VALUES (7000, 'theirs')").unwrap();
            });
        }
    });
    let error = set.run(&conn).unwrap_err();
    assert!(error.report().restored.is_none(), "{error}");
    assert!(error.to_string().contains("a statement that is not finished"), "{error}");
    crate::sentences::is_one_sentence(&error.to_string());
    assert_eq!(applied(&database.connect()), ["1_notes", "2_title"]);
}

/// A start that fails again and again must not fill the disk.
#[test]
fn repeated_failures_leave_a_bounded_number_of_files() {
    for after_failure in [AfterFailure::Keep, AfterFailure::Restore] {
        for (name, steps) in failing() {
            let database = database("wal");
            let conn = database.connect();
            let mut seen = Vec::new();
            for start in 0..4 {
                let runner = set(steps.clone(), after_failure);
                let error = runner.run(&conn).unwrap_err();
                assert!(
                    error.report().snapshot.as_ref().unwrap().exists(),
                    "{name}, {after_failure:?}: {error}"
                );
                if start > 0 {
                    seen.push(count(&database));
                }
            }
            let asides = usize::from(after_failure == AfterFailure::Restore);
            assert_eq!(seen, [(1, asides); 3], "{name}, {after_failure:?}");
        }
    }
}

/// Rows that are written between two attempts are in the snapshot of the second.
#[test]
fn the_snapshot_of_a_second_attempt_has_what_was_written_since_the_first() {
    for after_failure in [AfterFailure::Keep, AfterFailure::Restore] {
        let steps = match after_failure {
            // Nothing of the first attempt is committed.
            AfterFailure::Keep => vec![wrong()],
            _ => vec![add_title(), wrong()],
        };
        let database = database("wal");
        let conn = database.connect();
        let first = set(steps.clone(), after_failure).run(&conn).unwrap_err();
        conn.execute_batch("INSERT INTO notes (id, text) VALUES (9000, 'between')").unwrap();
        let second = set(steps.clone(), after_failure).run(&conn).unwrap_err();
        let [first, second] = [first, second].map(|error| error.report().snapshot.clone().unwrap());
        assert!(!first.exists() && second.exists(), "{after_failure:?}");
        let copy = Connection::open(second).unwrap();
        assert_eq!(rows(&copy, "SELECT text FROM notes WHERE id = 9000"), ["between"], "{after_failure:?}");
        assert_eq!(rows(&conn, "SELECT text FROM notes WHERE id = 9000"), ["between"], "{after_failure:?}");

        let right = match after_failure {
            AfterFailure::Keep => vec![Migration::sql("3_wrong", "SELECT 1")],
            _ => vec![add_title(), Migration::sql("3_wrong", "SELECT 1")],
        };
        set(right, after_failure).run(&conn).unwrap();
        assert!(!files(&database).iter().any(|name| name.contains("intent")), "{:?}", files(&database));
    }
}

/// A run that failed half-way and the one that continues it have one snapshot, from before the first.
#[test]
fn a_run_that_is_continued_has_the_first_snapshot() {
    let database = database("delete");
    let before = content(&database.connect());
    let first = set(vec![drop_notes(), wrong()], AfterFailure::Keep).run(&database.connect()).unwrap_err();
    let right = vec![drop_notes(), Migration::sql("3_wrong", "CREATE TABLE right (a)")];
    let report = set(right, AfterFailure::Keep).run(&database.connect()).unwrap();
    assert_eq!(report.snapshot, first.report().snapshot);
    assert_eq!(count(&database), (1, 0));
    assert_eq!(content_of(&report.snapshot.unwrap()), before);
    assert_eq!(applied(&database.connect()), ["1_notes", "2_no_notes", "3_wrong"]);
}

#[test]
fn a_note_that_is_not_ours_is_an_error_and_stays() {
    for (text, said) in [
        ("a letter", "it is damaged, was written by a newer version, or is not an intent file"),
        ("", "it is damaged"),
        ("switchy_schema intent 2\nend x\n", "written by a newer version"),
    ] {
        let database = database("wal");
        let note = database.path().with_file_name("test.db-migrate-intent");
        std::fs::write(&note, text).unwrap();
        let error = set(vec![add_title()], AfterFailure::Restore).run(&database.connect()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Snapshot);
        assert!(
            error.to_string().contains(said) && error.to_string().contains("move the file away"),
            "{error}"
        );
        // A snapshot can be restored all the same.
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        database.connect().execute("VACUUM INTO ?1", [copy.to_str()]).unwrap();
        runner([]).restore(&database.connect(), &copy).unwrap();
        assert_eq!(std::fs::read_to_string(&note).unwrap(), text);
        assert_eq!(applied(&database.connect()), ["1_notes"]);
    }
}

/// Two libraries migrate one database, each with a table of its own.
#[test]
fn an_unfinished_run_of_another_table_keeps_its_snapshot() {
    let database = database("wal");
    let theirs = |script: &'static str| {
        MigrationRunner::new([
            Migration::sql("1_theirs", "CREATE TABLE theirs (a)"),
            Migration::sql("2_it", script),
        ])
        .unwrap()
        .table_name("their_migrations")
        .unwrap()
        .snapshot(Snapshot::Always.keep(0))
    };
    let error = theirs("SELECT missing").run(&database.connect()).unwrap_err();
    let needed = error.report().snapshot.clone().unwrap();
    let report = runner([add_title()]).snapshot(Snapshot::Always.keep(0)).run(&database.connect()).unwrap();
    assert_eq!(report.snapshot, None);
    assert!(needed.exists());
    theirs("SELECT 1").run(&database.connect()).unwrap();
    assert_eq!(files(&database), Vec::<String>::new());
}

/// A program that survives a panic goes on with what the run left, and a later start must not undo that.
#[test]
fn a_run_that_panics_is_not_taken_for_one_that_was_killed() {
    let database = database("wal");
    let conn = database.connect();
    let panics = Migration::code("3_panics", |_| -> Result<(), rusqlite::Error> { panic!("a defect") });
    let run = || set(vec![add_title(), panics.clone()], AfterFailure::Restore).run(&conn);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert_eq!(applied(&conn), ["1_notes", "2_title"]);
    conn.execute_batch("INSERT INTO notes (id, text) VALUES (9000, 'after the panic')").unwrap();

    let right = vec![add_title(), Migration::sql("3_panics", "SELECT 1")];
    let report = set(right, AfterFailure::Restore).run(&conn).unwrap();
    assert!(report.restored.is_none());
    assert_eq!(rows(&conn, "SELECT text FROM notes WHERE id = 9000"), ["after the panic"]);
    assert_eq!(applied(&conn).len(), 3);
}

/// A step outside a transaction that fails before it did anything leaves no old snapshot for the next attempt.
#[test]
fn a_step_outside_a_transaction_that_did_nothing_is_tried_with_a_new_snapshot() {
    let database = database("wal");
    let conn = database.connect();
    let step = |script: &'static str| vec![Migration::sql("2_it", script).outside_transaction()];
    let first = set(step("SELECT missing"), AfterFailure::Keep).run(&conn).unwrap_err();
    conn.execute_batch("INSERT INTO notes (id, text) VALUES (9000, 'between')").unwrap();
    let report = set(step("VACUUM"), AfterFailure::Keep).run(&conn).unwrap();
    assert!(!first.report().snapshot.as_ref().unwrap().exists());
    let copy = Connection::open(report.snapshot.unwrap()).unwrap();
    assert_eq!(rows(&copy, "SELECT text FROM notes WHERE id = 9000"), ["between"]);
}
