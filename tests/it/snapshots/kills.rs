//! Real processes that are killed during a run with a snapshot, during the copy, and during the restore.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use switchy_schema::{Event, Lock, test_utils};

use super::*;
use crate::children::{say, wait_for};
use crate::processes::dying_at;

const JOB: &str = "SWITCHY_SCHEMA_SNAPSHOT_JOB";
const DATABASE: &str = "SWITCHY_SCHEMA_SNAPSHOT_DATABASE";
const MOMENT: &str = "SWITCHY_SCHEMA_SNAPSHOT_MOMENT";

const TEST: &str = "snapshots::kills::the_job_of_a_process_that_another_test_started";

/// The command that does a job on a database in a process of its own.
fn command(program: Command, job: &str, database: &TestDatabase, moment: &str) -> Child {
    let mut program = program;
    program
        .args(["--exact", TEST, "--nocapture"])
        .env(JOB, job)
        .env(DATABASE, database.path())
        .env(MOMENT, moment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn start(job: &str, database: &TestDatabase, moment: &str) -> Child {
    command(Command::new(std::env::current_exe().unwrap()), job, database, moment)
}

#[test]
fn the_job_of_a_process_that_another_test_started() {
    let Ok(job) = std::env::var(JOB) else { return };
    let path = PathBuf::from(std::env::var_os(DATABASE).unwrap());
    let moment = std::env::var(MOMENT).unwrap();
    let mut conn = Connection::open(&path).unwrap();
    match &*job {
        "together" => {
            let runner = runner([drop_notes()]).snapshot(Snapshot::Always);
            say("ready");
            std::io::stdin().read_line(&mut String::new()).unwrap();
            let report = runner.run(&conn).unwrap_or_else(|error| panic!("{error}"));
            say(&format!("kept {}", usize::from(report.snapshot.is_some())));
        }
        "run" => match runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn) {
            Ok(_) => say("it succeeded"),
            Err(error) => say(&format!("error: {error}")),
        },
        "restore" => {
            let snapshot = runner([]).snapshots(&conn).unwrap().pop().unwrap();
            let copying = dying_at(&moment, "copying");
            let runner = prepared(runner([]), &moment).observe(move |event| {
                if let Event::Copying { .. } = event {
                    copying();
                }
            });
            say("restoring");
            runner.restore(&conn, snapshot).unwrap();
        }
        // The name of a set, and what happens after a failure.
        _ => {
            let (set, after_failure) = job.split_once(' ').unwrap();
            let _ = dying(set, after_failure, &mut conn, &moment).run(&conn);
        }
    }
    say("ended");
}

fn after_failure(name: &str) -> AfterFailure {
    if name == "restore" { AfterFailure::Restore } else { AfterFailure::Keep }
}

/// A runner whose preparation of a connection stops the process at its n-th call: `prepare 3`.
fn prepared(runner: MigrationRunner, moment: &str) -> MigrationRunner {
    let prepare = Arc::new(dying_at(moment, "prepare"));
    runner.prepare_connection(move |conn| {
        prepare();
        Ok(conn.create_scalar_function("tick", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1))?)
    })
}

/// Three steps, one of them outside a transaction. The `failing` set fails at its end.
fn steps(set: &str) -> Vec<Migration> {
    let last = if set == "failing" { "SELECT missing" } else { "SELECT 1" };
    vec![
        Migration::sql("2_column", "ALTER TABLE notes ADD n; UPDATE notes SET n = tick() WHERE id < 3"),
        Migration::sql("3_outside", "DELETE FROM notes WHERE id = tick() * 10; DELETE FROM notes WHERE id = tick() * 20; CREATE TABLE made AS SELECT tick()")
            .outside_transaction(),
        Migration::sql("4_table", "CREATE TABLE more (a); INSERT INTO more SELECT tick(); DROP INDEX by_text"),
        Migration::sql("5_last", last),
    ]
}

/// A runner that stops the process at a moment, so that it can be killed there.
fn dying(set: &str, after: &str, conn: &mut Connection, moment: &str) -> MigrationRunner {
    let at = |which: &str| dying_at(moment, which);
    let (tick, commit, started, finished) = (at("tick"), at("commit"), at("started"), at("finished"));
    let copying = at("copying");
    conn.create_scalar_function("tick", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        tick();
        Ok(1)
    })
    .unwrap();
    // The function returns `()` in older versions of the driver.
    #[allow(clippy::let_unit_value)]
    let _ = conn.commit_hook(Some(move || {
        commit();
        false
    }));
    let runner = runner(steps(set)).snapshot(Snapshot::Always.after_failure(after_failure(after)));
    prepared(runner, moment).observe(move |event| match event {
        Event::Started { .. } => started(),
        Event::Finished { .. } => finished(),
        Event::Copying { .. } => copying(),
        _ => {}
    })
}

/// Starts a job and kills it at a moment. Returns whether it reached that.
pub(super) fn kill_at(job: &str, database: &TestDatabase, moment: &str) -> bool {
    let mut child = start(job, database, moment);
    let output = BufReader::new(child.stdout.take().unwrap());
    let is_dying = output.lines().map(Result::unwrap).any(|line| line == "dying");
    if is_dying {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(is_dying || status.success(), "{job}, {moment}");
    is_dying
}

fn moments() -> Vec<String> {
    let kinds = [("tick", 6), ("commit", 9), ("started", 4), ("finished", 4), ("prepare", 9)];
    kinds.iter().flat_map(|&(kind, count)| (1..=count).map(move |n| format!("{kind} {n}"))).collect()
}

/// The next start of a program with this set.
pub(super) fn next(
    set: &str,
    after: &str,
    database: &TestDatabase,
) -> switchy_schema::Result<switchy_schema::Report> {
    let mut conn = database.connect();
    dying(set, after, &mut conn, "never 0").lock_timeout(Duration::from_secs(600)).run(&conn)
}

/// What the database has before the run and after all of it.
fn before_and_after(mode: &str) -> [Vec<String>; 2] {
    let database = database(mode);
    let before = content(&database.connect());
    next("right", "keep", &database).unwrap();
    [before, content(&database.connect())]
}

#[test]
fn a_run_killed_at_any_moment_is_as_if_it_had_not_begun_or_is_finished() {
    let [before, after] = before_and_after("wal");
    let (mut killed, mut restored) = (0, 0);
    for (number, moment) in moments().iter().enumerate() {
        let mode = MODES[number % 2];
        for set in ["failing", "right"] {
            let database = database(mode);
            killed += usize::from(kill_at(&format!("{set} restore"), &database, moment));
            let context = format!("{set}, {moment}, {mode}");
            assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"], "{context}");

            // The same program starts again. It fails again, and the database is as it was.
            if set == "failing" {
                let error = next("failing", "restore", &database).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Step, "{context}: {error}");
                assert_eq!(content(&database.connect()), before, "{context}: {error}");
                assert_eq!(error.report().applied, [], "{context}");
            }
            // A corrected program finishes.
            let report =
                next("right", "restore", &database).unwrap_or_else(|error| panic!("{context}: {error}"));
            restored += usize::from(report.restored.is_some());
            assert_eq!(content(&database.connect()), after, "{context}");
            if let Some(path) = &report.snapshot {
                assert_eq!(content_of(path), before, "{context}");
            }
            let files = files(&database);
            assert!(
                !files.iter().any(|name| name.contains("intent") || name.contains("partial")),
                "{context}: {files:?}"
            );
            assert!(next("right", "restore", &database).unwrap().is_up_to_date(), "{context}");
        }
    }
    assert!(killed > 45, "{killed}");
    assert!(restored > 5, "{restored}");
}

#[test]
fn a_killed_run_that_keeps_what_it_did_is_continued_with_its_snapshot() {
    let [before, after] = before_and_after("wal");
    for (number, moment) in moments().iter().enumerate() {
        let mode = MODES[number % 2];
        let database = database(mode);
        if !kill_at("right keep", &database, moment) {
            continue;
        }
        let context = format!("{moment}, {mode}");
        let mut outcome = next("right", "keep", &database);
        let is_dirty = |error: &switchy_schema::MigrationError| {
            error.problems().iter().any(|it| it.kind == ProblemKind::Dirty)
        };
        if let Err(error) = &outcome {
            assert!(is_dirty(error), "{context}: {error}");
            let snapshot = error.report().snapshot.as_ref().unwrap();
            assert_eq!(content_of(snapshot), before, "{context}");
            let retry = switchy_schema::Recovery::Retry("3_outside".into());
            runner(steps("right"))
                .recover(&database.connect(), retry, switchy_schema::Signature::of("the test"))
                .unwrap();
            outcome = next("right", "keep", &database);
        }
        let report = outcome.unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(content(&database.connect()), after, "{context}");
        assert_eq!(count(&database), (1, 0), "{context}");
        if let Some(path) = &report.snapshot {
            assert_eq!(content_of(path), before, "{context}");
        }
    }
}

/// Without a lock, the run that a note is about may still be running.
/// An old table gets its new column in the first transaction of a run, and the snapshot from before does not have it.
#[test]
fn a_run_on_an_old_tracking_table_that_is_killed_is_as_if_it_had_not_begun() {
    for mode in MODES {
        let [before, after] = before_and_after(mode);
        for moment in ["tick 1", "commit 1", "commit 2", "commit 3", "started 3", "finished 3", "prepare 3"] {
            let database = database(mode);
            database.connect().execute_batch("ALTER TABLE __switchy_migrations DROP COLUMN program").unwrap();
            assert!(kill_at("right restore", &database, moment), "{mode}, {moment}");
            let report = next("right", "restore", &database)
                .unwrap_or_else(|error| panic!("{mode}, {moment}: {error}"));
            assert!(content(&database.connect()) == after, "{mode}, {moment}");
            let snapshot = report.snapshot.unwrap();
            assert!(content_of(&snapshot) == before, "{mode}, {moment}");
            // It can be read and restored by a program that knows the column.
            runner([]).restore(&database.connect(), &snapshot).unwrap();
            assert!(content(&database.connect()) == before, "{mode}, {moment}");
            assert!(runner([]).drift(&database.connect()).unwrap().is_empty(), "{mode}, {moment}");
            next("right", "restore", &database).unwrap();
            assert!(content(&database.connect()) == after, "{mode}, {moment}");
        }
    }
}

/// A database that is copied in several pieces.
fn large_database(mode: &str) -> TestDatabase {
    let database = database(mode);
    let further = "WITH RECURSIVE n (i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        INSERT INTO notes SELECT i, hex(zeroblob(1500)) || i FROM n";
    database.connect().execute_batch(further).unwrap();
    database
}

#[test]
fn a_process_killed_between_two_pieces_of_a_copy_leaves_the_old_or_the_new_content() {
    for mode in MODES {
        for (restoring, least) in [(false, 3), (true, 5)] {
            let mut reached = 0;
            for n in 1.. {
                let database = large_database(mode);
                let before = content(&database.connect());
                let job = if restoring { "restore" } else { "right restore" };
                if restoring {
                    runner([drop_notes()]).snapshot(Snapshot::Always).run(&database.connect()).unwrap();
                    let more = "CREATE TABLE more (a); INSERT INTO more VALUES (hex(zeroblob(6000000)))";
                    database.connect().execute_batch(more).unwrap();
                }
                let now = content(&database.connect());
                if !kill_at(job, &database, &format!("copying {n}")) {
                    break;
                }
                reached = n;
                let left = content(&database.connect());
                assert_eq!(database.rows("PRAGMA integrity_check"), ["ok"], "{mode}, {n}");
                if !restoring {
                    assert!(left == before, "{mode}, {n}");
                } else if left != now {
                    assert!(left == before, "{mode}, {n}");
                    let aside = snapshot_paths(&database, SnapshotKind::BeforeRestore);
                    assert_eq!(content_of(&aside[0]), now, "{mode}, {n}");
                }
                // The next run with a snapshot deletes what is not complete.
                let last = Migration::sql("9_last", "CREATE TABLE last (a)");
                let next =
                    if left == now && restoring { runner([drop_notes(), last]) } else { runner([last]) };
                next.snapshot(Snapshot::Always).run(&database.connect()).unwrap();
                count(&database);
            }
            assert!(reached >= least, "{mode}, {restoring}: {reached}");
        }
    }
}

/// The next start undoes a killed run, and the user cancels that, or it is killed too. The one after it does so.
#[test]
fn undoing_a_killed_run_can_be_ended_and_is_done_by_the_start_after() {
    let after = {
        let database = large_database("wal");
        next("right", "keep", &database).unwrap();
        content(&database.connect())
    };
    for mode in MODES {
        for n in [1, 3] {
            for is_killed in [false, true] {
                let database = large_database(mode);
                assert!(kill_at("right restore", &database, "started 3"), "{mode}");
                if is_killed {
                    assert!(kill_at("right restore", &database, &format!("copying {n}")), "{mode}, {n}");
                } else {
                    let left = content(&database.connect());
                    let token = switchy_schema::CancelToken::new();
                    let (button, count) = (token.clone(), std::sync::atomic::AtomicUsize::new(0));
                    let mut conn = database.connect();
                    let runner = dying("right", "restore", &mut conn, "never 0").cancel_with(&token);
                    let runner = runner.observe(move |event| {
                        let is_it = matches!(event, Event::Copying { .. });
                        if is_it && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1 == n {
                            button.cancel();
                        }
                    });
                    let error = runner.run(&conn).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Stopped, "{mode}, {n}: {error}");
                    if error.report().restored.is_none() {
                        assert!(content(&database.connect()) == left, "{mode}, {n}: {error}");
                        assert!(
                            !files(&database).iter().any(|name| name.contains("set-aside")),
                            "{mode}, {n}"
                        );
                    }
                }
                next("right", "restore", &database).unwrap_or_else(|error| panic!("{mode}, {n}: {error}"));
                assert!(content(&database.connect()) == after, "{mode}, {n}, {is_killed}");
            }
        }
    }
}

/// A person finished the step of a killed run by hand, or repaired the schema. The next start does not undo that.
#[test]
fn what_a_person_did_after_a_kill_is_not_undone() {
    use switchy_schema::{Recovery, Signature};
    for mode in MODES {
        for by_hand in ["a recovery", "a repair", "nothing"] {
            let database = database(mode);
            let moment = if by_hand == "a repair" { "commit 2" } else { "tick 4" };
            assert!(kill_at("right restore", &database, moment), "{mode}");
            let conn = database.connect();
            match by_hand {
                "a recovery" => {
                    conn.execute_batch("CREATE TABLE IF NOT EXISTS made (a); INSERT INTO made VALUES (77)")
                        .unwrap();
                    runner(steps("right"))
                        .recover(&conn, Recovery::MarkDone("3_outside".into()), Signature::of("ada"))
                        .unwrap();
                }
                "a repair" => {
                    conn.execute_batch("DROP INDEX by_text").unwrap();
                    conn.create_scalar_function("tick", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1)).unwrap();
                    let runner = prepared(runner(steps("right")), "never 0");
                    let drift = runner.drift(&conn).unwrap();
                    runner.repair_drift(&conn, drift, Signature::of("ada")).unwrap().unwrap();
                }
                _ => {}
            }
            let report = next("right", "restore", &database)
                .unwrap_or_else(|error| panic!("{mode}, {by_hand}: {error}"));
            assert_eq!(report.restored.is_some(), by_hand == "nothing", "{mode}, {by_hand}");
            let logged = switchy_schema::MigrationRunner::new(steps("right"))
                .unwrap()
                .history(&database.connect())
                .unwrap();
            assert_eq!(logged.log().len(), usize::from(by_hand != "nothing"), "{mode}, {by_hand}");
            assert_eq!(applied(&database.connect()).len(), 5, "{mode}, {by_hand}");
        }
    }
}

/// Another program with a table of its own went on in the same database. What it did is not undone.
#[test]
fn a_killed_run_is_not_undone_over_the_run_of_another_table() {
    for mode in MODES {
        let database = database(mode);
        assert!(kill_at("right restore", &database, "started 3"), "{mode}");
        let theirs = Migration::sql("theirs", "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)");
        let other = switchy_schema::MigrationRunner::new([theirs]).unwrap().table_name("other").unwrap();
        other.snapshot(Snapshot::IfDestructive).run(&database.connect()).unwrap();
        let report = next("right", "restore", &database).unwrap();
        assert!(report.restored.is_none(), "{mode}");
        assert_eq!(database.rows("SELECT a FROM theirs"), ["1"], "{mode}");
        assert_eq!(applied(&database.connect()).len(), 5, "{mode}");
    }
}

#[test]
fn a_run_without_a_lock_does_not_undo_what_another_one_may_be_doing() {
    let [_, after] = before_and_after("wal");
    let database = database("wal");
    assert!(kill_at("right restore", &database, "started 4"));
    let mut conn = database.connect();
    let report = dying("right", "restore", &mut conn, "never 0").lock(Lock::Off).run(&conn).unwrap();
    assert_eq!((report.applied.len(), report.restored), (1, None));
    assert_eq!(content(&conn), after);
}

/// Kills a process at a moment that the clock decides, many times: most hit the copy or the restore.
#[test]
fn a_process_killed_while_it_restores_leaves_the_old_or_the_new_content() {
    let mut hits = 0;
    // On a slow machine, the kill may often come too late.
    for round in 0..2400_u64 {
        if round >= 24 && hits > 0 {
            break;
        }
        let database = database(MODES[usize::try_from(round % 2).unwrap()]);
        let conn = database.connect();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO notes SELECT i + 5000, hex(randomblob(50)) FROM n";
        conn.execute_batch(fill).unwrap();
        let before = content(&conn);
        runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn).unwrap();
        let now = content(&conn);
        drop(conn);
        let mut child = start("restore", &database, "");
        wait_for(&mut child, "restoring");
        std::thread::sleep(Duration::from_millis(round % 24 * 2));
        child.kill().unwrap();
        child.wait().unwrap();

        let conn = database.connect();
        let left = content(&conn);
        assert!(left == before || left == now, "round {round}");
        hits += usize::from(left == now);
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "round {round}");
        if left == before {
            let set_aside = snapshot_paths(&database, SnapshotKind::BeforeRestore);
            assert!(content_of(&set_aside[0]) == now, "round {round}");
        }
        // What a killed process left of a copy is deleted by the next run.
        let report = runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn);
        report.unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(hits > 0, "at least the first ones are killed before they are done");
}

#[test]
fn a_process_killed_while_it_copies_leaves_a_partial_file_that_the_next_run_deletes() {
    let mut partial = 0;
    for round in 0..1200 {
        if round >= 12 && partial > 0 {
            break;
        }
        let database = database("wal");
        let conn = database.connect();
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) INSERT INTO notes SELECT i + 5000, hex(randomblob(50)) FROM n";
        conn.execute_batch(fill).unwrap();
        let before = content(&conn);
        let mut child = start("run", &database, "");
        let is_partial = || files(&database).iter().any(|name| name.ends_with(".partial"));
        while !is_partial() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(100));
        }
        std::thread::sleep(Duration::from_millis(round % 12));
        child.kill().unwrap();
        child.wait().unwrap();
        partial += usize::from(is_partial());
        let is_done = applied(&conn).len() == 2;
        if !is_done {
            assert!(content(&conn) == before, "round {round}");
        }
        runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn).unwrap();
        assert!(!is_partial(), "round {round}: {:?}", files(&database));
        let newest = snapshot_paths(&database, SnapshotKind::BeforeRun).remove(0);
        assert!(content_of(&newest) == before, "round {round}");
    }
    assert!(partial > 0, "at least one was killed while it copied");
}

#[test]
fn two_processes_that_start_at_once_make_one_snapshot() {
    for mode in MODES {
        let database = database(mode);
        let before = content(&database.connect());
        let mut children: Vec<Child> = (0..4).map(|_| start("together", &database, "")).collect();
        for child in &mut children {
            wait_for(child, "ready");
        }
        for child in &mut children {
            drop(child.stdin.take());
        }
        let mut kept = 0;
        for child in children {
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
            kept += usize::from(text.lines().any(|line| line == "kept 1"));
        }
        assert_eq!((kept, count(&database)), (1, (1, 0)), "{mode}");
        assert_eq!(content_of(&snapshot_paths(&database, SnapshotKind::BeforeRun)[0]), before, "{mode}");
    }
}

/// The process may not write files beyond a size, which is how a full disk looks to it.
#[cfg(unix)]
#[test]
fn a_disk_that_becomes_full_during_the_copy_is_an_error_and_leaves_nothing_behind() {
    for mode in MODES {
        let database = database(mode);
        let conn = database.connect();
        conn.execute_batch(
            "INSERT INTO notes (text) SELECT hex(randomblob(500)) FROM notes, (SELECT 1 UNION SELECT 2)",
        )
        .unwrap();
        let before = content(&conn);
        for blocks in [1, 8, 100, 1000] {
            let mut shell = Command::new("sh");
            let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
            shell.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
            let output = command(shell, "run", &database, "").wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let context =
                format!("{mode}, {blocks} blocks: {said}{}", String::from_utf8_lossy(&output.stderr));
            assert!(said.contains("error: cannot make the snapshot "), "{context}");
            assert!(said.contains("; nothing was done; "), "{context}");
            assert_eq!(content(&conn), before, "{context}");
            assert_eq!(files(&database), Vec::<String>::new(), "{context}");
        }
        assert_eq!(test_utils::rows(&conn, "PRAGMA integrity_check"), ["ok"]);
        assert_eq!(runner([drop_notes()]).snapshot(Snapshot::Always).run(&conn).unwrap().applied.len(), 1);
    }
}
