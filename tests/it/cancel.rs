//! A run that is cancelled from another thread, wherever it is, and what a run reports meanwhile.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::{TestDatabase, rows, schema};
use switchy_schema::{
    BoxError, CancelToken, ErrorKind, Event, FaultKind, Hooks, Lock, Migration, MigrationError,
    MigrationRunner, Recovery, Signature, TransactionMode,
};

use crate::execution::{applied, memory, settings};

/// A query that never ends by itself.
const ENDLESS: &str =
    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n WHERE n < 0";

fn first() -> Migration {
    Migration::sql("1_first", "CREATE TABLE first (x); INSERT INTO first VALUES (1)")
}

/// Cancels from another thread when the statement with this number begins.
fn cancel_at(token: &CancelToken, at: u32) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let token = token.clone();
    move |event| match event {
        Event::Statement { number, step, .. } if *number == at && step.id != "1_first" => {
            let token = token.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(5));
                token.cancel();
            });
        }
        _ => {}
    }
}

/// The same, before the statement has begun.
fn cancel_before(token: &CancelToken, at: u32) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    let token = token.clone();
    move |event| match event {
        Event::Statement { number, step, .. } if *number == at && step.id != "1_first" => token.cancel(),
        _ => {}
    }
}

#[track_caller]
fn cancelled(runner: &MigrationRunner, conn: &Connection) -> MigrationError {
    let error = runner.run(conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(conn.is_autocommit(), "{error}");
    error
}

/// The connection is usable: what the application runs next is not interrupted.
#[track_caller]
fn assert_usable(conn: &Connection) {
    let count =
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 20000) SELECT count(*) FROM n";
    assert_eq!(rows(conn, count), ["20000"]);
}

#[test]
fn a_statement_that_would_never_end_is_rolled_back() {
    for endless in [
        format!("CREATE TABLE b AS {ENDLESS}"),
        format!("INSERT INTO a {ENDLESS}"),
        format!("UPDATE a SET x = (SELECT count(*) FROM ({ENDLESS}))"),
        format!("DELETE FROM a WHERE x IN ({ENDLESS})"),
        ENDLESS.to_owned(),
    ] {
        let script = format!(
            "PRAGMA cache_size = 123; PRAGMA case_sensitive_like = ON; CREATE TABLE a (x); INSERT INTO a VALUES (1), (2);
            CREATE TEMP TABLE t AS SELECT 1; {endless}"
        );
        for keys in ["", "on"] {
            let database = TestDatabase::new();
            let conn = database.connect();
            let before = settings(&conn);
            let token = CancelToken::new();
            let mut it = Migration::from_scripts("2_it", script.clone(), None);
            if keys == "on" {
                it = it.foreign_keys(switchy_schema::ForeignKeys::Enforced);
            }
            let runner = |token: &CancelToken| {
                let runner = MigrationRunner::new([first(), it.clone()]).unwrap();
                runner.observe(cancel_at(token, 6)).cancel_with(token)
            };
            let error = cancelled(&runner(&token), &conn);
            let text = error.to_string();
            assert!(text.starts_with("the run was cancelled in migration `2_it` at "), "{text}");
            assert!(
                text.ends_with(
                    "; nothing of it was kept, 1 step before it was done and kept; run again to continue"
                ),
                "{text}"
            );
            assert_eq!(error.report().applied.len(), 1);
            assert_eq!(error.statement(), Some(&*endless));
            assert_eq!(applied(&conn), ["1_first"]);
            assert_eq!(schema(&conn), ["CREATE TABLE first (x)"]);
            assert_eq!(rows(&conn, "SELECT name FROM temp.sqlite_master"), Vec::<String>::new());
            assert_eq!(settings(&conn), before);
            assert_usable(&conn);
            // The token stays cancelled, and the application can go on with another.
            let error = cancelled(&runner(&token), &conn);
            assert_eq!(error.to_string(), "the run was stopped; nothing was done; run again to continue");
            let rest = MigrationRunner::new([first(), Migration::sql("2_it", "CREATE TABLE a (x)")]).unwrap();
            assert_eq!(rest.cancel_with(&CancelToken::new()).run(&conn).unwrap().applied.len(), 1);
        }
    }
}

const SEVERAL: &str =
    "CREATE TABLE a (x INTEGER PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2);
    CREATE TABLE b (y REFERENCES a); INSERT INTO b VALUES (1); CREATE INDEX i ON b (y); DROP TABLE b;
    ALTER TABLE a ADD COLUMN z; UPDATE a SET z = x; CREATE VIEW v AS SELECT z FROM a";
const COUNT: u32 = 10;

#[test]
fn a_cancel_at_any_statement_of_a_script_leaves_nothing_of_it() {
    for at in 1..=COUNT {
        for is_batch in [false, true] {
            let conn = memory();
            let token = CancelToken::new();
            let runner = MigrationRunner::new([first(), Migration::sql("2_it", SEVERAL)]).unwrap();
            let mode = if is_batch { TransactionMode::Batch } else { TransactionMode::PerMigration };
            let runner = runner.transaction(mode).observe(cancel_before(&token, at)).cancel_with(&token);
            let error = cancelled(&runner, &conn);
            let kept: &[&str] = if is_batch { &[] } else { &["CREATE TABLE first (x)"] };
            assert_eq!(schema(&conn), kept, "{at}");
            assert_eq!(error.report().applied.len(), kept.len(), "{at}");
            assert_usable(&conn);
            let again = MigrationRunner::new([first(), Migration::sql("2_it", SEVERAL)]).unwrap();
            assert_eq!(again.run(&conn).unwrap().applied.len(), 2 - kept.len());
        }
    }
}

#[test]
fn a_cancel_at_any_statement_outside_a_transaction_is_recorded_and_goes_on_there() {
    let it = || Migration::sql("2_it", SEVERAL).outside_transaction();
    for at in 1..=COUNT {
        let conn = memory();
        let token = CancelToken::new();
        let runner = MigrationRunner::new([first(), it()]).unwrap();
        let error = cancelled(&runner.observe(cancel_before(&token, at)).cancel_with(&token), &conn);
        assert_eq!(error.report().applied.len(), 1, "{at}");
        let text = error.to_string();
        let record = rows(
            &conn,
            "SELECT dirty, statement, statements, mark, failure FROM __switchy_migrations WHERE name = '2_it'",
        );
        if at == 1 {
            assert_eq!(record, Vec::<String>::new(), "nothing was done: {text}");
            assert!(text.contains("; nothing of it was kept, 1 step before it"), "{text}");
        } else {
            assert_eq!(record, [format!("4|{at}|{COUNT}|NULL|NULL")], "{text}");
            assert!(text.contains("; what was done before stays, and it will continue here"), "{text}");
        }
        assert!(text.ends_with("; run again to continue"), "{text}");
        let again = MigrationRunner::new([first(), it()]).unwrap();
        assert_eq!(again.pending(&conn).unwrap(), ["2_it"]);
        assert_usable(&conn);
        MigrationRunner::new([first(), it()]).unwrap().run(&conn).unwrap();
        assert_eq!(rows(&conn, "SELECT * FROM a"), ["1|1", "2|2"], "{at}");
    }
}

#[test]
fn a_long_statement_outside_a_transaction_changes_nothing() {
    let (before, after) = ("CREATE TABLE a (x); INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (3)");
    let script = format!("{before}; INSERT INTO a SELECT 2 UNION ALL SELECT n FROM ({ENDLESS}); {after}");
    let it = Migration::from_scripts("2_it", script, None).outside_transaction();
    let conn = memory();
    let token = CancelToken::new();
    let runner =
        MigrationRunner::new([first(), it]).unwrap().observe(cancel_at(&token, 3)).cancel_with(&token);
    let error = cancelled(&runner, &conn);
    assert!(error.to_string().contains("; what was done before stays, and it will continue here"), "{error}");
    assert_eq!(rows(&conn, "SELECT * FROM a"), ["1"]);
    let record = "SELECT dirty, statement, failure FROM __switchy_migrations WHERE name = '2_it'";
    assert_eq!(rows(&conn, record), ["4|3|NULL"]);
    assert_usable(&conn);
}

/// What code did before it was interrupted is not known, so a person decides.
#[test]
fn code_outside_a_transaction_stays_dirty() {
    let conn = memory();
    let token = CancelToken::new();
    let stop = token.clone();
    let code = Migration::code("2_it", move |conn: &Connection| -> Result<(), BoxError> {
        conn.execute_batch("CREATE TABLE a (x)")?;
        let stop = stop.clone();
        thread::spawn(move || stop.cancel());
        Ok(conn.execute_batch(ENDLESS)?)
    });
    let set = || MigrationRunner::new([first(), code.clone().outside_transaction()]).unwrap();
    let error = cancelled(&set().cancel_with(&token), &conn);
    assert!(error.to_string().contains("what it did before stays and it is marked dirty"), "{error}");
    assert!(error.to_string().contains("call `recover` with `Recovery::Retry`"), "{error}");
    assert_eq!(set().run(&conn).unwrap_err().kind(), ErrorKind::Refused);
    set().recover(&conn, Recovery::MarkDone("2_it".into()), Signature::of("ada")).unwrap();
    assert!(set().run(&conn).unwrap().is_up_to_date());
}

/// A rollback outside a transaction goes on with the next rollback.
#[test]
fn a_rollback_outside_a_transaction_goes_on_where_it_was_cancelled() {
    let conn = memory();
    let it = || {
        let down = "DROP TABLE a; DROP TABLE b; DROP TABLE c".to_owned();
        let up = "CREATE TABLE a (x); CREATE TABLE b (x); CREATE TABLE c (x)";
        MigrationRunner::new([Migration::from_scripts("2_it", up, Some(down)).outside_transaction()]).unwrap()
    };
    it().run(&conn).unwrap();
    let token = CancelToken::new();
    let runner = it().observe(cancel_before(&token, 2)).cancel_with(&token);
    let error = runner.rollback(&conn, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(
        error.to_string().ends_with("; undo it with `rollback`, `rollback_to` or `downgrade`"),
        "{error}"
    );
    assert_eq!(schema(&conn), ["CREATE TABLE b (x)", "CREATE TABLE c (x)"]);
    it().rollback(&conn, 1).unwrap();
    assert_eq!(schema(&conn), Vec::<String>::new());
    assert_eq!(applied(&conn), Vec::<String>::new());
}

/// A transaction of the script itself is rolled back as a whole, and its commit is not interrupted.
#[test]
fn a_transaction_inside_a_script_is_all_or_nothing() {
    let script =
        "CREATE TABLE a (x); BEGIN; INSERT INTO a VALUES (1); INSERT INTO a VALUES (2); COMMIT; BEGIN;
        INSERT INTO a VALUES (3); COMMIT";
    for (at, expected, statement) in [
        (2, vec![], "2"),
        (3, vec![], "2"),
        (4, vec![], "2"),
        // A commit that has begun is done.
        (5, vec!["1", "2"], "6"),
        (6, vec!["1", "2"], "6"),
        (7, vec!["1", "2"], "6"),
    ] {
        let conn = memory();
        let token = CancelToken::new();
        let it = Migration::sql("2_it", script).outside_transaction();
        let runner = MigrationRunner::new([it.clone()]).unwrap();
        cancelled(&runner.observe(cancel_before(&token, at)).cancel_with(&token), &conn);
        assert_eq!(rows(&conn, "SELECT x FROM a"), expected, "{at}");
        assert_eq!(rows(&conn, "SELECT statement FROM __switchy_migrations"), [statement], "{at}");
        let again = MigrationRunner::new([it]).unwrap();
        again.run(&conn).unwrap();
        assert_eq!(rows(&conn, "SELECT x FROM a"), ["1", "2", "3"], "{at}");
    }
}

/// The same as [`ENDLESS`], with a call of the function `begun` for each row.
const BEGUN: &str =
    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n WHERE begun() < 0";

#[test]
fn code_and_hooks_are_interrupted_and_rolled_back() {
    type Work = fn(&Connection) -> Result<(), BoxError>;
    let works: [(&str, Work); 4] = [
        ("returns the error", |conn| Ok(conn.execute_batch(&format!("CREATE TABLE c AS {BEGUN}"))?)),
        ("wraps the error", |conn| {
            conn.execute_batch(&format!("INSERT INTO b {BEGUN}")).map_err(|_| "it did not work".into())
        }),
        ("ignores the error of a read", |conn| {
            let _ = conn.query_row(BEGUN, [], |_| Ok(()));
            Ok(())
        }),
        ("ignores the error of a write", |conn| {
            let _ = conn.execute_batch(&format!("INSERT INTO b {BEGUN}"));
            Ok(())
        }),
    ];
    for (name, work) in works {
        for place in ["code", "before", "after"] {
            let conn = memory();
            let token = CancelToken::new();
            let stop = token.clone();
            conn.create_scalar_function("begun", 0, FunctionFlags::SQLITE_UTF8, move |_| {
                if !stop.is_cancelled() {
                    stop.cancel();
                }
                Ok(0)
            })
            .unwrap();
            let busy = move |conn: &Connection| {
                conn.execute_batch("CREATE TABLE b (x)")?;
                work(conn)
            };
            let (it, hooks) = match place {
                "code" => (Migration::code("2_it", busy), Hooks::new()),
                place => {
                    let hook = move |step: &switchy_schema::Step, conn: &Connection| {
                        if step.id == "2_it" { busy(conn) } else { Ok(()) }
                    };
                    let hooks = Hooks::new();
                    let hooks = if place == "before" { hooks.before(hook) } else { hooks.after(hook) };
                    (Migration::sql("2_it", "CREATE TABLE a (x)"), hooks)
                }
            };
            let told = Arc::new(Mutex::new(Vec::new()));
            let on_error = Arc::clone(&told);
            let hooks = hooks.on_error(move |step, error, conn| {
                assert_usable(conn);
                on_error.lock().unwrap().push((step.id.to_string(), error.kind()));
            });
            let runner = MigrationRunner::new([first(), it]).unwrap().hooks(hooks).cancel_with(&token);
            let error = cancelled(&runner, &conn);
            // SQLite rolls back when it interrupts a write. If code hides that error, it may have committed by itself.
            let hides = ["wraps the error", "ignores the error of a write"].contains(&name);
            let kept = if hides { "what it committed by itself stays" } else { "nothing of it was kept" };
            assert!(error.to_string().contains(kept), "{place} {name}: {error}");
            assert_eq!(error.report().applied.len(), 1, "{place} {name}");
            assert_eq!(schema(&conn), ["CREATE TABLE first (x)"], "{place} {name}");
            assert_eq!(*told.lock().unwrap(), [("2_it".to_owned(), ErrorKind::Stopped)], "{place} {name}");
            assert_usable(&conn);
        }
    }
}

#[test]
fn a_cancel_before_the_run_ends_it_before_its_first_step() {
    let conn = memory();
    let token = CancelToken::new();
    token.cancel();
    assert!(token.clone().is_cancelled());
    let runner = || MigrationRunner::new([first()]).unwrap();
    let error = cancelled(&runner().cancel_with(&token), &conn);
    assert_eq!(error.report().applied.len(), 0);
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_master"), Vec::<String>::new());
    let plan = runner().plan(&conn, switchy_schema::Target::Latest).unwrap();
    assert_eq!(runner().cancel_with(&token).apply(&conn, plan).unwrap_err().kind(), ErrorKind::Stopped);
    runner().run(&conn).unwrap();
    assert!(runner().cancel_with(&token).run(&conn).unwrap().is_up_to_date(), "nothing is pending");
}

/// A commit is not interrupted: what was being committed is done.
#[test]
fn a_cancel_during_a_commit_comes_after_it() {
    for (count, at, done) in [(3, 1, 1), (3, 2, 2), (2, 2, 2)] {
        #[allow(unused_mut, reason = "hooks need `mut` from rusqlite 0.41 on")]
        let mut conn = memory();
        let (token, commits) = (CancelToken::new(), AtomicUsize::new(0));
        let stop = token.clone();
        #[allow(clippy::let_unit_value, reason = "the function returns `()` in older versions of the driver")]
        let _ = conn.commit_hook(Some(move || {
            if commits.fetch_add(1, Ordering::SeqCst) + 1 == at {
                let stop = stop.clone();
                thread::spawn(move || stop.cancel()).join().unwrap();
            }
            false
        }));
        let set = (1..=count)
            .map(|n| Migration::from_scripts(format!("{n}_it"), format!("CREATE TABLE t{n} (x)"), None));
        let runner = MigrationRunner::new(set.collect::<Vec<_>>()).unwrap().cancel_with(&token);
        match runner.run(&conn) {
            Ok(report) => assert_eq!((report.applied.len(), count), (done, done)),
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.report().applied.len()),
                    (ErrorKind::Stopped, done),
                    "{error}"
                );
                assert_eq!(
                    error.outcome(),
                    Some(format!("{done} step{} done and kept", if done == 1 { " was" } else { "s were" }))
                );
            }
        }
        assert_eq!(applied(&conn).len(), done);
        assert_usable(&conn);
    }
}

/// Whichever commit it is, that of a record, of a statement with its progress, or of the end: the record is written and says the truth.
#[test]
fn a_cancel_during_the_record_of_a_step_outside_a_transaction_leaves_a_true_record() {
    let script = "CREATE TABLE a (x); INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)";
    let mut outcomes = Vec::new();
    for at in 1..=6 {
        #[allow(unused_mut, reason = "hooks need `mut` from rusqlite 0.41 on")]
        let mut conn = memory();
        let (token, commits) = (CancelToken::new(), AtomicUsize::new(0));
        let stop = token.clone();
        #[allow(clippy::let_unit_value, reason = "the function returns `()` in older versions of the driver")]
        let _ = conn.commit_hook(Some(move || {
            if commits.fetch_add(1, Ordering::SeqCst) + 1 == at {
                stop.cancel();
            }
            false
        }));
        let it = || Migration::sql("1_it", script).outside_transaction();
        let outcome = MigrationRunner::new([it()]).unwrap().cancel_with(&token).run(&conn);
        let record = rows(&conn, "SELECT dirty, statement FROM __switchy_migrations");
        outcomes.push((outcome.is_ok(), record.join("")));
        assert_usable(&conn);
        let again = MigrationRunner::new([it()]).unwrap();
        again.run(&conn).unwrap();
        assert_eq!(rows(&conn, "SELECT x FROM a"), ["1", "2"], "{at}");
        assert_eq!(rows(&conn, "SELECT dirty FROM __switchy_migrations"), ["0"], "{at}");
    }
    let expected = [
        // The record that it begins, and then each statement with its progress.
        (false, ""),
        (false, "4|2"),
        (false, "4|3"),
        // All statements are done, and the end is recorded.
        (true, "0|NULL"),
        (true, "0|NULL"),
        (true, "0|NULL"),
    ];
    assert_eq!(outcomes, expected.map(|(is_ok, record)| (is_ok, record.to_owned())));
}

#[test]
fn a_wait_for_the_lock_ends() {
    let database = TestDatabase::new();
    let (inside, leave) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (entered, leaves) = (Arc::clone(&inside), Arc::clone(&leave));
    let slow = Migration::code("1_slow", move |_: &Connection| -> Result<(), BoxError> {
        entered.wait();
        leaves.wait();
        Ok(())
    });
    thread::scope(|scope| {
        let holder = scope.spawn(|| MigrationRunner::new([slow]).unwrap().run(&database.connect()).unwrap());
        inside.wait();
        let conn = database.connect();
        let token = CancelToken::new();
        let stop = token.clone();
        let runner = MigrationRunner::new([first()]).unwrap().cancel_with(&token).observe(move |event| {
            if let Event::Waiting { .. } = event {
                stop.cancel();
            }
        });
        let error = cancelled(&runner, &conn);
        assert_eq!(error.to_string(), "the run was stopped; nothing was done; run again to continue");
        leave.wait();
        assert_eq!(holder.join().unwrap().applied.len(), 1);
        assert_usable(&conn);
    });
}

#[test]
fn a_wait_for_another_writer_ends() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch("CREATE TABLE held (x)").unwrap();
    conn.busy_timeout(Duration::from_millis(1)).unwrap();
    let writer = database.connect();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    for it in [first(), first().outside_transaction()] {
        let token = CancelToken::new();
        let stop = token.clone();
        let runner =
            MigrationRunner::new([it]).unwrap().lock_timeout(Duration::from_secs(600)).cancel_with(&token);
        let runner = runner.observe(move |event| {
            if let Event::Planned { .. } = event {
                let stop = stop.clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(30));
                    stop.cancel();
                });
            }
        });
        let error = cancelled(&runner, &conn);
        assert_eq!(error.report().applied.len(), 0, "{error}");
        assert!(error.to_string().contains("nothing of it was kept"), "{error}");
    }
    writer.execute_batch("ROLLBACK").unwrap();
    assert_eq!(MigrationRunner::new([first()]).unwrap().run(&conn).unwrap().applied.len(), 1);
}

/// The cancel comes at any moment: before, during and after the run. The statement of the application that follows at once is never
/// interrupted.
#[test]
fn nothing_is_interrupted_after_the_run() {
    let conn = memory();
    let mut kinds = [0, 0];
    for round in 0..300_u64 {
        let token = CancelToken::new();
        let name = format!("{round}_it");
        let script = format!(
            "CREATE TABLE t{round} (x); INSERT INTO t{round} WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 500) SELECT n FROM n"
        );
        let it = Migration::from_scripts(name, script, None);
        let runner = MigrationRunner::new([it]).unwrap();
        let table = format!("migrations_{round}");
        let runner = runner.table_name(&table).unwrap().cancel_with(&token);
        let start = Arc::new(Barrier::new(2));
        let begin = Arc::clone(&start);
        let canceller = thread::spawn(move || {
            begin.wait();
            let mut moment = 0;
            for _ in 0..(round * 37 % 300) * 40 {
                moment = std::hint::black_box(moment + 1);
            }
            token.cancel();
        });
        start.wait();
        let outcome = runner.run(&conn);
        assert_usable(&conn);
        canceller.join().unwrap();
        assert_usable(&conn);
        let is_there = rows(&conn, &format!("SELECT count(*) FROM sqlite_master WHERE name = 't{round}'"));
        assert_eq!(is_there, [if outcome.is_ok() { "1" } else { "0" }]);
        if let Err(error) = &outcome {
            assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
        }
        kinds[usize::from(outcome.is_ok())] += 1;
    }
    assert!(kinds[0] > 0, "{kinds:?}");
}

/// SQLite would interrupt a statement that the application left open, so the run ends at its next statement instead.
#[test]
fn an_open_statement_of_the_application_goes_on() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE mine (x); INSERT INTO mine VALUES (1), (2), (3); CREATE TABLE yours (x)",
    )
    .unwrap();
    MigrationRunner::new([first()]).unwrap().run(&conn).unwrap();
    let mut statement = conn.prepare("SELECT x FROM mine").unwrap();
    let mut mine = statement.query([]).unwrap();
    assert_eq!(mine.next().unwrap().unwrap().get::<_, i64>(0), Ok(1));
    let token = CancelToken::new();
    let cancels = token.clone();
    conn.create_scalar_function("cancelled", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        let cancels = cancels.clone();
        thread::spawn(move || cancels.cancel()).join().unwrap();
        Ok(1)
    })
    .unwrap();
    // A step that changes the schema would end the open statement in any case, by its rollback.
    let script = "INSERT INTO yours SELECT cancelled(); INSERT INTO yours VALUES (2)";
    let runner = MigrationRunner::new([first(), Migration::sql("2_it", script)]).unwrap().cancel_with(&token);
    let error = runner.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert_eq!(error.statement(), Some("INSERT INTO yours SELECT cancelled();"), "it is done, and undone");
    assert_eq!(rows(&conn, "SELECT x FROM yours"), Vec::<String>::new());
    assert_eq!(mine.next().unwrap().unwrap().get::<_, i64>(0), Ok(2));
    assert_eq!(mine.next().unwrap().unwrap().get::<_, i64>(0), Ok(3));
}

#[test]
fn an_interrupt_of_the_application_itself_is_a_failure_of_the_step() {
    for with_token in [false, true] {
        let conn = memory();
        let handle = conn.get_interrupt_handle();
        conn.create_scalar_function("stop", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            handle.interrupt();
            Ok(1)
        })
        .unwrap();
        let it = Migration::sql("1_it", "CREATE TABLE a (x); INSERT INTO a SELECT stop() UNION ALL SELECT 2");
        let runner = MigrationRunner::new([it]).unwrap();
        let runner = if with_token { runner.cancel_with(&CancelToken::new()) } else { runner };
        let error = runner.run(&conn).unwrap_err();
        assert_eq!((error.kind(), error.fault()), (ErrorKind::Step, Some(FaultKind::Interrupted)), "{error}");
        assert_eq!(schema(&conn), Vec::<String>::new());
        assert_usable(&conn);
    }
}

#[test]
fn a_panic_leaves_nothing_that_interrupts() {
    let conn = memory();
    let token = CancelToken::new();
    let code = Migration::code("1_it", |_: &Connection| -> Result<(), BoxError> { panic!("on purpose") });
    let runner = MigrationRunner::new([code]).unwrap().cancel_with(&token);
    let run = std::panic::AssertUnwindSafe(|| drop(runner.run(&conn)));
    std::panic::catch_unwind(run).unwrap_err();
    token.cancel();
    for _ in 0..20 {
        assert_usable(&conn);
    }
    assert_eq!(MigrationRunner::new([first()]).unwrap().run(&conn).unwrap().applied.len(), 1);
}

/// A migration in code that migrates another database is one run with it.
#[test]
fn a_run_inside_a_run_is_cancelled_with_it() {
    let conn = memory();
    let token = CancelToken::new();
    let (stop, inner_kind) = (token.clone(), Arc::new(Mutex::new(None)));
    let told = Arc::clone(&inner_kind);
    let code = Migration::code("2_it", move |_: &Connection| -> Result<(), BoxError> {
        let it = Migration::from_scripts("9_inner", format!("CREATE TABLE c AS {ENDLESS}"), None);
        let inner = MigrationRunner::new([it])?.lock(Lock::Off).observe(cancel_at(&stop, 1));
        let error = inner.run(&Connection::open_in_memory()?).unwrap_err();
        *told.lock().unwrap() = Some(error.kind());
        Err(error.into())
    });
    let runner = MigrationRunner::new([first(), code]).unwrap().cancel_with(&token);
    cancelled(&runner, &conn);
    assert_eq!(*inner_kind.lock().unwrap(), Some(ErrorKind::Stopped));
    assert_eq!(applied(&conn), ["1_first"]);
}

#[test]
fn a_rollback_is_cancelled_too() {
    let conn = memory();
    let down = format!("INSERT INTO a VALUES (1); DELETE FROM a; INSERT INTO a {ENDLESS}; DROP TABLE a");
    let it = || Migration::from_scripts("2_it", "CREATE TABLE a (x)", Some(down.clone()));
    MigrationRunner::new([first(), it()]).unwrap().run(&conn).unwrap();
    let token = CancelToken::new();
    let runner =
        MigrationRunner::new([first(), it()]).unwrap().observe(cancel_at(&token, 3)).cancel_with(&token);
    let error = runner.rollback(&conn, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
    assert!(error.to_string().starts_with("the run was cancelled in rollback of `2_it`"), "{error}");
    assert_eq!(applied(&conn), ["1_first", "2_it"]);
    assert!(runner.history(&conn).unwrap().log().is_empty());
}

fn events(runner: MigrationRunner) -> (MigrationRunner, Arc<Mutex<Vec<String>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&log);
    let runner = runner.observe(move |event| {
        let line = match event {
            Event::Planned { plan, .. } => {
                let ids: Vec<&str> = plan.steps().iter().map(|step| step.id.as_str()).collect();
                format!("plan {}", ids.join(" "))
            }
            Event::Started { step, .. } => format!("start {}", step.id),
            Event::Statement { step, number, of } => {
                format!("{} {number}/{}", step.id, of.unwrap_or_default())
            }
            Event::Finished { step, .. } => format!("end {}", step.id),
            _ => return,
        };
        told.lock().unwrap().push(line);
    });
    (runner, log)
}

#[test]
fn an_observer_is_told_the_plan_and_each_statement() {
    let trigger =
        "CREATE TABLE b (x); CREATE TRIGGER t AFTER INSERT ON b BEGIN SELECT 1; SELECT 2; END; -- end\n;;";
    let third =
        Migration::sql("3_it", "CREATE TABLE c (x);\nINSERT INTO c VALUES (';')").outside_transaction();
    let set = || MigrationRunner::new([first(), Migration::sql("2_it", trigger), third.clone()]).unwrap();
    let conn = memory();
    let (runner, log) = events(set());
    runner.run(&conn).unwrap();
    let expected = [
        "plan 1_first 2_it 3_it",
        "start 1_first",
        "1_first 1/2",
        "1_first 2/2",
        "end 1_first",
        "start 2_it",
        "2_it 1/2",
        "2_it 2/2",
        "end 2_it",
        "start 3_it",
        "3_it 1/2",
        "3_it 2/2",
        "end 3_it",
    ];
    assert_eq!(*log.lock().unwrap(), expected);
    log.lock().unwrap().clear();
    runner.run(&conn).unwrap();
    assert_eq!(*log.lock().unwrap(), Vec::<String>::new(), "nothing is pending");
    runner.rollback(&conn, 1).unwrap_err();
    assert_eq!(*log.lock().unwrap(), Vec::<String>::new(), "the plan was refused");
}

#[test]
fn a_plan_is_told_after_it_was_confirmed() {
    let conn = memory();
    MigrationRunner::new([first()]).unwrap().run(&conn).unwrap();
    let drops = Migration::sql("2_it", "DROP TABLE first");
    let is_asked = Arc::new(AtomicBool::new(false));
    for accepts in [false, true] {
        let (asked, seen) = (Arc::clone(&is_asked), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&seen);
        let ask = Arc::clone(&is_asked);
        let runner = MigrationRunner::new([first(), drops.clone()]).unwrap().environment("production");
        let runner = runner
            .confirm(move |_| {
                ask.store(true, Ordering::SeqCst);
                accepts
            })
            .observe(move |event| {
                if let Event::Planned { plan, .. } = event {
                    told.lock().unwrap().push((asked.load(Ordering::SeqCst), plan.steps().len()));
                }
            });
        assert_eq!(runner.run(&conn).is_ok(), accepts);
        assert_eq!(*seen.lock().unwrap(), if accepts { vec![(true, 1)] } else { vec![] });
    }
}

/// A step that is repeated, because it is committed together with a later one, is told once.
#[test]
fn a_repeated_step_is_told_once() {
    let conn = memory();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    let set = [
        Migration::sql(
            "1_a",
            "CREATE TABLE p (x PRIMARY KEY); CREATE TABLE c (x REFERENCES p); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        ),
        Migration::sql("2_b", "CREATE TABLE q (x PRIMARY KEY); INSERT INTO q SELECT x FROM p; DROP TABLE p"),
        Migration::sql("3_c", "ALTER TABLE q RENAME TO p"),
    ];
    let (runner, log) = events(MigrationRunner::new(set).unwrap());
    let report = runner.run(&conn).unwrap();
    assert_eq!(report.together.len(), 1);
    let log = log.lock().unwrap();
    let of_second: Vec<_> =
        log.iter().filter(|line| line.starts_with("2_b ") || line.ends_with(" 2_b")).collect();
    assert_eq!(of_second, ["start 2_b", "2_b 1/3", "2_b 2/3", "2_b 3/3", "end 2_b"]);
}

/// A hook that is told of the failure can still work, and migrate another database.
#[test]
fn a_hook_that_is_told_of_a_cancel_is_not_cancelled() {
    let conn = memory();
    let token = CancelToken::new();
    let inner = Arc::new(AtomicUsize::new(0));
    let done = Arc::clone(&inner);
    let hooks = Hooks::new().on_error(move |_, _, conn| {
        assert_usable(conn);
        let log = MigrationRunner::new([Migration::sql("9_log", "CREATE TABLE log (x)")]).unwrap();
        let applied = log.run(&Connection::open_in_memory().unwrap()).unwrap().applied;
        done.store(applied.len(), Ordering::SeqCst);
    });
    let it = Migration::from_scripts("2_it", format!("CREATE TABLE a AS {ENDLESS}"), None);
    let runner = MigrationRunner::new([it]).unwrap().hooks(hooks);
    cancelled(&runner.observe(cancel_at(&token, 1)).cancel_with(&token), &conn);
    assert_eq!(inner.load(Ordering::SeqCst), 1);
}

/// The check for rows without a parent can take long, and is ended too. The rows are checked again by the next run.
#[test]
fn a_check_after_the_script_is_interrupted() {
    let conn = memory();
    let many =
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 300000) SELECT n FROM n";
    conn.execute_batch(&format!(
        "CREATE TABLE p (x INTEGER PRIMARY KEY); CREATE TABLE c (x REFERENCES p);
        INSERT INTO p {many}; INSERT INTO c {many}"
    ))
    .unwrap();
    let mut ended = 0;
    // On a slow machine, the other thread may often come too late.
    for round in 0..4000 {
        if round >= 40 && ended > 0 {
            break;
        }
        let pause = round % 40;
        let token = CancelToken::new();
        let stop = token.clone();
        let it = Migration::sql("1_it", "UPDATE p SET x = x WHERE x = 1");
        let runner = MigrationRunner::new([it]).unwrap().cancel_with(&token).observe(move |event| {
            if let Event::Finished { .. } = event {
                let stop = stop.clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_micros(pause * 100));
                    stop.cancel();
                });
            }
        });
        match runner.run(&conn) {
            Ok(_) => {
                runner.history(&conn).unwrap();
                conn.execute_batch("DELETE FROM __switchy_migrations").unwrap();
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Stopped, "{error}");
                assert!(error.to_string().contains("nothing of it was kept"), "{error}");
                ended += 1;
            }
        }
        assert_usable(&conn);
    }
    assert!(ended > 0);
}

/// The toy backend has no script runner of its own and nothing that interrupts it.
#[test]
fn a_backend_without_interrupts_ends_before_the_next_statement() {
    use crate::other_backends::toy::{Settings, Toy};
    let mut settings = Settings::default();
    let (token, told) = (CancelToken::new(), Arc::new(Mutex::new(Vec::new())));
    let (stop, log) = (token.clone(), Arc::clone(&told));
    let it = Migration::<Toy>::sql("1_it", "theme = dark\nsize = 12\nfont = big");
    let runner =
        MigrationRunner::<Toy>::for_backend([it]).unwrap().cancel_with(&token).observe(move |event| {
            if let Event::Statement { number, of, .. } = event {
                log.lock().unwrap().push((*number, *of));
                if *number == 2 {
                    stop.cancel();
                }
            }
        });
    let error = runner.run(&mut settings).unwrap_err();
    assert_eq!((error.kind(), error.statement()), (ErrorKind::Stopped, Some("size = 12")), "{error}");
    assert_eq!(*told.lock().unwrap(), [(1, Some(3)), (2, Some(3))]);
    assert!(settings.values.is_empty());
}
