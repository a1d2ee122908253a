//! A database that existed before its migrations is recorded at one of them by the first run, and by one run only.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    Baselined, CancelToken, ErrorKind, Lock, LogEntryKind, Migration, MigrationId, MigrationRunner, Recovery,
    Report, Signature, Snapshot, State, Target, TransactionMode,
};

use crate::execution::{applied, memory};
use crate::start::statements;

const USERS: Migration = Migration::reversible("1_users", "CREATE TABLE users (name)", "DROP TABLE users");
const EMAIL: Migration = Migration::sql("2_email", "ALTER TABLE users ADD email");
const POSTS: Migration = Migration::sql("3_posts", "CREATE TABLE posts (text)");

fn has_users(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare("SELECT 1 FROM sqlite_master WHERE name = 'users'")?.exists([])
}

fn runner() -> MigrationRunner {
    MigrationRunner::new([USERS, EMAIL, POSTS]).unwrap().baseline_if(|conn| Ok(has_users(conn)?), "1_users")
}

/// A database of a version without migrations.
fn old() -> Connection {
    let conn = memory();
    conn.execute_batch("CREATE TABLE users (name); INSERT INTO users VALUES ('Ada')").unwrap();
    conn
}

fn ids(report: &Report) -> Vec<&str> {
    report.applied.iter().map(|applied| applied.id.as_str()).collect()
}

fn here() -> Baselined {
    Baselined::Here(vec![MigrationId::from("1_users")])
}

#[test]
fn an_old_database_is_taken_over_with_its_rows_and_a_new_one_gets_everything() {
    let (old, new, other) = (old(), memory(), memory());
    other.execute_batch("CREATE TABLE notes (text)").unwrap();

    let report = runner().program("notes 1.2").run(&old).unwrap();
    assert_eq!((ids(&report), report.already), (vec!["2_email", "3_posts"], 1));
    assert_eq!(report.baseline, Some(here()));
    assert_eq!(rows(&old, "SELECT * FROM users"), ["Ada|NULL"]);
    let history = runner().history(&old).unwrap();
    let entry = &history.log()[0];
    assert_eq!((&entry.kind, entry.id.as_str()), (&LogEntryKind::Baselined, "1_users"));
    assert_eq!((entry.who.as_deref(), entry.program.as_deref()), (None, Some("notes 1.2")));
    assert!(entry.why.as_deref().unwrap().contains("`baseline_if`"));

    for conn in [new, other] {
        let report = runner().run(&conn).unwrap();
        assert_eq!((ids(&report).len(), report.baseline), (3, None));
    }
}

#[test]
fn a_baseline_at_the_last_migration_is_recorded_although_nothing_is_to_be_run() {
    let conn = old();
    let runner = MigrationRunner::new([USERS]).unwrap().baseline_if(|conn| Ok(has_users(conn)?), "1_users");
    let report = runner.run(&conn).unwrap();
    assert!(report.is_up_to_date());
    assert_eq!(
        report.to_string(),
        "nothing to do, with 1 migration applied\n  1 migration through `1_users` was recorded as applied, since the \
         database existed before",
    );
    assert_eq!(runner.run(&conn).unwrap().baseline, None);

    let conn = old();
    let plan = runner.plan(&conn, Target::Latest).unwrap();
    assert_eq!(runner.apply(&conn, plan).unwrap().baseline, Some(here()));
    assert_eq!(applied(&conn), ["1_users"]);
}

#[test]
fn the_function_is_called_only_while_nothing_is_recorded_and_not_for_an_empty_database() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let runner = runner().baseline_if(
        move |conn| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(has_users(conn)?)
        },
        "1_users",
    );
    let mut new = memory();
    runner.run(&new).unwrap();
    assert_eq!(calls.take_all(), 0);
    assert_eq!(statements(&mut new, |conn| drop(runner.run(conn).unwrap())).len(), 1);

    let mut old = old();
    runner.run(&old).unwrap();
    assert_eq!(calls.take_all(), 2, "before the lock, so that a refusal comes first, and under it");
    assert_eq!(statements(&mut old, |conn| drop(runner.run(conn).unwrap())).len(), 1);
    runner.rollback(&new, 0).unwrap();
    assert_eq!(calls.take_all(), 0);
}

trait Take {
    fn take_all(&self) -> usize;
}

impl Take for AtomicUsize {
    fn take_all(&self) -> usize {
        self.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn what_only_looks_shows_the_baseline_and_writes_nothing() {
    let database = TestDatabase::new();
    database.connect().execute_batch("CREATE TABLE users (name)").unwrap();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = Connection::open_with_flags(database.path(), flags).unwrap();
    let runner = runner();

    let plan = runner.plan(&conn, Target::Latest).unwrap();
    assert_eq!(plan.baseline(), Some(&MigrationId::from("1_users")));
    let text = plan.to_string();
    let first = "the database is taken to be at `1_users`: everything through it is recorded as applied, and not run\n";
    assert!(text.starts_with(&format!("{first}2 steps, with 1 migration applied before:")), "{text}");

    let status = runner.status(&conn).unwrap();
    assert_eq!(status.entries[0].state, State::Baseline);
    assert_eq!(status.entries[1].state, State::Pending);
    assert!(status.to_string().starts_with("1_users  to be recorded as applied\n"));
    assert_eq!(runner.pending(&conn).unwrap(), ["2_email", "3_posts"]);
    assert!(!runner.is_applied(&conn, "1_users").unwrap());
    // Without the baseline, the first script would fail on the copy.
    let problems = runner.validate(&conn).unwrap();
    assert!(problems.iter().all(|problem| !problem.finding.contains("already exists")), "{problems:?}");
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!(impact.steps.len(), 2);
    assert_eq!(impact.plan().baseline(), Some(&MigrationId::from("1_users")));
    assert!(runner.client_script(&conn, &plan).unwrap_err().to_string().contains("only a run records that"));
    assert_eq!(schema(&conn), ["CREATE TABLE users (name)"]);

    let conn = database.connect();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    let report = runner.apply_rehearsed(&conn, impact).unwrap();
    assert_eq!((ids(&report).len(), report.baseline), (2, Some(here())));
}

#[test]
fn a_rehearsal_and_a_run_begin_with_the_baseline_also_if_the_tracking_table_is_there_and_empty() {
    let conn = memory();
    let runner = runner();
    MigrationRunner::new([USERS]).unwrap().run(&conn).unwrap();
    runner.recover(&conn, Recovery::Forget("1_users".into()), Signature::of("ada")).unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!((impact.steps.len(), impact.problems.len()), (2, 0), "{impact}");
    assert_eq!(runner.apply_rehearsed(&conn, impact).unwrap().baseline, Some(here()));
    assert_eq!(applied(&conn), ["1_users", "2_email", "3_posts"]);

    // After code, the engine looks whether the records are still the same.
    let conn = memory();
    let code =
        || Migration::code("2_email", |conn: &Connection| conn.execute_batch("ALTER TABLE users ADD email"));
    let runner = MigrationRunner::new([USERS, code()]).unwrap();
    let runner = runner.baseline_if(|conn| Ok(has_users(conn)?), "1_users");
    MigrationRunner::new([USERS]).unwrap().run(&conn).unwrap();
    runner.recover(&conn, Recovery::Forget("1_users".into()), Signature::of("ada")).unwrap();
    let impact = runner.rehearse(&conn, Target::Latest).unwrap();
    assert_eq!((impact.steps.len(), impact.problems.len()), (1, 0), "{impact}");
}

#[test]
fn of_many_programs_that_start_together_one_takes_the_database_over() {
    for lock in [Lock::default, || Lock::Off] {
        let database = TestDatabase::new();
        database.connect().execute_batch("CREATE TABLE users (name); INSERT INTO users VALUES (1)").unwrap();
        let together = Barrier::new(8);
        let reports: Vec<Report> = thread::scope(|scope| {
            let start = || {
                let conn = database.connect();
                let runner = runner().lock(lock());
                together.wait();
                runner.run(&conn).unwrap()
            };
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let count =
            |wanted: &Option<Baselined>| reports.iter().filter(|report| report.baseline == *wanted).count();
        assert_eq!(count(&Some(here())), 1, "{reports:?}");
        assert_eq!(count(&None) + count(&Some(Baselined::ByAnother)), 7, "{reports:?}");
        let conn = database.connect();
        assert_eq!(applied(&conn), ["1_users", "2_email", "3_posts"]);
        assert_eq!(rows(&conn, "SELECT name FROM users"), ["1"]);
    }
}

/// The second look is under the lock: by then another program may have recorded something, or the table may be gone.
#[test]
fn what_happens_between_the_look_and_the_lock_counts() {
    let faster = |conn: &Connection| {
        MigrationRunner::new([USERS]).unwrap().recover(
            conn,
            Recovery::Baseline("1_users".into()),
            Signature::of("ada"),
        )
    };
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch("CREATE TABLE users (name)").unwrap();
    let plan = runner().plan(&conn, Target::Latest).unwrap();
    faster(&database.connect()).unwrap();
    let report = runner().apply(&conn, plan).unwrap();
    assert_eq!((ids(&report).len(), report.baseline.clone()), (2, Some(Baselined::ByAnother)));
    assert!(report.to_string().contains("another program recorded what the database has"));

    let conn = old();
    let plan = runner().plan(&conn, Target::Latest).unwrap();
    conn.execute_batch("DROP TABLE users; CREATE TABLE notes (a)").unwrap();
    assert_eq!(runner().apply(&conn, plan).unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(applied(&conn), Vec::<String>::new());
    assert_eq!(runner().run(&conn).unwrap().applied.len(), 3);

    // A plan of before the table was there does not take it over.
    let conn = memory();
    conn.execute_batch("CREATE TABLE notes (a)").unwrap();
    let plan = runner().plan(&conn, Target::Latest).unwrap();
    conn.execute_batch("CREATE TABLE users (name)").unwrap();
    assert_eq!(runner().apply(&conn, plan).unwrap_err().kind(), ErrorKind::Step);
    assert_eq!(applied(&conn), Vec::<String>::new());
}

#[test]
fn it_also_goes_before_a_run_to_another_target_in_one_transaction_or_with_a_snapshot() {
    let conn = old();
    let report = runner().run_to(&conn, Target::Through("1_users".into())).unwrap();
    assert_eq!((ids(&report).len(), report.baseline), (0, Some(here())));

    let conn = old();
    let report = runner().transaction(TransactionMode::Batch).run_to(&conn, Target::Steps(1)).unwrap();
    assert_eq!((ids(&report), report.baseline.clone()), (vec!["2_email"], Some(here())));

    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch("CREATE TABLE users (name)").unwrap();
    let report = runner().snapshot(Snapshot::Always).run(&conn).unwrap();
    assert!(report.snapshot.is_some() && report.baseline.is_some());

    // A rollback has nothing to undo, and does not look.
    let conn = old();
    assert_eq!(runner().rollback(&conn, 1).unwrap().baseline, None);
    assert_eq!(applied(&conn), Vec::<String>::new());
}

#[test]
fn a_failure_after_the_baseline_reports_it_and_the_next_run_continues() {
    let broken = Migration::sql("2_email", "ALTER TABLE user ADD email");
    let set = MigrationRunner::new([USERS, broken]).unwrap();
    let conn = old();
    let error = set.baseline_if(|conn| Ok(has_users(conn)?), "1_users").run(&conn).unwrap_err();
    assert_eq!((error.kind(), &error.report().baseline), (ErrorKind::Step, &Some(here())));
    assert_eq!(ids(&runner().run(&conn).unwrap()), ["2_email", "3_posts"]);
}

#[test]
fn a_refused_plan_records_no_baseline() {
    let conn = old();
    let careful = MigrationRunner::new([USERS, Migration::sql("2_no_users", "DROP TABLE users")]).unwrap();
    let careful = careful.baseline_if(|conn| Ok(has_users(conn)?), "1_users").environment("production");
    let error = careful.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(schema(&conn), ["CREATE TABLE users (name)"]);

    let report = careful.confirm(|plan| plan.baseline().is_some()).run(&conn).unwrap();
    assert_eq!((ids(&report), report.baseline.clone()), (vec!["2_no_users"], Some(here())));
}

#[test]
fn an_id_that_cannot_be_a_baseline_is_an_error_of_the_first_run() {
    let set = || MigrationRunner::new([USERS, EMAIL.environments(["test"]), POSTS]).unwrap();
    let error = set().baseline_if(|_| Ok(true), "1_user").run(&memory()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownMigration);
    assert!(error.to_string().contains("1_users"), "{error}");

    let conn = old();
    let error = set().baseline_if(|_| Ok(true), "2_email").run(&conn).unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().as_str()), (ErrorKind::Recovery, "2_email"));
    let needs = MigrationRunner::new([
        USERS.environments(["test"]),
        Migration::sql("2_posts", "CREATE TABLE posts (a)").depends_on("1_users"),
    ]);
    let error = needs.unwrap().baseline_if(|_| Ok(true), "2_posts").run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recovery);
    assert_eq!(schema(&conn), ["CREATE TABLE users (name)"]);
}

#[test]
fn a_function_that_fails_is_an_error_with_its_cause_and_what_to_do() {
    let conn = old();
    let failing = runner().baseline_if(
        |conn| Ok(conn.query_row("SELECT version FROM settings", [], |row| row.get(0))?),
        "1_users",
    );
    let error = failing.run(&conn).unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().as_str()), (ErrorKind::Hook, "1_users"));
    assert!(error.cause().unwrap().is::<rusqlite::Error>());
    let text = error.to_string();
    let opening = "the function of `baseline_if` for migration `1_users` failed: no such table: settings";
    assert!(text.starts_with(opening), "{text}");
    let end = "; let it only read, and return `false` if what it looks for is missing";
    assert!(text.ends_with(end), "{text}");
    assert_eq!(schema(&conn), ["CREATE TABLE users (name)"]);
}

#[test]
fn a_function_that_writes_or_ends_the_transaction_is_refused() {
    let bad =
        ["INSERT INTO users VALUES ('Bob')", "CREATE TABLE more (a)", "DROP TABLE users", "BEGIN", "COMMIT"];
    for sql in bad {
        let conn = old();
        let writing = runner().baseline_if(
            move |conn| {
                conn.execute_batch(sql)?;
                Ok(true)
            },
            "1_users",
        );
        let error = writing.run(&conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hook, "{sql}: {error}");
        assert!(conn.is_autocommit(), "{sql}");
        assert_eq!(schema(&conn), ["CREATE TABLE users (name)"], "{sql}");
        assert_eq!(rows(&conn, "SELECT * FROM users"), ["Ada"], "{sql}");
        conn.execute_batch("INSERT INTO users VALUES ('Eve')").unwrap();
    }
}

#[test]
fn a_connection_that_only_reads_stays_so_and_a_panic_sets_it_back() {
    let conn = old();
    conn.execute_batch("PRAGMA query_only = ON").unwrap();
    runner().plan(&conn, Target::Latest).unwrap();
    assert_eq!(rows(&conn, "PRAGMA query_only"), ["1"]);

    let conn = old();
    let panicking = runner().baseline_if(|_| panic!("no"), "1_users");
    let run = std::panic::AssertUnwindSafe(|| panicking.run(&conn));
    assert!(std::panic::catch_unwind(run).is_err());
    assert_eq!(rows(&conn, "PRAGMA query_only"), ["0"]);
}

#[test]
fn a_run_can_be_cancelled_while_the_function_runs() {
    let conn = old();
    let token = CancelToken::new();
    let button = token.clone();
    let endless = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
    let calls = AtomicUsize::new(0);
    let runner = runner().cancel_with(&token).baseline_if(
        move |conn| {
            // The first call is before the lock, where nothing can be cancelled yet.
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                return Ok(true);
            }
            let button = button.clone();
            thread::spawn(move || button.cancel());
            Ok(conn.query_row(endless, [], |row| row.get(0))?)
        },
        "1_users",
    );
    let error = runner.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(error.to_string().contains("the function of `baseline_if`"), "{error}");
    assert_eq!(schema(&conn), ["CREATE TABLE users (name)"]);
}
