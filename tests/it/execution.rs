//! A migration and its record are committed together or not at all, and the settings of the connection are restored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OpenFlags};
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows, schema};
use switchy_schema::{
    Atomicity, Direction, Dirty, ErrorKind, Event, ForeignKeys, Hooks, Lock, Migration, MigrationError,
    MigrationId, MigrationRunner, ProblemKind, Recovery, Signature, Target, TransactionMode,
};

/// A runner for scripts without down scripts.
pub(crate) fn set<const N: usize>(scripts: [(&'static str, &'static str); N]) -> MigrationRunner {
    MigrationRunner::new(scripts.map(|(id, up)| Migration::sql(id, up))).unwrap()
}

/// A runner for one script, outside a transaction.
pub(crate) fn outside(up: &'static str) -> MigrationRunner {
    MigrationRunner::new([Migration::sql("1_it", up).outside_transaction()]).unwrap()
}

pub(crate) fn memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

/// The ids in the history, with a mark on dirty ones.
pub(crate) fn applied(conn: &Connection) -> Vec<String> {
    let history = set([]).history(conn).unwrap();
    let text = |dirty: &Option<Dirty>| if dirty.is_some() { " (dirty)" } else { "" };
    history.records().iter().map(|record| format!("{}{}", record.id, text(&record.dirty))).collect()
}

/// Checks that a step left nothing: no table, no record, no open transaction, and that the connection works.
#[track_caller]
fn assert_untouched(conn: &Connection, context: &str) {
    assert!(conn.is_autocommit(), "{context}");
    assert_eq!(schema(conn), Vec::<String>::new(), "{context}");
    assert_eq!(applied(conn), Vec::<String>::new(), "{context}");
    conn.execute_batch("BEGIN IMMEDIATE; CREATE TABLE probe (a); ROLLBACK").unwrap();
}

fn line(error: &MigrationError) -> usize {
    error.location().unwrap().position.unwrap().line
}

#[test]
fn a_script_fails_as_a_whole_in_whichever_statement_it_fails() {
    const OPENING: &str = "CREATE TABLE before (a UNIQUE); INSERT INTO before VALUES (1);
        CREATE TABLE raising (a);
        CREATE TRIGGER r BEFORE INSERT ON raising BEGIN SELECT RAISE(ROLLBACK, 'no'); END";
    let failures = [
        "SELECT * FROM missing",
        "SELEKT 1",
        "INSERT INTO before VALUES (1)",
        "INSERT OR ROLLBACK INTO before VALUES (1)",
        "INSERT OR FAIL INTO before SELECT 2 UNION ALL SELECT 1",
        "CREATE TABLE t0 (a)",
        "SELECT abs(-9223372036854775808)",
        "INSERT INTO raising VALUES (1)",
    ];
    for failure in failures {
        for k in 0..4 {
            let mut lines =
                ["CREATE TABLE t0 (a)", "INSERT INTO before VALUES (7)", "CREATE INDEX i ON before (a)"]
                    .map(str::to_owned)
                    .to_vec();
            lines.insert(k, failure.to_owned());
            if failure == "CREATE TABLE t0 (a)" && k == 0 {
                lines.swap(0, 1);
            }
            let script = lines.join(";\n");
            let runner = MigrationRunner::new(vec![
                Migration::sql("1_before", OPENING),
                Migration::from_scripts("2_it", script.clone(), None),
                Migration::sql("3_after", "CREATE TABLE after (a)"),
            ])
            .unwrap();
            let database = TestDatabase::new();
            let conn = database.connect();
            set([("1_before", OPENING)]).run(&conn).unwrap();
            let before = database.schema();

            let error = runner.run(&conn).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Step, "{script}");
            assert_eq!(error.migration().unwrap(), &"2_it", "{script}");
            let expected = if failure == "CREATE TABLE t0 (a)" { 1 + k.max(1) } else { k + 1 };
            assert_eq!(line(&error), expected, "{script}\n{error}");
            assert!(error.to_string().contains("; nothing of it was kept; "), "{error}");
            assert!(conn.is_autocommit(), "{script}");
            assert_eq!(database.schema(), before, "{script}");
            assert_eq!(database.rows("SELECT a FROM before"), ["1"], "{script}");
            assert_eq!(applied(&conn), ["1_before"], "{script}");
        }
    }
}

#[test]
fn a_script_that_handles_transactions_is_refused_at_its_line() {
    let table = [
        ("CREATE TABLE a (b);\nCOMMIT;", 2),
        ("CREATE TABLE a (b);\ncommit", 2),
        ("CREATE TABLE a (b);\n\n  /* so */ -- COMMIT\n\tCoMmIt TRANSACTION;", 4),
        ("CREATE TABLE a (b);\n;;COMMIT", 2),
        ("CREATE TABLE a (b);\nEND;", 2),
        ("CREATE TABLE a (b);\nend transaction;", 2),
        ("CREATE TABLE a (b);\nROLLBACK;", 2),
        ("CREATE TABLE a (b);\nrollback transaction", 2),
        ("CREATE TABLE a (b);\nSAVEPOINT s;\nROLLBACK/* to */;", 3),
        ("COMMIT", 1),
        ("SELECT 1;\nBEGIN TRANSACTION;\nCREATE TABLE a (b);\nCOMMIT;", 2),
        ("begin immediate;\nCREATE TABLE a (b);", 1),
        ("CREATE TABLE a (b);\nCOMMIT; BEGIN;\nCREATE TABLE c (d);", 2),
        ("CREATE TABLE a (b);\nCOMMIT; CREATE TABLE c (d);", 2),
    ];
    for (script, expected) in table {
        for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
            let conn = memory();
            let error = MigrationRunner::new([Migration::from_scripts("1_it", script, None)])
                .unwrap()
                .transaction(mode)
                .run(&conn)
                .unwrap_err();
            assert_eq!((error.kind(), line(&error)), (ErrorKind::Refused, expected), "{script:?}: {error}");
            assert_eq!(error.problems()[0].kind, ProblemKind::NotInTransaction, "{script:?}");
            assert_untouched(&conn, script);
        }
    }
}

#[test]
fn savepoints_in_a_script_are_its_own_business() {
    let table = [
        ("SAVEPOINT s; CREATE TABLE a (b); RELEASE s", 1),
        ("SAVEPOINT s; CREATE TABLE a (b); ROLLBACK TO s; RELEASE SAVEPOINT s", 0),
        ("SAVEPOINT s; CREATE TABLE a (b); rollback transaction to savepoint s; release s", 0),
        ("SAVEPOINT s; CREATE TABLE a (b)", 1),
        ("CREATE TABLE a (b); /* COMMIT; */ SAVEPOINT \"commit\"; -- ROLLBACK\n RELEASE \"commit\"", 1),
        ("CREATE TABLE a (\"end\"); EXPLAIN COMMIT", 1),
    ];
    for (script, tables) in table {
        let conn = memory();
        MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap().run(&conn).unwrap();
        assert_eq!((schema(&conn).len(), applied(&conn).len()), (tables, 1), "{script}");
        assert!(conn.is_autocommit(), "{script}");
    }
}

#[test]
fn code_that_ends_the_transaction_is_caught() {
    // What the migration committed itself cannot be rolled back, but it must not get a record.
    let table = [
        ("COMMIT", 1),
        ("COMMIT; BEGIN", 1),
        ("COMMIT; BEGIN IMMEDIATE; CREATE TABLE more (a)", 1),
        ("ROLLBACK", 0),
        ("ROLLBACK; BEGIN; CREATE TABLE more (a)", 0),
    ];
    for (ending, kept) in table {
        let conn = memory();
        let code = Migration::code("1_it", move |conn| {
            conn.execute_batch("CREATE TABLE a (b)")?;
            conn.execute_batch(ending)
        });
        let error = MigrationRunner::new([code]).unwrap().run(&conn).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Step, "{ending}");
        assert!(error.to_string().contains("ended the transaction that it runs in"), "{ending}: {error}");
        assert_eq!(schema(&conn).len(), kept, "{ending}");
        assert_eq!(applied(&conn), Vec::<String>::new(), "{ending}");
        assert!(conn.is_autocommit(), "{ending}");
    }
}

/// The error said "nothing of it was kept" about code that had committed its work, so users ran the code again.
#[test]
fn nobody_is_told_that_committed_work_was_not_kept() {
    let conn = memory();
    let code = Migration::code("1_it", |conn| conn.execute_batch("CREATE TABLE a (b); COMMIT"));
    let error = MigrationRunner::new([code]).unwrap().run(&conn).unwrap_err().to_string();
    assert_eq!(schema(&conn), ["CREATE TABLE a (b)"]);
    assert!(!error.contains("nothing of it was kept"), "{error}");
}

#[test]
fn code_that_panics_leaves_nothing_behind() {
    let panics = |text: &'static str| {
        Migration::code("1_it", move |conn: &Connection| -> rusqlite::Result<()> {
            conn.execute_batch(text)?;
            panic!("on purpose")
        })
    };
    for foreign_keys in ["1", "0"] {
        for script in ["CREATE TABLE a (b)", "CREATE TABLE a (b); SAVEPOINT s; CREATE TABLE c (d)"] {
            let database = TestDatabase::new();
            let conn = database.connect();
            conn.execute_batch(&format!("PRAGMA foreign_keys = {foreign_keys}")).unwrap();
            let runner = MigrationRunner::new([panics(script)]).unwrap();
            catch_unwind(AssertUnwindSafe(|| runner.run(&conn))).unwrap_err();
            assert_untouched(&conn, script);
            assert_eq!(rows(&conn, "PRAGMA foreign_keys"), [foreign_keys]);
            // Neither the lock nor the database is locked.
            let other = database.connect();
            let next = set([("1_it", "CREATE TABLE a (b)")]).lock_timeout(Duration::ZERO);
            assert_eq!(next.run(&other).unwrap().applied.len(), 1);
        }
    }
}

/// A transaction that code began outside that of the engine was left open when the code panicked. The pragma that restores the caller's
/// foreign key setting has no effect inside a transaction, so enforcement stayed off for the rest of the program.
#[test]
fn code_outside_a_transaction_that_panics_leaves_the_connection_as_it_was() {
    for script in ["CREATE TABLE a (b)", "BEGIN; CREATE TABLE a (b)"] {
        let conn = memory();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        let code = Migration::code("1_it", move |conn: &Connection| -> rusqlite::Result<()> {
            conn.execute_batch(script)?;
            panic!("on purpose")
        });
        let runner = MigrationRunner::new([code.outside_transaction()]).unwrap();
        catch_unwind(AssertUnwindSafe(|| runner.run(&conn))).unwrap_err();
        assert!(conn.is_autocommit(), "{script}");
        assert_eq!(rows(&conn, "PRAGMA foreign_keys"), ["1"], "{script}");
        assert_eq!(applied(&conn), ["1_it (dirty)"], "{script}");
    }
}

#[test]
fn triggers_keep_their_semicolons() {
    let conn = memory();
    let script = "CREATE TABLE a (b); CREATE TABLE log (text);
        CREATE TRIGGER t AFTER INSERT ON a WHEN new.b <> ';' BEGIN
            INSERT INTO log VALUES ('end; ' || CASE new.b WHEN 1 THEN 'one' ELSE 'more' END);
            -- END;
            DELETE FROM log WHERE text = \"text\" || ';';
        END;
        INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)";
    MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT text FROM log"), ["end; one", "end; more"]);
}

/// If a transaction has written, SQLite silently ignores a change to WAL mode inside it.
#[test]
fn a_journal_mode_that_sqlite_would_ignore_is_refused() {
    let plain = TestDatabase::new();
    let conn = plain.connect();
    conn.execute_batch("BEGIN; CREATE TABLE a (b)").unwrap();
    assert_eq!(rows(&conn, "PRAGMA journal_mode = WAL"), ["delete"], "no error");
    conn.execute_batch("COMMIT").unwrap();

    for script in [
        "CREATE TABLE a (b); PRAGMA journal_mode = WAL",
        "CREATE TABLE a (b); /* so */ pragma main . \"journal_mode\" ( 'wal' );",
        "PRAGMA journal_mode = WAL; CREATE TABLE a (b);",
        "SELECT 1; PRAGMA journal_mode=memory",
    ] {
        let database = TestDatabase::new();
        let conn = database.connect();
        let runner = MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap();
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().contains("set run_in_transaction = false in its metadata"), "{error}");
        assert_untouched(&conn, script);
        assert_eq!(rows(&conn, "PRAGMA journal_mode"), ["delete"]);
    }
    for (script, mode) in [
        ("PRAGMA journal_mode = WAL; CREATE TABLE a (b)", "wal"),
        // Only WAL is stored in the file. Another mode is set back after the script.
        ("CREATE TABLE a (b); PRAGMA journal_mode(truncate)", "delete"),
    ] {
        let database = TestDatabase::new();
        let conn = database.connect();
        outside(script).run(&conn).unwrap();
        assert_eq!(rows(&conn, "PRAGMA journal_mode"), [mode]);
        assert_eq!(applied(&conn), ["1_it"]);
    }
    // Neither a query of the mode nor setting the same mode changes anything.
    set([("1_it", "PRAGMA journal_mode; PRAGMA journal_mode = DELETE;")]).run(&plain.connect()).unwrap();
}

#[test]
fn what_sqlite_refuses_in_a_transaction_comes_with_the_remedy() {
    for script in [
        "SELECT 1; VACUUM",
        "CREATE TABLE a (b); vacuum;",
        "CREATE TABLE a (b); PRAGMA synchronous = OFF",
        "CREATE TEMP TABLE a (b); PRAGMA temp_store = MEMORY",
    ] {
        let database = TestDatabase::new();
        let conn = database.connect();
        let runner = MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap();
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().contains("set run_in_transaction = false in its metadata"), "{error}");
        assert_untouched(&conn, script);
        outside(script).run(&conn).unwrap();
        assert_eq!(applied(&conn), ["1_it"], "{script}");
    }
}

#[test]
fn a_journal_mode_that_cannot_be_had_outside_a_transaction_either_is_an_error() {
    let database = TestDatabase::new();
    let other = database.connect();
    rows(&other, "PRAGMA journal_mode = WAL");
    rows(&other, "SELECT * FROM sqlite_master");
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    let runner = outside("PRAGMA journal_mode = DELETE").lock_timeout(Duration::from_millis(50));
    let error = runner.run(&conn).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Step, "{error}");
    assert_eq!(applied(&conn), Vec::<String>::new(), "it failed in its first statement: {error}");
    drop(other);
    runner.run(&conn).unwrap();
    assert_eq!(rows(&conn, "PRAGMA journal_mode"), ["delete"]);
}

#[test]
fn a_non_transactional_step_is_dirty_while_it_runs() {
    let database = TestDatabase::new();
    let path = database.path();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (look, notes) = (path.clone(), Arc::clone(&seen));
    let code = Migration::code("1_code", move |_| {
        notes.lock().unwrap().extend(applied(&Connection::open(&look)?));
        Ok::<_, rusqlite::Error>(())
    });
    let script = Migration::sql("2_script", "CREATE TABLE a (b); SELECT look(); CREATE TABLE c (d)");
    let conn = database.connect();
    let notes = Arc::clone(&seen);
    conn.create_scalar_function("look", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        let other = Connection::open(&path)?;
        notes.lock().unwrap().extend(applied(&other));
        let statement = "SELECT dirty, statement FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1";
        notes.lock().unwrap().extend(rows(&other, statement));
        Ok(1)
    })
    .unwrap();
    MigrationRunner::new([code.outside_transaction(), script.outside_transaction()])
        .unwrap()
        .run(&conn)
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), ["1_code (dirty)", "1_code", "2_script (dirty)", "1|2"]);
    assert_eq!(applied(&conn), ["1_code", "2_script"]);
    assert_eq!(rows(&conn, "SELECT sum(dirty), count(failure) FROM __switchy_migrations"), ["0|0"]);
}

/// The two recoveries that the remedy of a dirty migration names: to run it again, and to mark it as done.
pub(crate) const WAYS_OUT: [fn(MigrationId) -> Recovery; 2] = [Recovery::Retry, Recovery::MarkDone];

#[test]
fn a_non_transactional_step_that_failed_is_refused_until_somebody_followed_the_remedy() {
    let awkward = "2_it's; \"a\" `b` -- c";
    for (table, id) in [("__switchy_migrations", "2_it"), ("their \"own\" 'table'", awkward)] {
        for choice in [0, 1] {
            let script = "CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d)";
            let runner = MigrationRunner::new([
                Migration::sql("1_before", "CREATE TABLE x (y)"),
                Migration::sql(id, script).outside_transaction(),
                Migration::sql("3_after", "CREATE TABLE z (z)"),
            ])
            .unwrap()
            .table_name(table)
            .unwrap();
            let conn = memory();
            let error = runner.run(&conn).unwrap_err();
            assert_eq!((error.kind(), line(&error)), (ErrorKind::Step, 2));
            assert!(error.to_string().contains("it is marked dirty"), "{error}");
            assert_eq!(error.report().applied.len(), 1);
            let dirty = runner.history(&conn).unwrap().records()[1].dirty.clone().unwrap();
            assert_eq!(dirty.statement, Some(2));
            assert_eq!(dirty.failure.as_deref(), Some("no such table: missing"));
            assert!(!runner.is_applied(&conn, id).unwrap());

            let before = rows(&conn, "SELECT * FROM sqlite_master");
            let refused = runner.run(&conn).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Refused);
            assert_eq!(refused.problems().len(), 1);
            assert_eq!(refused.problems()[0].kind, ProblemKind::Dirty);
            assert!(refused.to_string().contains("at statement 2 of 3 of its script"), "{refused}");
            assert!(refused.to_string().contains("no such table: missing"), "{refused}");
            assert_eq!(rows(&conn, "SELECT * FROM sqlite_master"), before, "nothing ran");

            conn.execute_batch("CREATE TABLE missing (a)").unwrap();
            runner.recover(&conn, WAYS_OUT[choice](id.into()), Signature::of("ada")).unwrap();
            let steps = runner.run(&conn).unwrap().applied.len();
            assert_eq!(steps, if choice == 0 { 2 } else { 1 });
            assert_eq!(rows(&conn, "SELECT * FROM missing").len(), usize::from(choice == 0));
            assert!(runner.is_applied(&conn, id).unwrap());
            assert!(runner.run(&conn).unwrap().is_up_to_date());
        }
    }
}

#[test]
fn a_step_that_continues_and_fails_at_once_keeps_what_was_done_before() {
    let conn = memory();
    let runner = outside("CREATE TABLE a (b);\nINSERT INTO missing VALUES (1);\nCREATE TABLE c (d)");
    runner.run(&conn).unwrap_err();
    runner.recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    let error = runner.run(&conn).unwrap_err();
    assert!(error.to_string().contains("what was done before stays, and it will continue here"), "{error}");
    conn.execute_batch("CREATE TABLE missing (a)").unwrap();
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    assert_eq!(rows(&conn, "SELECT * FROM missing").len(), 1);
}

#[test]
fn the_duration_of_each_step_is_recorded() {
    let conn = memory();
    let runner = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE a (b)"),
        Migration::sql("2_b", "CREATE TABLE b (b)").outside_transaction(),
    ]);
    let runner = runner.unwrap();
    runner.run(&conn).unwrap();
    let history = runner.history(&conn).unwrap();
    assert_eq!(history.records().len(), 2);
    for record in history.records() {
        assert!(record.duration.is_some(), "{}", record.id);
    }
}

#[test]
fn a_non_transactional_step_that_failed_before_it_did_anything_is_not_dirty() {
    for script in
        ["INSERT INTO missing VALUES (1); CREATE TABLE a (b)", "SELEKT 1", "-- so\n;; SELECT missing()"]
    {
        let conn = memory();
        let runner =
            MigrationRunner::new([Migration::from_scripts("1_it", script, None).outside_transaction()]);
        let error = runner.unwrap().run(&conn).unwrap_err();
        assert!(error.to_string().contains("; nothing of it was kept; "), "{error}");
        assert_untouched(&conn, script);
        assert_eq!(outside("CREATE TABLE a (b)").run(&conn).unwrap().applied.len(), 1);
    }
}

/// Alone, `OR FAIL` keeps the rows before the one that failed. Together with its progress record it is a transaction, which keeps nothing.
#[test]
fn a_non_transactional_step_whose_first_statement_failed_halfway_is_not_dirty() {
    let conn = memory();
    conn.execute_batch("CREATE TABLE a (b UNIQUE)").unwrap();
    let error = outside("INSERT OR FAIL INTO a VALUES (1), (2), (1), (3)").run(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT b FROM a"), Vec::<String>::new());
    assert_eq!(applied(&conn), Vec::<String>::new());
    assert!(error.to_string().contains("nothing of it was kept"), "{error}");
}

#[test]
fn a_non_transactional_script_may_handle_transactions_and_must_end_them() {
    let table = [
        ("BEGIN; CREATE TABLE a (b); COMMIT; BEGIN; CREATE TABLE c (d); ROLLBACK;", None, 1),
        ("CREATE TABLE a (b); SAVEPOINT s; CREATE TABLE c (d);", Some("left a transaction open"), 1),
        ("BEGIN; CREATE TABLE a (b); SELECT * FROM missing; COMMIT", Some("no such table: missing"), 0),
        ("BEGIN; SAVEPOINT s; RELEASE s; SELECT * FROM missing; COMMIT", Some("no such table: missing"), 0),
        ("BEGIN; SAVEPOINT s; CREATE TABLE a (b); RELEASE s; ROLLBACK; CREATE TABLE c (d)", None, 1),
        (
            "BEGIN; SAVEPOINT s; SAVEPOINT t; CREATE TABLE a (b); ROLLBACK TO s; CREATE TABLE c (d); COMMIT",
            None,
            1,
        ),
        (
            "SAVEPOINT s; SAVEPOINT t; CREATE TABLE a (b); RELEASE t; ROLLBACK TO s; CREATE TABLE c (d);
            RELEASE SAVEPOINT \"S\"; CREATE TABLE e (f)",
            None,
            2,
        ),
    ];
    for (script, failure, tables) in table {
        let conn = memory();
        let runner =
            MigrationRunner::new([Migration::from_scripts("1_it", script, None).outside_transaction()]);
        let outcome = runner.unwrap().run(&conn);
        assert!(conn.is_autocommit(), "{script}");
        assert_eq!(schema(&conn).len(), tables, "{script}");
        match failure {
            None => assert_eq!(applied(&conn), ["1_it"], "{script}"),
            Some(text) => {
                assert!(outcome.unwrap_err().to_string().contains(text), "{script}");
                assert_eq!(applied(&conn), ["1_it (dirty)"], "{script}");
            }
        }
    }
}

#[test]
fn a_step_that_writes_the_tracking_table_is_undone() {
    let statements = [
        "INSERT INTO __switchy_migrations (name) VALUES ('9_more')",
        "DELETE FROM __switchy_migrations",
        "delete from \"__SWITCHY_migrations\" where rowid = 1",
        "UPDATE __switchy_migrations SET checksum = NULL",
        "UPDATE [__switchy_migrations] SET dirty = 1",
        "UPDATE __switchy_migrations SET run_on = ''",
        "UPDATE __switchy_migrations SET basis = NULL",
        "REPLACE INTO __switchy_migrations (name) VALUES ('1_before')",
        "DROP TABLE __switchy_migrations",
        "ALTER TABLE __switchy_migrations RENAME TO mine",
    ];
    let via_trigger = |statement: &str| {
        let body = statement.replace('"', "").replace(['[', ']'], "");
        format!("CREATE TRIGGER t AFTER INSERT ON x BEGIN {body}; END")
    };
    let mut not_noticed = Vec::new();
    for statement in statements {
        for way in ["script", "trigger", "code", "before hook", "after hook", "batch"] {
            let context = format!("{statement} by {way}");
            if way == "trigger" && (statement.starts_with("DROP") || statement.starts_with("ALTER")) {
                continue; // This is not allowed in a trigger.
            }
            let conn = memory();
            set([("1_before", "CREATE TABLE x (y)")]).run(&conn).unwrap();
            if way == "trigger" {
                conn.execute_batch(&via_trigger(statement)).unwrap();
            }
            let it = match way {
                "script" | "batch" => Migration::sql("2_it", statement),
                "trigger" => Migration::sql("2_it", "INSERT INTO x VALUES (1)"),
                "code" => Migration::code("2_it", move |conn| conn.execute_batch(statement)),
                _ => Migration::sql("2_it", "SELECT 1"),
            };
            let run: fn(&Connection, &str) -> _ = |conn, sql| Ok(conn.execute_batch(sql)?);
            let hooks = match way {
                "before hook" => Hooks::new().before(move |_, conn| run(conn, statement)),
                "after hook" => Hooks::new().after(move |_, conn| run(conn, statement)),
                _ => Hooks::new(),
            };
            let mode = if way == "batch" { TransactionMode::Batch } else { TransactionMode::PerMigration };
            let runner =
                MigrationRunner::new([Migration::sql("1_before", "CREATE TABLE x (y)"), it]).unwrap();
            let before = rows(&conn, "SELECT * FROM __switchy_migrations");
            match runner.hooks(hooks).transaction(mode).run(&conn) {
                Ok(_) => {
                    not_noticed.push(context);
                    continue;
                }
                Err(error) => assert_eq!(error.migration().unwrap(), &"2_it", "{context}: {error}"),
            }
            assert_eq!(rows(&conn, "SELECT * FROM __switchy_migrations"), before, "{context}");
            assert_eq!(rows(&conn, "SELECT * FROM x").len(), 0, "{context}");
        }
    }
    assert_eq!(not_noticed, Vec::<String>::new());
}

#[test]
fn a_hook_of_a_rollback_that_writes_the_tracking_table_is_undone() {
    let statement = "DELETE FROM __switchy_migrations WHERE name = '1_before'";
    for way in ["before hook", "after hook"] {
        let conn = memory();
        let runner = |hooks: Hooks| {
            let migrations = ["1_before", "2_it"]
                .map(|id| Migration::from_scripts(id, "SELECT 1", Some("SELECT 1".to_owned())));
            MigrationRunner::new(migrations).unwrap().hooks(hooks)
        };
        runner(Hooks::new()).run(&conn).unwrap();
        let run = |_: &_, conn: &Connection| Ok(conn.execute_batch(statement)?);
        let hooks = match way {
            "before hook" => Hooks::new().before(run),
            _ => Hooks::new().after(run),
        };
        let before = rows(&conn, "SELECT * FROM __switchy_migrations");
        let error = runner(hooks).rollback(&conn, 1).unwrap_err();
        assert_eq!(error.migration().unwrap(), &"2_it", "{way}: {error}");
        assert_eq!(rows(&conn, "SELECT * FROM __switchy_migrations"), before, "{way}");
    }
}

#[test]
fn a_step_may_read_the_tracking_table() {
    let conn = memory();
    let script = "CREATE TABLE a AS SELECT name FROM __switchy_migrations;
        CREATE VIEW v AS SELECT count(*) AS applied FROM __switchy_migrations";
    set([("1_a", "SELECT 1"), ("2_b", script)]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT name FROM a"), ["1_a"]);
    assert_eq!(rows(&conn, "SELECT applied FROM v"), ["2"]);
}

#[test]
fn functions_and_collations_of_the_application_work_in_scripts() {
    let conn = memory();
    conn.create_scalar_function("twice", 1, FunctionFlags::SQLITE_DETERMINISTIC, |context| {
        Ok(context.get::<i64>(0)? * 2)
    })
    .unwrap();
    conn.create_collation("backwards", |a, b| b.cmp(a)).unwrap();
    let script = "CREATE TABLE a (b INTEGER, c TEXT COLLATE backwards);
        CREATE INDEX i ON a (twice(b));
        INSERT INTO a VALUES (twice(21), 'x'), (twice(1), 'y');
        CREATE TABLE sorted AS SELECT c FROM a ORDER BY c";
    set([("1_it", script)]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT b FROM a"), ["42", "2"]);
    assert_eq!(rows(&conn, "SELECT c FROM sorted"), ["y", "x"]);
}

#[test]
fn a_transaction_of_the_caller_is_refused_and_left_alone() {
    for begin in ["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT s"] {
        let conn = memory();
        set([("1_a", "CREATE TABLE a (b)")]).run(&conn).unwrap();
        conn.execute_batch(begin).unwrap();
        conn.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        let runner = set([("1_a", "CREATE TABLE a (b)"), ("2_b", "CREATE TABLE b (c)")]);
        let plan = runner.plan(&conn, Target::Latest).unwrap();
        for error in [runner.run(&conn).unwrap_err(), runner.apply(&conn, plan).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::OpenTransaction, "{begin}");
        }
        assert!(!conn.is_autocommit(), "{begin}");
        let end = if begin.starts_with('S') { "RELEASE s" } else { "COMMIT" };
        conn.execute_batch(end).unwrap();
        assert_eq!(rows(&conn, "SELECT * FROM a"), ["1"], "{begin}");
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 1, "{begin}");
    }
}

#[test]
fn every_kind_of_database_and_every_way_to_hold_a_connection_works() {
    let runner = set([("1_a", "CREATE TABLE a (b); INSERT INTO a VALUES (1)")]);
    let done = |conn: &Connection| assert_eq!(rows(conn, "SELECT * FROM a"), ["1"]);

    let database = TestDatabase::new();
    let shared = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    let connections = [
        ("memory", memory()),
        ("temporary", Connection::open("").unwrap()),
        (
            "shared memory",
            Connection::open_with_flags("file:execution?mode=memory&cache=shared", shared).unwrap(),
        ),
        ("file", database.connect()),
    ];
    for (name, conn) in connections {
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 1, "{name}");
        assert!(runner.run(&conn).unwrap().is_up_to_date(), "{name}");
        done(&conn);
    }
    for mode in ["wal", "delete", "truncate", "persist", "memory", "off"] {
        let database = TestDatabase::new();
        let conn = database.connect();
        assert_eq!(rows(&conn, &format!("PRAGMA journal_mode = {mode}")), [mode]);
        assert_eq!(runner.run(&conn).unwrap().applied.len(), 1, "{mode}");
        assert_eq!(rows(&conn, "PRAGMA journal_mode"), [mode]);
        drop(conn);
        assert!(runner.run(&database.connect()).unwrap().is_up_to_date(), "{mode}");
    }

    let counted = Rc::new(memory());
    runner.run(&counted).unwrap();
    done(&counted);
    let non_transactional = Arc::new(Mutex::new(memory()));
    runner.run(&non_transactional.lock().unwrap()).unwrap();
    done(&non_transactional.lock().unwrap());
    let mut owned = memory();
    let exclusive = &mut owned;
    runner.run(exclusive).unwrap();
    done(exclusive);
}

#[test]
fn a_runner_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&set([]));
    shared::<Migration>(&Migration::sql("1_a", ""));
}

/// The settings of a connection that a migration engine might touch.
pub(crate) fn settings(conn: &Connection) -> Vec<String> {
    let names = [
        "foreign_keys",
        "defer_foreign_keys",
        "legacy_alter_table",
        "recursive_triggers",
        "busy_timeout",
        "synchronous",
        "journal_mode",
        "locking_mode",
        "query_only",
        "ignore_check_constraints",
        "trusted_schema",
        "writable_schema",
        "reverse_unordered_selects",
        "read_uncommitted",
        "cell_size_check",
        "temp_store",
        "wal_autocheckpoint",
    ];
    names.iter().map(|name| format!("{name}: {}", rows(conn, &format!("PRAGMA {name}")).join(" "))).collect()
}

#[test]
fn the_settings_of_the_connection_are_as_before_however_a_run_ends() {
    let good = || Migration::reversible("1_good", "CREATE TABLE p (a PRIMARY KEY)", "DROP TABLE p");
    let bad = |text: &'static str| MigrationRunner::new([good(), Migration::sql("2_bad", text)]).unwrap();
    let orphans = "CREATE TABLE c (a REFERENCES p); INSERT INTO c VALUES (1)";
    let modified = |change: fn(Migration) -> Migration, text: &'static str| {
        MigrationRunner::new([good(), change(Migration::sql("2_it", text))]).unwrap()
    };
    let enforced = |migration: Migration| migration.foreign_keys(ForeignKeys::Enforced);
    let runners: Vec<(&str, bool, MigrationRunner)> = vec![
        ("success", true, bad("SELECT 1")),
        ("batch", true, bad("SELECT 1").transaction(TransactionMode::Batch)),
        ("guarded", true, modified(Migration::outside_transaction, "VACUUM")),
        ("guarded failure", false, modified(Migration::outside_transaction, "VACUUM; SELEKT")),
        ("guarded orphans", false, modified(Migration::outside_transaction, orphans)),
        ("guarded open", false, modified(Migration::outside_transaction, "BEGIN")),
        ("failure", false, bad("SELEKT")),
        ("ended", false, bad("COMMIT")),
        ("orphans", false, bad(orphans)),
        ("enforced", true, modified(enforced, "SELECT 1")),
        ("enforced failure", false, modified(enforced, orphans)),
        ("unchecked", true, modified(|it| it.foreign_keys(ForeignKeys::Unchecked), orphans)),
        ("hook", false, bad("SELECT 1").hooks(Hooks::new().after(|_, _| Err("no".into())))),
        ("panic", false, bad("SELECT 1").hooks(Hooks::new().after(|_, _| panic!("on purpose")))),
        ("observer panic", false, bad("SELECT 1").observe(|_| panic!("on purpose"))),
    ];
    for (name, succeeds, runner) in runners {
        for own in [
            "",
            "PRAGMA foreign_keys = 1; PRAGMA recursive_triggers = 1; PRAGMA reverse_unordered_selects = 1",
            "PRAGMA foreign_keys = 0; PRAGMA legacy_alter_table = 1; PRAGMA temp_store = 2",
        ] {
            let database = TestDatabase::new();
            let conn = database.connect();
            conn.execute_batch(own).unwrap();
            conn.busy_timeout(Duration::from_millis(1234)).unwrap();
            let before = settings(&conn);
            let outcome = catch_unwind(AssertUnwindSafe(|| runner.run(&conn)));
            assert_eq!(matches!(outcome, Ok(Ok(_))), succeeds, "{name}: {outcome:?}");
            assert!(conn.is_autocommit(), "{name}");
            assert_eq!(settings(&conn), before, "{name}");
            if succeeds {
                runner.run(&conn).unwrap();
                assert_eq!(settings(&conn), before, "{name}: nothing pending");
                runner.run_to(&conn, Target::Back(1)).unwrap_err();
                assert_eq!(settings(&conn), before, "{name}: refused");
            }
        }
    }
}

#[test]
fn a_batch_is_all_or_nothing() {
    let database = TestDatabase::new();
    let conn = database.connect();
    let scripts = [("1_a", "CREATE TABLE a (b)"), ("2_b", "INSERT INTO a VALUES (1)"), ("3_c", "SELEKT")];
    let error = set(scripts).transaction(TransactionMode::Batch).run(&conn).unwrap_err();
    assert_eq!(error.migration().unwrap(), &"3_c");
    assert!(error.report().applied.is_empty());
    assert_untouched(&conn, "batch");
    assert_eq!(database.rows("SELECT * FROM sqlite_master"), Vec::<String>::new(), "not even our table");

    let error = set(scripts).run(&conn).unwrap_err();
    assert_eq!(error.report().applied.len(), 2, "one by one, two are kept");
    let set = TestMigrationBuilder::new()
        .reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a")
        .reversible("2_b", "INSERT INTO a VALUES (1)", "DELETE FROM a")
        .reversible("3_c", "CREATE TABLE c (d)", "DROP TABLE missing");
    let batch = set.runner().transaction(TransactionMode::Batch);
    assert_eq!(batch.run(&conn).unwrap().applied.len(), 1);
    batch.run_to(&conn, Target::Empty).unwrap_err();
    assert_eq!(applied(&conn), ["1_a", "2_b", "3_c"]);
    assert_eq!(
        set.reversible("3_c", "CREATE TABLE c (d)", "DROP TABLE c")
            .runner()
            .transaction(TransactionMode::Batch)
            .run_to(&conn, Target::Empty)
            .unwrap()
            .applied
            .len(),
        3
    );
    assert_untouched(&conn, "back");
}

#[test]
fn what_cannot_be_in_a_batch_is_refused_before_anything_is_done() {
    let conn = memory();
    let runner = MigrationRunner::new([
        Migration::sql("1_a", "CREATE TABLE a (b)"),
        Migration::sql("2_vacuum", "VACUUM").outside_transaction(),
        Migration::sql("3_on", "SELECT 1").foreign_keys(ForeignKeys::Enforced),
    ])
    .unwrap();
    let error = runner.transaction(TransactionMode::Batch).run(&conn).unwrap_err();
    let found: Vec<_> =
        error.problems().iter().map(|problem| (problem.kind, problem.migration.to_string())).collect();
    let expected = |id: &str| (ProblemKind::NotInBatch, id.to_owned());
    assert_eq!(found, [expected("2_vacuum"), expected("3_on")]);
    assert_untouched(&conn, "refused");
}

#[test]
fn a_run_ends_where_its_target_says() {
    let id = |id: &str| switchy_schema::MigrationId::from(id);
    let table = [
        ("", Target::Latest, "1 2 3 4"),
        ("", Target::Steps(0), ""),
        ("", Target::Steps(2), "1 2"),
        ("1 3", Target::Steps(1), "1 3 2"),
        ("1 3", Target::Steps(9), "1 3 2 4"),
        ("1", Target::Through(id("3")), "1 2 3"),
        ("3", Target::Through(id("2")), "3 1 2"),
        ("1", Target::Before(id("3")), "1 2"),
        ("", Target::Before(id("1")), ""),
        ("1 2 3 4", Target::Back(0), "1 2 3 4"),
        ("1 2 3 4", Target::Back(3), "1"),
        ("1 2", Target::Back(9), ""),
        ("2 1 3", Target::Back(2), "2"),
        ("1 2 3 4", Target::BackTo(id("2")), "1 2"),
        ("2 3 1", Target::BackTo(id("3")), "2 3"),
        ("1 2 3 4", Target::BackTo(id("4")), "1 2 3 4"),
        ("3 1", Target::Empty, ""),
    ];
    let migrations = |ids: &str| -> Vec<Migration> {
        let migration = |id: &str| {
            let (up, down) = (format!("CREATE TABLE t{id} (a)"), format!("DROP TABLE t{id}"));
            Migration::from_scripts(id, up, Some(down))
        };
        ids.split_whitespace().map(migration).collect()
    };
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        for (start, target, expected) in &table {
            let conn = memory();
            let runner = MigrationRunner::new(migrations("1 2 3 4")).unwrap().transaction(mode);
            for (place, _) in start.split_whitespace().enumerate() {
                let some: Vec<&str> = start.split_whitespace().take(place + 1).collect();
                MigrationRunner::new(migrations(&some.join(" "))).unwrap().run(&conn).unwrap();
            }
            assert_eq!(applied(&conn).join(" "), *start);
            runner.run_to(&conn, target.clone()).unwrap();
            assert_eq!(applied(&conn).join(" "), *expected, "{start} {target:?}");
            let mut tables: Vec<_> = expected.split_whitespace().map(|id| format!("t{id}")).collect();
            tables.sort();
            let real = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 't_' ORDER BY name";
            assert_eq!(rows(&conn, real), tables, "{start} {target:?}");
            for unknown in [Target::Through(id("5")), Target::Before(id("5")), Target::BackTo(id("5"))] {
                assert_eq!(runner.run_to(&conn, unknown).unwrap_err().kind(), ErrorKind::UnknownMigration);
                assert_eq!(applied(&conn).join(" "), *expected);
            }
        }
    }
}

#[test]
fn nobody_is_told_of_an_id_that_does_not_exist_that_it_is_not_applied() {
    let conn = memory();
    let runner = set([("1_a", "SELECT 1"), ("2_b", "SELECT 1")]);
    runner.run_to(&conn, Target::Steps(1)).unwrap();
    let older = set([("2_b", "SELECT 1"), ("3_c", "SELECT 1")]);
    assert!(older.is_applied(&conn, "1_a").unwrap(), "only the database knows it");
    assert!(!older.is_applied(&conn, "2_b").unwrap());
    assert_eq!(older.is_applied(&conn, "2_bb").unwrap_err().kind(), ErrorKind::UnknownMigration);
}

#[test]
fn a_plan_for_another_state_or_another_set_is_refused() {
    let scripts = [("1_a", "CREATE TABLE a (b)"), ("2_b", "CREATE TABLE b (c)")];
    let runner = set(scripts);
    let refused = |conn: &Connection, runner: &MigrationRunner, plan, context: &str| {
        let before = applied(conn);
        let error = runner.apply(conn, plan).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stale, "{context}");
        assert_eq!(applied(conn), before, "{context}");
    };
    let database = TestDatabase::new();
    let (conn, other) = (database.connect(), database.connect());
    let plan = |target| runner.plan(&conn, target).unwrap();

    let early = plan(Target::Latest);
    runner.run_to(&other, Target::Steps(1)).unwrap();
    refused(&conn, &runner, early, "another connection was faster");
    let twice = plan(Target::Latest);
    assert_eq!(runner.apply(&conn, twice.clone()).unwrap().applied.len(), 1);
    refused(&conn, &runner, twice, "the same plan again");

    let fresh = memory();
    let plan = runner.plan(&fresh, Target::Latest).unwrap();
    refused(&fresh, &set([("1_a", "CREATE TABLE a (b)")]), plan.clone(), "a set without one of them");
    refused(&fresh, &set([("1_a", "CREATE TABLE a (x)"), scripts[1]]), plan.clone(), "another script");
    // A plan contains the steps, but not the connection on which it was made.
    assert_eq!(set(scripts).apply(&fresh, plan).unwrap().applied.len(), 2);
}

#[test]
fn a_plan_with_problems_is_shown_and_not_carried_out() {
    let conn = memory();
    set([("1_a", "CREATE TABLE a (b)"), ("2_b", "CREATE TABLE b (c)")]).run(&conn).unwrap();
    let runner = set([("1_a", "CREATE TABLE a (changed)"), ("3_c", "CREATE TABLE c (d)")]);
    let plan = runner.plan(&conn, Target::Latest).unwrap();
    let kinds: Vec<_> = plan.problems().iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::DatabaseAhead, ProblemKind::Changed]);
    assert_eq!(runner.apply(&conn, plan).unwrap_err().problems().len(), 2);
    let error = runner.run(&conn).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (ErrorKind::Refused, 2));
    assert_eq!(applied(&conn), ["1_a", "2_b"]);
}

#[test]
fn several_connections_at_once_apply_everything_once() {
    for lock in [Lock::Sidecar, Lock::Off] {
        let database = TestDatabase::new();
        let runner = set([
            ("1_a", "CREATE TABLE a (b)"),
            ("2_b", "INSERT INTO a VALUES (1)"),
            ("3_c", "INSERT INTO a SELECT max(b) + 1 FROM a"),
            ("4_d", "INSERT INTO a SELECT max(b) + 1 FROM a"),
        ])
        .lock(lock.clone());
        let done: usize = std::thread::scope(|scope| {
            let start = || scope.spawn(|| runner.run(&database.connect()).unwrap().applied.len());
            let threads: Vec<_> = (0..8).map(|_| start()).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(done, 4, "{lock:?}");
        assert_eq!(database.rows("SELECT b FROM a"), ["1", "2", "3"], "{lock:?}");
    }
}

#[test]
fn every_text_that_sqlite_runs_is_a_script() {
    let table = [
        ("CREATE TABLE a (b)", 0),
        ("CREATE TABLE a (b); -- the end", 0),
        (";;; CREATE TABLE a (b) ;; ;", 0),
        ("CREATE TABLE a (b);\n/* no end", 0),
        ("\u{feff}CREATE TABLE a (b);\r\n-- so\r\nINSERT INTO a\r\nVALUES (1);\r\n", 1),
        (
            "CREATE TABLE a (b); INSERT INTO a VALUES (1), (2) RETURNING b; SELECT * FROM a; PRAGMA table_info(a)",
            2,
        ),
        ("CREATE TABLE a (b); WITH x (n) AS (VALUES (1), (2)) INSERT INTO a SELECT n FROM x", 2),
        ("CREATE TABLE a (b); EXPLAIN INSERT INTO a VALUES (1); EXPLAIN QUERY PLAN SELECT * FROM a;", 0),
        ("CREATE TABLE a (b); ANALYZE; REINDEX; SELECT 'ä;ö', \";\", [a;b].b FROM a AS [a;b]", 0),
    ];
    for (script, count) in table {
        for outside in [false, true] {
            let conn = memory();
            let it = Migration::from_scripts("1_it", script, None);
            let it = if outside { it.outside_transaction() } else { it };
            let runner = MigrationRunner::new([it]).unwrap();
            if let Err(error) = runner.run(&conn) {
                panic!("{script:?}: {error:#}");
            }
            assert_eq!(rows(&conn, "SELECT * FROM a").len(), count, "{script:?}");
            assert!(runner.run(&conn).unwrap().is_up_to_date(), "{script:?}");
        }
    }
}

/// SQLite uses `NULL` for a parameter without a value.
#[test]
fn a_parameter_in_a_script_is_an_error() {
    for parameter in ["?", "?9", ":name", "@name", "$name"] {
        let conn = memory();
        let script = format!("CREATE TABLE a (b);\nINSERT INTO a VALUES ({parameter})");
        let runner = MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap();
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().contains("script at 2:1 in `INSERT INTO a VALUES ("), "{error}");
        assert!(error.to_string().contains("it has a parameter"), "{error}");
        assert_eq!(rows(&conn, "SELECT name FROM sqlite_master"), Vec::<String>::new());
    }
}

#[test]
fn a_script_without_a_statement_is_recorded() {
    let scripts =
        ["", " \n\t", ";", "-- nothing yet", "/* nothing\n yet */;\n", "\u{feff}", "\u{feff}-- x\r\n"];
    for script in scripts {
        for mode in [Atomicity::Transaction, Atomicity::NonTransactional] {
            let conn = memory();
            let it = Migration::from_scripts("1_it", script, Some(String::new()));
            let it = if mode == Atomicity::NonTransactional { it.outside_transaction() } else { it };
            let runner = MigrationRunner::new([it]).unwrap();
            assert_eq!(runner.run(&conn).unwrap().applied.len(), 1, "{script:?}");
            assert_eq!(applied(&conn), ["1_it"], "{script:?}");
            assert_eq!(runner.run_to(&conn, Target::Empty).unwrap().applied.len(), 1, "{script:?}");
            assert_eq!(applied(&conn), Vec::<String>::new(), "{script:?}");
        }
    }
}

/// If a statement is stopped at its first row, as by `execute`, its effects at later rows are lost.
#[test]
fn a_statement_with_rows_runs_to_its_last_row() {
    let conn = memory();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    conn.create_scalar_function("note", 1, FunctionFlags::SQLITE_UTF8, move |context| {
        let number = context.get::<i64>(0)?;
        notes.lock().unwrap().push(number);
        Ok(number)
    })
    .unwrap();
    set([("1_it", "CREATE TABLE a AS SELECT 1 AS b UNION SELECT 2 UNION SELECT 3; SELECT note(b) FROM a;")])
        .run(&conn)
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn a_huge_script_runs_and_says_where_it_failed() {
    let script = |last: &str| {
        let insert = |number: usize| format!("INSERT INTO a VALUES ({number}, 'ä');\n");
        let inserts: String = (0..10_000).map(insert).collect();
        format!("CREATE TABLE a (b, c);\n{inserts}{last}")
    };
    let run = |last: &str, conn: &Connection| {
        MigrationRunner::new([Migration::from_scripts("1_it", script(last), None)]).unwrap().run(conn)
    };
    let conn = memory();
    let error = run("SELECT missing()", &conn).unwrap_err();
    assert_eq!(line(&error), 10_002);
    assert_untouched(&conn, "huge");
    run("", &conn).unwrap();
    assert_eq!(rows(&conn, "SELECT count(*), sum(b) FROM a"), ["10000|49995000"]);
}

#[test]
fn what_stands_in_quotes_keeps_its_line_ends() {
    let conn = memory();
    set([("1_it", "CREATE TABLE a (b);\r\nINSERT INTO a VALUES ('x\r\ny');\r\n")]).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT hex(b) FROM a"), ["780D0A79"]);
    // A script with other line endings is the same script.
    let unix = set([("1_it", "CREATE TABLE a (b);\nINSERT INTO a VALUES ('x\ny');\n")]);
    assert!(unix.run(&conn).unwrap().is_up_to_date());
}

#[test]
fn an_error_says_what_was_done_before_it() {
    let scripts = [("1_a", "CREATE TABLE a (b)"), ("2_b", "CREATE TABLE b (c)"), ("3_c", "SELEKT")];
    for before in 0..3 {
        let conn = memory();
        set(scripts).run_to(&conn, Target::Steps(before)).unwrap();
        let error = set(scripts).run(&conn).unwrap_err();
        assert_eq!(error.report().already, before);
        let ids: Vec<&str> = error.report().applied.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["1_a", "2_b"][before..]);
        let said = ["2 steps before it were done and kept", "1 step before it was done and kept", ""][before];
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.to_string().contains("before it"), before < 2, "{error}");
    }
}

#[test]
fn any_printable_text_is_an_id() {
    let long = "x".repeat(10_000);
    let ids = [
        "1_it's",
        "1_\"it\"",
        "1_; DROP TABLE a; --",
        "`1`",
        "1_Ünïcödé_🦀",
        "%s ?1 :a $b",
        " 1 ",
        "''",
        "NULL",
        "1",
        "名前",
        "a/b\\c",
        "{}",
        "{0}",
        long.as_str(),
    ];
    for id in ids {
        let migration = || Migration::from_scripts(id, "CREATE TABLE a (b)", Some("DROP TABLE a".into()));
        for non_transactional in [false, true] {
            let conn = memory();
            let it = if non_transactional { migration().outside_transaction() } else { migration() };
            let runner = MigrationRunner::new([it]).unwrap();
            let shown = runner.plan(&conn, Target::Latest).unwrap().to_string();
            assert!(shown.contains(id), "{shown}");
            assert_eq!(runner.run(&conn).unwrap().applied[0].id, id);
            assert_eq!(applied(&conn), [id]);
            assert!(runner.is_applied(&conn, id).unwrap());
            assert!(runner.run(&conn).unwrap().is_up_to_date());
            assert_eq!(runner.run_to(&conn, Target::BackTo(id.into())).unwrap().applied.len(), 0);
            assert_eq!(runner.run_to(&conn, Target::Empty).unwrap().applied.len(), 1);
            assert_untouched(&conn, id);
        }
    }
}

/// On an interrupt inside a writing statement, SQLite itself rolls back the whole transaction.
#[test]
fn an_interrupted_script_leaves_nothing() {
    for statement in ["INSERT INTO a SELECT stop(b) FROM a", "SELECT stop(b) FROM a"] {
        let conn = memory();
        let handle = conn.get_interrupt_handle();
        conn.create_scalar_function("stop", 1, FunctionFlags::SQLITE_UTF8, move |_| {
            handle.interrupt();
            Ok(1)
        })
        .unwrap();
        let script = format!("CREATE TABLE a AS SELECT 1 AS b UNION SELECT 2; {statement}");
        let it = Migration::from_scripts("1_it", script, None);
        let error = MigrationRunner::new([it]).unwrap().run(&conn).unwrap_err();
        assert!(error.to_string().ends_with("run again when it may take its time"), "{error}");
        assert_untouched(&conn, statement);
    }
}

#[test]
fn a_full_disk_undoes_the_step_and_the_next_run_goes_on() {
    let database = TestDatabase::new();
    let conn = database.connect();
    let script = "CREATE TABLE b (c); INSERT INTO b SELECT randomblob(100000)";
    let runner = set([("1_a", "CREATE TABLE a (b)"), ("2_b", script)]);
    runner.run_to(&conn, Target::Steps(1)).unwrap();
    rows(&conn, "PRAGMA max_page_count = 8");
    let error = runner.run(&conn).unwrap_err();
    assert!(error.to_string().contains("database or disk is full"), "{error}");
    assert!(error.to_string().ends_with("make room on the disk and run again"), "{error}");
    assert_eq!(applied(&conn), ["1_a"]);
    assert!(conn.is_autocommit());
    rows(&conn, "PRAGMA max_page_count = 100000");
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
}

#[test]
fn going_back_runs_the_script_and_removes_the_record_together() {
    let builder = TestMigrationBuilder::new()
        .reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a")
        .reversible("2_b", "CREATE TABLE b (c)", "DROP TABLE b;\nDROP TABLE missing")
        .reversible("3_c", "CREATE TABLE c (d)", "SELECT 1");
    let database = TestDatabase::new();
    let conn = database.connect();
    builder.runner().run(&conn).unwrap();
    let error = builder.runner().run_to(&conn, Target::Empty).unwrap_err();
    assert_eq!(error.migration().unwrap(), &"2_b");
    assert!(error.location().unwrap().origin.ends_with("2_b/down.sql"), "{error}");
    assert_eq!(line(&error), 2);
    assert_eq!(error.report().applied.len(), 1);
    assert_eq!(applied(&conn), ["1_a", "2_b"]);
    assert_eq!(database.schema(), ["CREATE TABLE a (b)", "CREATE TABLE b (c)", "CREATE TABLE c (d)"]);

    let irreversible = set([("1_a", "CREATE TABLE a (b)")]);
    let conn = memory();
    irreversible.run(&conn).unwrap();
    let error = irreversible.run_to(&conn, Target::Back(1)).unwrap_err();
    assert_eq!(error.problems()[0].kind, ProblemKind::Irreversible);
    assert_eq!(applied(&conn), ["1_a"]);
}

#[test]
fn a_non_transactional_step_back_is_dirty_until_it_is_done() {
    let down = "DROP TABLE a; VACUUM; DROP TABLE missing";
    let it = Migration::reversible("1_it", "CREATE TABLE a (b)", down).outside_transaction();
    let runner = MigrationRunner::new([it]).unwrap();
    let conn = memory();
    runner.run(&conn).unwrap();
    runner.run_to(&conn, Target::Empty).unwrap_err();
    assert_eq!(applied(&conn), ["1_it (dirty)"]);
    assert_eq!(runner.history(&conn).unwrap().records()[0].dirty.clone().unwrap().statement, Some(3));
    assert_eq!(runner.run_to(&conn, Target::Empty).unwrap_err().problems()[0].kind, ProblemKind::Dirty);

    // If the first statement fails, the migration stays applied.
    let it = Migration::reversible("1_it", "CREATE TABLE a (b)", "DROP TABLE missing").outside_transaction();
    let runner = MigrationRunner::new([it]).unwrap();
    let conn = memory();
    runner.run(&conn).unwrap();
    let before = rows(&conn, "SELECT name, run_on, checksum, dirty, basis FROM __switchy_migrations");
    runner.run_to(&conn, Target::Empty).unwrap_err();
    assert_eq!(applied(&conn), ["1_it"]);
    assert_eq!(rows(&conn, "SELECT name, run_on, checksum, dirty, basis FROM __switchy_migrations"), before);
}

#[test]
fn a_step_back_that_stopped_in_the_middle_goes_on_after_the_remedy() {
    for choice in [0, 1] {
        let down = "DROP TABLE IF EXISTS a; DELETE FROM missing";
        let it = Migration::reversible("1_it", "CREATE TABLE a (b)", down).outside_transaction();
        let runner = MigrationRunner::new([it]).unwrap();
        let conn = memory();
        runner.run(&conn).unwrap();
        runner.run_to(&conn, Target::Empty).unwrap_err();
        let refused = runner.run(&conn).unwrap_err();
        assert!(refused.to_string().contains("`Recovery::MarkDone` once it is undone by hand"), "{refused}");
        conn.execute_batch("CREATE TABLE missing (a)").unwrap();
        runner.recover(&conn, WAYS_OUT[choice]("1_it".into()), Signature::of("ada")).unwrap();
        let steps = runner.run_to(&conn, Target::Empty).unwrap().applied.len();
        assert_eq!(steps, usize::from(choice == 0));
        assert_eq!(applied(&conn), Vec::<String>::new());
    }
}

/// An application may have a query open on the connection that it migrates.
#[test]
fn a_statement_of_the_caller_that_is_open_goes_on() {
    let conn = memory();
    conn.execute_batch("CREATE TABLE a (b); INSERT INTO a VALUES (1), (2), (3)").unwrap();
    let mut statement = conn.prepare("SELECT b FROM a").unwrap();
    let mut open = statement.query([]).unwrap();
    assert_eq!(open.next().unwrap().unwrap().get::<_, i64>(0).unwrap(), 1);
    let error = set([("1_it", "CREATE TABLE c (d); DROP TABLE a")]).run(&conn).unwrap_err();
    assert!(error.to_string().contains("end the statements that are open on this connection"), "{error}");
    assert_eq!(applied(&conn), Vec::<String>::new());
    set([("1_it", "INSERT INTO a VALUES (4)")]).run(&conn).unwrap();
    assert_eq!(applied(&conn), ["1_it"]);
    drop(open);
    assert_eq!(rows(&conn, "SELECT count(*) FROM a"), ["4"]);
}

#[test]
fn code_is_undone_by_its_own_code() {
    let undone = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&undone);
    let it = Migration::code("1_it", |conn| conn.execute_batch("CREATE TABLE a (b)")).undo(move |conn| {
        note.store(true, Ordering::Relaxed);
        conn.execute_batch("DROP TABLE a")
    });
    let runner = MigrationRunner::new([it]).unwrap();
    let conn = memory();
    runner.run(&conn).unwrap();
    assert_eq!(schema(&conn), ["CREATE TABLE a (b)"]);
    runner.run_to(&conn, Target::Empty).unwrap();
    assert!(undone.load(Ordering::Relaxed));
    assert_untouched(&conn, "undone");
}

#[test]
fn code_that_fails_gives_its_own_error_back() {
    #[derive(Debug, PartialEq, Eq)]
    struct Mine(u8);
    impl std::fmt::Display for Mine {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "reason {}", self.0)
        }
    }
    impl std::error::Error for Mine {}
    let conn = memory();
    let it = Migration::code("1_it", |conn| {
        conn.execute_batch("CREATE TABLE a (b)").map_err(|_| Mine(1))?;
        Err(Mine(7))
    });
    let error = MigrationRunner::new([it]).unwrap().run(&conn).unwrap_err();
    assert_eq!(error.cause().unwrap().downcast_ref::<Mine>(), Some(&Mine(7)));
    assert!(error.to_string().contains("reason 7"), "{error}");
    assert_untouched(&conn, "code");
}

/// The running step is completed, and no other begins.
#[test]
fn a_run_that_is_stopped_ends_between_two_steps() {
    let non_transactional = Migration::sql("2_b", "CREATE TABLE b (x)").outside_transaction();
    for (mode, kept) in [(TransactionMode::PerMigration, 1), (TransactionMode::Batch, 0)] {
        for second in [Migration::sql("2_b", "CREATE TABLE b (x)"), non_transactional.clone()] {
            if mode == TransactionMode::Batch && second.meta().atomicity != Atomicity::Transaction {
                continue;
            }
            let done = Arc::new(AtomicBool::new(false));
            let (tell, ask) = (Arc::clone(&done), Arc::clone(&done));
            let conn = memory();
            let error = MigrationRunner::new([Migration::sql("1_a", "CREATE TABLE a (x)"), second])
                .unwrap()
                .transaction(mode)
                .observe(move |event| {
                    if let Event::Finished { .. } = event {
                        tell.store(true, Ordering::Relaxed);
                    }
                })
                .stop_when(move || ask.load(Ordering::Relaxed))
                .run(&conn)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Stopped);
            assert_eq!(error.report().applied.len(), kept);
            assert_eq!(applied(&conn).len(), kept);
            assert!(conn.is_autocommit());
        }
    }
}

#[test]
fn a_runner_gives_the_scripts_of_its_set() {
    let runner = MigrationRunner::new([
        Migration::reversible("1_a", "\u{feff}SELECT 1", "SELECT 2"),
        Migration::code("2_b", |_| Ok::<_, rusqlite::Error>(())),
    ])
    .unwrap();
    assert_eq!(runner.script("1_a", Direction::Up), Some("SELECT 1"));
    assert_eq!(runner.script("1_a", Direction::Down), Some("SELECT 2"));
    assert_eq!(runner.script("2_b", Direction::Up), None);
    assert_eq!(runner.script("3_c", Direction::Up), None);
}
