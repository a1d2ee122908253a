//! Copies of a database that the engine makes: their progress, and what ends them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{
    AfterFailure, CancelToken, ErrorKind, Event, Migration, MigrationError, MigrationRunner, PlannedSnapshot,
    Policy, ProblemKind, Signature, Snapshot, SnapshotKind, Target, Verdict,
};

use crate::execution::{applied, memory};

const MODES: [&str; 2] = ["wal", "delete"];

/// A query that never ends by itself.
const ENDLESS: &str =
    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n WHERE n < 0";

fn notes() -> Migration {
    Migration::sql(
        "1_notes",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text);
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO notes SELECT i, randomblob(300) FROM n",
    )
}

fn runner(others: impl IntoIterator<Item = Migration>) -> MigrationRunner {
    MigrationRunner::new([notes()].into_iter().chain(others).collect::<Vec<_>>()).unwrap()
}

/// A database of about 3000 pages.
fn database(mode: &str) -> TestDatabase {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch(&format!("PRAGMA page_size = 512; PRAGMA journal_mode = {mode}")).unwrap();
    runner([]).run(&conn).unwrap();
    database
}

fn content(conn: &Connection) -> Vec<String> {
    let mut all = applied(conn);
    all.extend(rows(conn, "SELECT sql FROM sqlite_master ORDER BY name"));
    all.extend(rows(conn, "SELECT id, hex(text) FROM notes ORDER BY id"));
    all
}

fn files(database: &TestDatabase) -> Vec<String> {
    let entries = std::fs::read_dir(database.path().parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // The lock file, and the files of the WAL.
    names.retain(|name| !["-migrate", "-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end)));
    names.sort();
    names
}

fn second() -> Migration {
    Migration::sql("2_more", "CREATE TABLE more (a); DELETE FROM notes WHERE id > 2990")
}

/// What copies a database, and how many copies it makes.
const VERBS: [(&str, usize); 3] = [("a snapshot", 1), ("a restore", 2), ("a rehearsal", 2)];

/// A database on which a verb copies, and what has to be there before.
fn prepared(verb: &str, mode: &str) -> TestDatabase {
    let database = database(mode);
    if verb == "a restore" {
        runner([second()]).snapshot(Snapshot::Always).run(&database.connect()).unwrap();
    }
    database
}

fn act(verb: &str, runner: MigrationRunner, conn: &Connection) -> Result<(), MigrationError> {
    match verb {
        "a snapshot" => runner.snapshot(Snapshot::Always).run(conn).map(drop),
        "a restore" => {
            let snapshot = runner.snapshots(conn).unwrap().pop().unwrap();
            runner.restore(conn, snapshot).map(drop)
        }
        _ => runner.rehearse(conn, Target::Latest).map(drop),
    }
}

#[test]
fn each_copy_is_told_from_its_first_thousand_pages_to_its_last_page() {
    for mode in MODES {
        for (verb, copies) in VERBS {
            let database = prepared(verb, mode);
            let conn = database.connect();
            let pages: u64 = rows(&conn, "PRAGMA page_count")[0].parse().unwrap();
            let log = Arc::new(Mutex::new(Vec::new()));
            let told = Arc::clone(&log);
            let observed = runner([second()]).observe(move |event| {
                if let Event::Copying { done, of } = event {
                    told.lock().unwrap().push((*done, *of));
                }
            });
            act(verb, observed, &conn).unwrap_or_else(|error| panic!("{verb}, {mode}: {error}"));
            let log = log.lock().unwrap();
            let all: Vec<&[(u64, u64)]> = log.split_inclusive(|(done, of)| done == of).collect();
            assert_eq!(all.len(), copies, "{verb}, {mode}: {log:?}");
            for copy in all {
                let (&(last, of), parts) = copy.split_last().unwrap();
                assert!(last == of && of.abs_diff(pages) < 100, "{verb}, {mode}: {copy:?} of {pages}");
                let expected: Vec<(u64, u64)> = (1..of.div_ceil(1000)).map(|n| (n * 1000, of)).collect();
                assert_eq!(parts, expected, "{verb}, {mode}");
            }
        }
    }
}

#[test]
fn a_cancel_at_any_report_ends_a_copy_and_leaves_nothing() {
    for mode in MODES {
        for (verb, copies) in VERBS {
            let mut ended = 0;
            for at in 1.. {
                let database = prepared(verb, mode);
                let conn = database.connect();
                let before = (content(&conn), files(&database));
                let (token, count) = (CancelToken::new(), AtomicUsize::new(0));
                let button = token.clone();
                let observed = runner([second()]).cancel_with(&token).observe(move |event| {
                    if matches!(event, Event::Copying { .. })
                        && count.fetch_add(1, Ordering::SeqCst) + 1 == at
                    {
                        button.cancel();
                    }
                });
                let done = act(verb, observed, &conn);
                assert!(conn.is_autocommit(), "{verb}, {mode}, {at}");
                if let Err(error) = done {
                    assert_eq!(error.kind(), ErrorKind::Stopped, "{verb}, {mode}, {at}: {error}");
                    assert!(
                        error.to_string().starts_with("the run was stopped; nothing was done"),
                        "{error}"
                    );
                    assert!((content(&conn), files(&database)) == before, "{verb}, {mode}, {at}: {error}");
                    runner([])
                        .run(&conn)
                        .map(drop)
                        .or_else(|error| if error.is_database_ahead() { Ok(()) } else { Err(error) })
                        .unwrap();
                    ended += 1;
                } else {
                    // After the last page of a restore it is too late.
                    assert!(
                        token.is_cancelled() == (verb == "a restore" && at > ended) || !token.is_cancelled()
                    );
                    break;
                }
            }
            assert!(ended > copies, "{verb}, {mode}: {ended}");
        }
    }
}

#[test]
fn an_observer_that_panics_during_a_copy_loses_nothing() {
    for mode in MODES {
        for (verb, _) in VERBS {
            for at in 1.. {
                let database = prepared(verb, mode);
                let conn = database.connect();
                let (before, files_before) = (content(&conn), files(&database));
                let count = AtomicUsize::new(0);
                let observed = runner([second()]).observe(move |event| {
                    let is_it = matches!(event, Event::Copying { .. });
                    assert!(!is_it || count.fetch_add(1, Ordering::SeqCst) + 1 != at, "on purpose");
                });
                if catch_unwind(AssertUnwindSafe(|| act(verb, observed, &conn))).is_ok() {
                    break;
                }
                assert!(conn.is_autocommit(), "{verb}, {mode}, {at}");
                assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{verb}, {mode}, {at}");
                let now = content(&conn);
                if now == before {
                    // A file with what is still there does no harm, but a partial one would.
                    assert!(files(&database) == files_before, "{verb}, {mode}, {at}");
                } else {
                    let aside = runner([]).snapshots(&conn).unwrap().into_iter();
                    let aside: Vec<_> =
                        aside.filter(|info| info.kind == SnapshotKind::BeforeRestore).collect();
                    assert_eq!(
                        content(&Connection::open(&aside[0].path).unwrap()),
                        before,
                        "{verb}, {mode}, {at}"
                    );
                }
            }
        }
    }
}

/// In WAL mode others write while a database is copied in pieces.
#[test]
fn a_copy_in_pieces_is_of_one_moment() {
    for (verb, _) in VERBS {
        let database = prepared(verb, "wal");
        let conn = database.connect();
        let path = database.path();
        let before = content(&conn);
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let observed = runner([second()]).observe(move |event| {
            if let Event::Copying { done: 1000, .. } = event {
                count.fetch_add(1, Ordering::SeqCst);
                let theirs = Connection::open(&path).unwrap();
                // While a restore writes, nobody else can.
                let _ = theirs.execute_batch("UPDATE notes SET text = 'theirs'");
            }
        });
        let done = act(verb, observed, &conn);
        let theirs = rows(&conn, "SELECT count(*) FROM notes WHERE text = 'theirs'");
        match verb {
            "a snapshot" => {
                done.unwrap();
                assert_eq!(theirs, ["2990"]);
                let snapshot = runner([]).snapshots(&conn).unwrap().remove(0);
                assert!(content(&Connection::open(&snapshot.path).unwrap()) == before);
            }
            "a rehearsal" => {
                done.unwrap();
                assert_eq!(theirs, ["3000"]);
                // Neither of the copies began anew because of what was written.
                assert_eq!(begun.load(Ordering::SeqCst), 2);
            }
            _ => {
                // The first content that was set aside was not the last one, so it was set aside again.
                done.unwrap();
                assert_eq!(theirs, ["0"]);
                let aside = runner([]).snapshots(&conn).unwrap().into_iter();
                let aside: Vec<_> = aside.filter(|info| info.kind == SnapshotKind::BeforeRestore).collect();
                assert_eq!(aside.len(), 1);
                let set_aside = Connection::open(&aside[0].path).unwrap();
                assert_eq!(rows(&set_aside, "SELECT count(*) FROM notes WHERE text = 'theirs'"), ["2990"]);
            }
        }
    }
}

/// The hooks of the application are not told of a rollback that none of its transactions had.
#[test]
fn a_copy_is_no_rollback_for_the_application() {
    let database = database("wal");
    let conn = &mut database.connect();
    let count = Arc::new(AtomicUsize::new(0));
    let rolled_back = Arc::clone(&count);
    // The function returns `()` in older versions of the driver.
    #[allow(clippy::let_unit_value)]
    let _ = conn.rollback_hook(Some(move || {
        rolled_back.fetch_add(1, Ordering::SeqCst);
    }));
    runner([second()]).rehearse(conn, Target::Latest).unwrap();
    runner([second()]).snapshot(Snapshot::Always).run(conn).unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

/// What was written while the snapshot was made was not rehearsed.
#[test]
fn what_is_written_during_a_snapshot_is_noticed_before_the_first_step() {
    let database = database("wal");
    let conn = database.connect();
    let path = database.path();
    let observed = runner([second()]).snapshot(Snapshot::Always).observe(move |event| {
        if let Event::Planned { .. } = event {
            let theirs = Connection::open(&path).unwrap();
            theirs.execute_batch("INSERT INTO notes VALUES (3001, 'theirs')").unwrap();
        }
    });
    let impact = observed.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(impact.rows().deleted, 10);
    let error = observed.apply_rehearsed(&conn, impact).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
    assert_eq!(rows(&conn, "SELECT text FROM notes WHERE id = 3001"), ["theirs"]);
    assert_eq!(applied(&conn), ["1_notes"]);
}

#[test]
fn a_rehearsal_that_is_carried_out_tells_how_long_it_takes() {
    let wrong = || {
        Migration::code("3_wrong", |conn| {
            let is_file = conn.path().is_some_and(|path| !path.is_empty());
            if is_file { conn.execute_batch("SELECT missing") } else { Ok(()) }
        })
    };
    let restoring = Snapshot::Always.after_failure(AfterFailure::Restore);
    let (conn, log) = (memory(), Arc::new(Mutex::new(Vec::new())));
    let observed = |steps: Vec<Migration>| {
        let told = Arc::clone(&log);
        runner(steps).observe(move |event| {
            if let Event::Planned { plan, expected } = event {
                told.lock().unwrap().push((plan.steps().len(), *expected));
            }
        })
    };
    observed(vec![]).run(&conn).unwrap();
    let plan = observed(vec![second()]).plan(&conn, Target::Latest).unwrap();
    observed(vec![second()]).apply(&conn, plan).unwrap();
    let rehearsed =
        observed(vec![second(), Migration::reversible("3_last", "CREATE TABLE last (a)", "DROP TABLE last")]);
    let impact = rehearsed.rehearse(&conn, Target::Latest).unwrap();
    let took = impact.duration();
    rehearsed.apply_rehearsed(&conn, impact).unwrap();
    // A rollback writes its log, and a run with a snapshot is undone.
    let impact = rehearsed.rehearse(&conn, Target::Back(1)).unwrap();
    let took_back = impact.duration();
    rehearsed.apply_rehearsed(&conn, impact).unwrap();
    let database = database("wal");
    let conn = database.connect();
    let (before, failing) = (content(&conn), observed(vec![second(), wrong()]).snapshot(restoring));
    let impact = failing.rehearse(&conn, Target::Latest).unwrap();
    let took_failing = impact.duration();
    let error = failing.apply_rehearsed(&conn, impact).unwrap_err();
    assert!(error.report().restored.is_some() && content(&conn) == before, "{error}");
    let expected = [(1, None), (1, None), (1, Some(took)), (1, Some(took_back)), (2, Some(took_failing))];
    assert_eq!(*log.lock().unwrap(), expected);
}

/// Everything that runs scripts for a report ends too, and reports nothing about the statement that was interrupted.
#[test]
fn what_tries_scripts_out_ends_with_the_token() {
    type Verb = (&'static str, fn(&MigrationRunner, &Connection) -> Result<(), MigrationError>);
    let verbs: [Verb; 5] = [
        ("rehearse", |it, conn| it.rehearse(conn, Target::Latest).map(drop)),
        ("drift", |it, conn| it.drift(conn).map(drop)),
        ("validate", |it, conn| it.validate(conn).map(drop)),
        ("prove_reversible", |it, conn| it.prove_reversible(conn).map(drop)),
        ("prove_source_reversible", |it, _| it.prove_source_reversible().map(drop)),
    ];
    for (verb, act) in verbs {
        for is_late in [false, true] {
            let (conn, token) = (memory(), CancelToken::new());
            // It ends at once on the database, and never where it is tried.
            let is_live = Arc::new(Mutex::new(verb != "rehearse"));
            let (live, button) = (Arc::clone(&is_live), token.clone());
            let code = Migration::code("2_code", move |conn| {
                if *live.lock().unwrap() {
                    return Ok(());
                }
                let button = button.clone();
                if is_late {
                    thread::spawn(move || {
                        thread::sleep(Duration::from_millis(20));
                        button.cancel();
                    });
                } else {
                    button.cancel();
                }
                conn.execute_batch(ENDLESS)
            });
            let set = || MigrationRunner::new([notes(), code.clone()]).unwrap();
            let is_pending = verb == "rehearse" || verb == "prove_reversible";
            if is_pending { runner([]).run(&conn).map(drop) } else { set().run(&conn).map(drop) }.unwrap();
            *is_live.lock().unwrap() = false;
            let before = content(&conn);
            let error = act(&set().cancel_with(&token), &conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{verb}: {error}");
            assert!(content(&conn) == before && conn.is_autocommit(), "{verb}: {error}");
            // Cancelled before it begins.
            let error = act(&set().cancel_with(&token), &conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped, "{verb}: {error}");
        }
    }
}

/// The copy is no file, but the database is.
#[test]
fn a_rehearsal_says_which_snapshot_the_run_keeps() {
    let strict = Policy::DEFAULT.with(ProblemKind::NoSnapshot, Verdict::Deny);
    let set = || runner([second()]).snapshot(Snapshot::Always).policy(strict.clone());
    let database = database("wal");
    let conn = database.connect();
    let impact = set().rehearse(&conn, Target::Latest).unwrap();
    assert!(matches!(impact.plan().snapshot(), Some(PlannedSnapshot::Kept { .. })), "{}", impact.plan());
    assert!(impact.problems.is_empty(), "{impact}");
    assert!(set().apply_rehearsed(&conn, impact).unwrap().snapshot.is_some());

    let conn = memory();
    runner([]).run(&conn).unwrap();
    let impact = set().rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(
        impact.problems.iter().map(|it| (it.kind, it.verdict)).collect::<Vec<_>>(),
        [(ProblemKind::NoSnapshot, Verdict::Deny)]
    );
    assert_eq!(set().apply_rehearsed(&conn, impact).unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(applied(&conn), ["1_notes"]);
}

#[test]
fn a_rehearsal_that_is_stopped_before_a_step_is_no_finding() {
    let conn = memory();
    let error = runner([]).stop_when(|| true).rehearse(&conn, Target::Latest).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(applied(&conn).is_empty());
}

#[test]
fn a_repair_that_is_cancelled_says_so_and_repairs_nothing() {
    let (conn, token) = (memory(), CancelToken::new());
    let is_cancelling = Arc::new(Mutex::new(false));
    let (cancels, button) = (Arc::clone(&is_cancelling), token.clone());
    let index = Migration::code("2_index", move |conn| {
        if *cancels.lock().unwrap() {
            button.cancel();
        }
        conn.execute_batch("CREATE INDEX by_text ON notes (text)")
    });
    let set = MigrationRunner::new([notes(), index]).unwrap().cancel_with(&token);
    set.run(&conn).unwrap();
    conn.execute_batch("DROP INDEX by_text").unwrap();
    let drift = set.drift(&conn).unwrap();
    *is_cancelling.lock().unwrap() = true;
    let error = set.repair_drift(&conn, drift, Signature::of("ada")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(rows(&conn, "SELECT name FROM sqlite_master WHERE name = 'by_text'").is_empty());
    assert!(conn.is_autocommit());
}

/// A reader that is gone in a moment is no reason not to undo a run: the wait for it is not one of the run that was cancelled.
#[test]
fn a_cancelled_run_is_undone_although_a_reader_is_in_the_way() {
    for mode in MODES {
        let database = database(mode);
        let conn = database.connect();
        let before = content(&conn);
        let (token, path) = (CancelToken::new(), database.path());
        let button = token.clone();
        let set = runner([second(), Migration::sql("3_endless", ENDLESS)])
            .snapshot(Snapshot::Always.after_failure(AfterFailure::Restore))
            .cancel_with(&token)
            .observe(move |event| match event {
                Event::Statement { step, .. } if step.id == "3_endless" => {
                    let button = button.clone();
                    thread::spawn(move || button.cancel());
                }
                Event::Failed { .. } => {
                    let path = path.clone();
                    let (tell, told) = std::sync::mpsc::channel();
                    thread::spawn(move || {
                        let reader = Connection::open(path).unwrap();
                        // A step has a transaction here until it is rolled back.
                        reader.busy_timeout(Duration::from_secs(600)).unwrap();
                        reader.execute_batch("BEGIN; SELECT count(*) FROM notes").unwrap();
                        tell.send(()).unwrap();
                        thread::sleep(Duration::from_millis(200));
                    });
                    told.recv().unwrap();
                }
                _ => {}
            });
        let error = set.run(&conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stopped, "{mode}: {error}");
        assert!(error.report().restored.is_some(), "{mode}: {error}");
        assert!(content(&conn) == before, "{mode}: {error}");
    }
}
