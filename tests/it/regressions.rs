//! Regressions: each test states the bug that it guards against.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows, schema};
use switchy_schema::{
    Dialect, ErrorKind, Event, ForeignKeys, Hooks, Migration, MigrationRunner, Policy, ProblemKind, Recovery,
    Signature, Target, TransactionMode,
};

use crate::execution::{WAYS_OUT, applied, memory, outside};

mod of_servers;

const NOTHING: [&str; 0] = [];

fn only(script: &'static str) -> MigrationRunner {
    MigrationRunner::new([Migration::sql("1_it", script)]).unwrap()
}

fn with(setup: &str) -> Connection {
    let conn = memory();
    conn.execute_batch(setup).unwrap();
    conn
}

/// A table name without a schema found the tracking table of an attached or the temporary database: the main database was treated as
/// migrated, and an attached table of an older form was dropped.
#[test]
fn the_tracking_table_of_an_attached_database_is_not_ours() {
    for other in ["aux", "temp"] {
        for theirs in [
            "(name TEXT NOT NULL, run_on TEXT NOT NULL)",
            "(id TEXT NOT NULL, run_on TEXT NOT NULL, finished_on TEXT, status TEXT NOT NULL, failure_reason TEXT)",
        ] {
            let conn = with("ATTACH ':memory:' AS aux");
            conn.execute_batch(&format!("CREATE TABLE {other}.__switchy_migrations {theirs}")).unwrap();
            assert_eq!(only("CREATE TABLE main.a (b)").run(&conn).unwrap().applied.len(), 1);
            assert_eq!(rows(&conn, "SELECT name FROM main.__switchy_migrations"), ["1_it"]);
            assert_eq!(rows(&conn, &format!("SELECT * FROM {other}.__switchy_migrations")), NOTHING);
            assert!(only("CREATE TABLE main.a (b)").run(&conn).unwrap().is_up_to_date());
        }
    }
}

/// Every error of the check was treated as "no orphans", including an interrupt (a cancel button), so orphans were committed.
#[test]
fn an_interrupt_during_the_check_of_foreign_keys_commits_nothing() {
    let mut conn = with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id));
        WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO p SELECT i FROM n;
        INSERT INTO c SELECT id FROM p",
    );
    let mut interrupted = 0;
    for after in 1..40 {
        let calls = Arc::new(AtomicUsize::new(0));
        let (counter, limit) = (Arc::clone(&calls), after);
        progress_handler(&mut conn, move || counter.fetch_add(1, Ordering::Relaxed) >= limit);
        let outcome = only("DELETE FROM p WHERE id > 10").run(&conn);
        progress_handler(&mut conn, || false);
        assert!(outcome.is_err());
        interrupted += usize::from(outcome.unwrap_err().to_string().contains("interrupted"));
        assert_eq!(rows(&conn, "SELECT count(*) FROM p"), ["5000"], "interrupted after {after} calls");
        assert_eq!(applied(&conn), NOTHING);
    }
    assert!(interrupted > 10, "only {interrupted} runs were interrupted");
}

/// `progress_handler` returns a result from rusqlite 0.41 on.
fn progress_handler(conn: &mut Connection, handler: impl FnMut() -> bool + Send + 'static) {
    let _ = conn.progress_handler(1_000, Some(handler));
}

/// `CREATE TABLE ... AS SELECT` does not copy the primary key. The foreign keys of the children could then not be checked, so orphans were
/// not found, and every later write to the children failed in the application.
#[test]
fn a_rebuild_that_forgets_the_key_of_the_parent_is_refused() {
    let setup = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id));
        INSERT INTO p VALUES (1), (2), (3); INSERT INTO c VALUES (1), (3)";
    let conn = with(setup);
    let rebuild = "CREATE TABLE p2 AS SELECT * FROM p WHERE id < 3; DROP TABLE p; ALTER TABLE p2 RENAME TO p";
    let declared = Migration::sql("1_it", rebuild).allow_destructive();
    let error = MigrationRunner::new([declared]).unwrap().run(&conn).unwrap_err();
    assert!(
        error.to_string().contains("the rows of `c` reference columns that are not there or not unique"),
        "{error}"
    );
    assert_eq!(rows(&conn, "SELECT id FROM p"), ["1", "2", "3"]);
}

/// Only the number of orphans was compared: a script that repaired one could leave another, and the orphans of a dropped table allowed new
/// ones anywhere; with names of mixed case, even if nothing was dropped.
#[test]
fn old_orphans_do_not_hide_new_ones() {
    let setup = "PRAGMA foreign_keys = OFF; CREATE TABLE Users (id INTEGER PRIMARY KEY);
        CREATE TABLE c (u REFERENCES users (id)); CREATE TABLE junk (u REFERENCES users (id));
        INSERT INTO Users VALUES (1), (2); INSERT INTO c VALUES (1), (2), (77); INSERT INTO junk VALUES (8), (9)";
    for script in [
        "DELETE FROM c WHERE u = 77; DELETE FROM Users WHERE id = 1",
        "DROP TABLE junk; DELETE FROM Users WHERE id = 1",
        "DELETE FROM Users WHERE id = 1",
        "ALTER TABLE junk RENAME TO old_junk; DELETE FROM Users WHERE id = 1",
    ] {
        let conn = with(setup);
        let error = only(script).run(&conn).unwrap_err();
        assert!(
            error.to_string().contains("1 row of `c` would reference missing rows of `users`"),
            "{script}: {error}"
        );
    }
}

/// SQLite treats a byte order mark as white space wherever a token can begin; files concatenated on Windows contain them. The checks saw
/// one word, `\u{feff}COMMIT`, and accepted it.
#[test]
fn a_byte_order_mark_inside_a_script_hides_nothing() {
    let conn = memory();
    let error = only("CREATE TABLE a (b);\r\n\u{feff}COMMIT;\r\nCREATE TABLE c (d)").run(&conn).unwrap_err();
    assert!(error.to_string().contains("script at 2:2 in `COMMIT;`"), "{error}");
    assert_eq!(schema(&conn), NOTHING);

    let conn = with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
    );
    let script =
        Migration::sql("1_it", "SELECT 1;\n\u{feff}DELETE FROM p").foreign_keys(ForeignKeys::Enforced);
    assert_eq!(MigrationRunner::new([script]).unwrap().run(&conn).unwrap_err().kind(), ErrorKind::Step);
    assert_eq!(rows(&conn, "SELECT * FROM c"), ["1"]);
}

/// SQL ends at a NUL: the rest was not run, but the migration was recorded.
#[test]
fn a_nul_in_a_script_from_code_is_refused() {
    let script = Migration::sql("1_it", "CREATE TABLE a (b);\n\0CREATE TABLE c (d)");
    let error = MigrationRunner::new([script]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert!(error.to_string().contains("script at 2:1: it holds a NUL byte"), "{error}");
}

/// A checkpoint in a transaction fails with "table is locked"; the remedy was to end statements that did not exist.
#[test]
fn a_checkpoint_belongs_outside_a_transaction() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE a (b)").unwrap();
    let error = only("INSERT INTO a VALUES (1); PRAGMA wal_checkpoint(TRUNCATE)").run(&conn).unwrap_err();
    assert!(error.to_string().ends_with("set run_in_transaction = false in its metadata"), "{error}");
}

/// The columns and the rows of the tracking table are read with two statements. If another program upgraded the table in between, a start
/// failed with "no such column".
#[test]
fn starts_survive_the_upgrade_of_the_table_by_another() {
    for _ in 0..20 {
        let database = TestDatabase::new();
        database
            .connect()
            .execute_batch(
                "CREATE TABLE __switchy_migrations (id TEXT NOT NULL, run_on TEXT NOT NULL);
                INSERT INTO __switchy_migrations VALUES ('1_it', '2024-01-01 00:00:00')",
            )
            .unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let conn = database.connect();
                    only("SELECT nothing").status(&conn).unwrap();
                    assert!(only("SELECT nothing").run(&conn).unwrap().is_up_to_date());
                });
            }
        });
        assert_eq!(
            database.rows("SELECT name, run_on FROM __switchy_migrations"),
            ["1_it|2024-01-01 00:00:00"]
        );
    }
}

/// Outside a transaction, the usual `PRAGMA foreign_keys = ON` at the end of one rebuild made the next rebuild delete child rows.
#[test]
fn a_pragma_of_a_step_outside_a_transaction_does_not_arm_a_cascade() {
    let conn = with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
    );
    let script = "PRAGMA foreign_keys = OFF; SELECT 1; PRAGMA foreign_keys = ON;
        CREATE TABLE p2 (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p2 (id) SELECT id FROM p;
        DROP TABLE p; ALTER TABLE p2 RENAME TO p";
    let runner = MigrationRunner::new([Migration::sql("1_it", script).outside_transaction()]).unwrap();
    runner.run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT * FROM c"), ["1"]);
}

/// Outside a transaction, releasing the savepoint of the check is a commit. If a reader blocked it, the statement was run a second time
/// inside the savepoint of the first run.
#[test]
fn a_busy_commit_under_the_tripwire_is_waited_for() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = DELETE; CREATE TABLE p (id INTEGER PRIMARY KEY);
        CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1)",
    )
    .unwrap();
    // The reader starts while the statement runs, and stays until after its end.
    let reader = Mutex::new(database.connect());
    conn.create_scalar_function("meanwhile", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        let reader = std::mem::replace(&mut *reader.lock().unwrap(), Connection::open_in_memory()?);
        reader.execute_batch("BEGIN; SELECT * FROM p")?;
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            reader.execute_batch("COMMIT").unwrap();
        });
        Ok(10)
    })
    .unwrap();
    let script = Migration::sql("1_it", "UPDATE p SET id = id + meanwhile() WHERE id = 2")
        .outside_transaction()
        .foreign_keys(ForeignKeys::Enforced);
    let runner = MigrationRunner::new([script]).unwrap();
    runner.run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT id FROM p"), ["1", "12"]);
    assert!(runner.is_applied(&conn, "1_it").unwrap());
}

/// The remedy for a step that was being undone was that for one being applied, and following it ran the up script on the half undone step.
#[test]
fn the_way_out_of_an_unfinished_undoing_fits_it() {
    let set = || {
        MigrationRunner::new([Migration::reversible(
            "1_it",
            "CREATE TABLE a (b); CREATE TABLE c (d)",
            "DROP TABLE a; DROP TABLE x; DROP TABLE c",
        )
        .outside_transaction()])
        .unwrap()
    };
    for (way_out, is_left) in WAYS_OUT.into_iter().zip([true, false]) {
        let conn = memory();
        set().run(&conn).unwrap();
        set().run_to(&conn, Target::Empty).unwrap_err();
        let error = set().run(&conn).unwrap_err();
        assert!(error.to_string().contains("once it is undone by hand"), "{error}");
        set().recover(&conn, way_out("1_it".into()), Signature::of("ada")).unwrap();
        assert!(!set().is_applied(&conn, "1_it").unwrap());
        assert_eq!(applied(&conn).len(), usize::from(is_left));
    }
}

/// `on_error` hooks were not called for dangling references, nor for a commit that failed.
#[test]
fn hooks_hear_of_what_fails_behind_the_script() {
    let conn = with("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id))");
    let heard = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&heard);
    let hooks = Hooks::new().on_error(move |step, error, _| {
        assert_eq!((step.id.as_str(), error.kind()), ("1_it", ErrorKind::Step));
        counter.fetch_add(1, Ordering::Relaxed);
    });
    only("INSERT INTO c VALUES (1)").hooks(hooks).run(&conn).unwrap_err();
    assert_eq!(heard.load(Ordering::Relaxed), 1);
}

/// A trigger that a script creates on the tracking table fires when the engine writes its record, after all checks of the script.
#[test]
fn a_trigger_on_the_tracking_table_is_noticed_at_once() {
    let conn = memory();
    let set = || {
        [
            Migration::sql("0_z", "CREATE TABLE z (a)"),
            Migration::sql(
                "1_it",
                "
        CREATE TRIGGER t AFTER INSERT ON __switchy_migrations
        BEGIN UPDATE __switchy_migrations SET checksum = NULL WHERE name = '0_z'; END",
            ),
        ]
    };
    for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
        let error = MigrationRunner::new(set()).unwrap().transaction(mode).run(&conn).unwrap_err();
        assert!(error.to_string().contains("it changes the tracking table"), "{error}");
    }
    let undoing = "
        CREATE TRIGGER t AFTER DELETE ON __switchy_migrations
        BEGIN UPDATE __switchy_migrations SET checksum = NULL WHERE name = '0_z'; END";
    let [first, _] = set();
    let runner = MigrationRunner::new([first, Migration::reversible("1_it", "SELECT 1", undoing)]).unwrap();
    runner.run(&conn).unwrap();
    let error = runner.rollback(&conn, 1).unwrap_err();
    assert!(error.to_string().contains("it changes the tracking table"), "{error}");
    assert_eq!(applied(&conn), ["0_z", "1_it"]);
    assert_eq!(rows(&conn, "SELECT name FROM sqlite_master WHERE type = 'trigger'"), NOTHING);
}

/// Whether a trigger wrote to the records is known only after the script, which does not name them and may drop the trigger.
#[test]
fn a_trigger_on_another_table_that_changes_a_record_is_noticed() {
    let other = "UPDATE __switchy_migrations SET checksum = NULL WHERE name = '0_z'";
    let dirty = "UPDATE __switchy_migrations SET dirty = 1 WHERE name = '0_z'";
    let same = "UPDATE __switchy_migrations SET name = name";
    let log = "INSERT INTO log VALUES ('a row')";
    let fired = "INSERT INTO z VALUES (1)";
    let dropped = "INSERT INTO z VALUES (1); DROP TRIGGER t";
    let unfired = "CREATE TABLE y (a)";
    for (database, does, script, is_refused) in [
        ("main", other, fired, true),
        ("main", other, dropped, true),
        ("main", dirty, fired, true),
        ("temp", other, fired, true),
        ("main", same, fired, false),
        ("main", log, fired, false),
        ("main", other, unfired, false),
    ] {
        for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
            let conn = memory();
            conn.execute_batch("CREATE TABLE log (what)").unwrap();
            let first = Migration::sql("0_z", "CREATE TABLE z (a)");
            MigrationRunner::new([first.clone(), Migration::sql("1_it", "SELECT 1")])
                .unwrap()
                .run(&conn)
                .unwrap();
            let trigger = format!("CREATE TRIGGER {database}.t AFTER INSERT ON z BEGIN {does}; END");
            conn.execute_batch(&trigger).unwrap();
            let before = rows(&conn, "SELECT * FROM __switchy_migrations ORDER BY rowid");
            let seen = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&seen);
            let runner = MigrationRunner::new([
                first,
                Migration::sql("1_it", "SELECT 1"),
                Migration::from_scripts("2_more", script, None),
                Migration::sql("3_last", "SELECT 2"),
            ]);
            let runner = runner.unwrap().transaction(mode).observe(move |event| {
                counter.fetch_add(usize::from(matches!(event, Event::Started { .. })), Ordering::Relaxed);
            });
            let outcome = runner.run(&conn);
            let what = format!("{trigger}: {script}");
            if is_refused {
                let error = outcome.unwrap_err();
                assert!(error.to_string().contains("it changes the tracking table"), "{what}: {error}");
                assert_eq!(
                    rows(&conn, "SELECT * FROM __switchy_migrations ORDER BY rowid"),
                    before,
                    "{what}"
                );
                assert_eq!(rows(&conn, "SELECT * FROM z"), NOTHING, "{what}");
            } else {
                assert_eq!(
                    outcome.unwrap_or_else(|error| panic!("{what}: {error}")).applied.len(),
                    2,
                    "{what}"
                );
                // A step that is repeated is reported once.
                assert_eq!(seen.load(Ordering::Relaxed), 2, "{what}");
            }
        }
    }
}

/// An interrupt inside code was reported as work that the code had committed by itself.
#[test]
fn an_interrupt_inside_code_is_no_commit() {
    let mut conn = memory();
    progress_handler(&mut conn, || true);
    let endless = |conn: &Connection| {
        conn.execute_batch("CREATE TABLE a AS WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
    };
    let error = MigrationRunner::new([Migration::code("1_it", endless)]).unwrap().run(&conn).unwrap_err();
    assert!(error.to_string().contains("interrupted; nothing of it was kept"), "{error}");
}

/// If the metadata named SQLite, the script for PostgreSQL ran on SQLite.
#[test]
fn metadata_brings_no_script_of_another_database() {
    let set = TestMigrationBuilder::new()
        .file("1_it/up.postgres.sql", "CREATE TABLE a (b)")
        .metadata("1_it", "databases = ['sqlite', 'postgres']");
    let conn = memory();
    assert!(set.runner().run(&conn).unwrap().is_up_to_date());
    let plan = set.runner().plan(&conn, Target::Latest).unwrap();
    assert_eq!(plan.problems()[0].kind, ProblemKind::OtherDatabase);
    assert_eq!(set.runner().list()[0].databases, [Dialect::Postgres]);
}

/// Dangling that a rebuild gave other row ids or another type, or copied to another table, were treated as new, and the start was refused.
#[test]
fn old_orphans_stay_known_through_a_rebuild() {
    let setup = "PRAGMA foreign_keys = OFF; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (u INT REFERENCES p (id), n);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 'a'), (8, 'b'), (9, 'c'); DELETE FROM c WHERE n = 'a'";
    for script in [
        "CREATE TABLE c2 (u INT REFERENCES p (id), n); INSERT INTO c2 SELECT * FROM c ORDER BY n DESC;
            DROP TABLE c; ALTER TABLE c2 RENAME TO c",
        "CREATE TABLE c2 (u TEXT REFERENCES p (id), n); INSERT INTO c2 SELECT * FROM c;
            DROP TABLE c; ALTER TABLE c2 RENAME TO c",
        "CREATE TABLE c2 (u INT REFERENCES p (id), n PRIMARY KEY) WITHOUT ROWID; INSERT INTO c2 SELECT * FROM c;
            DROP TABLE c; ALTER TABLE c2 RENAME TO c",
        "ALTER TABLE c RENAME TO c_old; CREATE TABLE c (u INT REFERENCES p (id), n); INSERT INTO c SELECT * FROM c_old",
        "CREATE TABLE copy (u INT REFERENCES p (id)); INSERT INTO copy SELECT u FROM c",
    ] {
        let conn = with(setup);
        only(script).run(&conn).unwrap();
        let more = Migration::from_scripts("1_it", format!("{script}; INSERT INTO c VALUES (77, 'new')"), None);
        let error = MigrationRunner::new([more]).unwrap().run(&with(setup)).unwrap_err();
        assert!(error.to_string().contains("1 row of `c` would reference missing rows of"), "{script}: {error}");
    }
}

/// A hook, or a pragma in an unusual spelling, enabled enforcement in a step outside a transaction, and the rebuild deleted the child rows.
#[test]
fn nothing_arms_a_cascade_in_a_step_outside_a_transaction() {
    let rebuild = "CREATE TABLE p2 (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p2 (id) SELECT id FROM p;
        DROP TABLE p; ALTER TABLE p2 RENAME TO p";
    for (by_hook, pragma) in
        [(true, ""), (false, "PRAGMA foreign_keys = +1;"), (false, "PRAGMA main.foreign_keys(yes);")]
    {
        let conn = with(
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
            INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
        );
        let script =
            Migration::from_scripts("1_it", format!("{pragma} {rebuild}"), None).outside_transaction();
        let hooks = Hooks::new().before(move |_, conn| {
            if by_hook {
                conn.execute_batch("PRAGMA foreign_keys = ON")?;
            }
            Ok(())
        });
        MigrationRunner::new([script]).unwrap().hooks(hooks).run(&conn).unwrap();
        assert_eq!(rows(&conn, "SELECT * FROM c"), ["1"], "{pragma}");
    }
}

/// An error hook that committed kept half of a step, although the error said "nothing was kept", and no later start could succeed.
#[test]
fn an_error_hook_that_commits_is_told_of() {
    let conn = memory();
    let hooks = Hooks::new().on_error(|_, _, conn| conn.execute_batch("COMMIT").unwrap());
    let error = only("CREATE TABLE a (b); SELECT nothing").hooks(hooks).run(&conn).unwrap_err();
    assert!(error.to_string().contains("what it committed by itself stays"), "{error}");
}

/// `main` prints an error with `Debug`, which was the whole structure.
#[test]
fn what_main_prints_is_the_sentence_and_the_line() {
    let error = only("SELECT nothing").run(&memory()).unwrap_err();
    assert_eq!(format!("{error:?}"), format!("{error:#}"));
}

/// For each statement SQLite copied the rest of the script, so the work was quadratic. The test checks that errors at the very end still
/// have the right position, because the script is now terminated differently.
#[test]
fn the_end_of_a_long_script_is_placed_right() {
    let script = format!("CREATE TABLE a (b);\n{}SELECT 1 +", "INSERT INTO a VALUES (1);\n".repeat(2_000));
    let runner = MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap();
    let error = runner.run(&memory()).unwrap_err();
    assert!(error.to_string().contains("in its script at 2002:"), "{error}");
    assert!(error.to_string().contains("incomplete input"), "{error}");
}

/// A collation of the application that is not registered on this connection made every step fail.
#[test]
fn a_key_whose_collation_is_not_there_does_not_stop_others() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.create_collation("mine", |a: &str, b: &str| a.cmp(b)).unwrap();
    conn.execute_batch(
        "CREATE TABLE p (id TEXT COLLATE mine PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id));
        INSERT INTO p VALUES ('a'); INSERT INTO c VALUES ('a')",
    )
    .unwrap();
    only("CREATE TABLE other (a)").run(&database.connect()).unwrap();
}

/// An existing orphan of one foreign key hid a new one of another key with the same value; a column named `rowid` hid all orphans.
#[test]
fn orphans_are_told_apart_by_parent_and_row() {
    for (setup, script, said) in [
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE q (id INTEGER PRIMARY KEY);
            CREATE TABLE c (p REFERENCES p (id), q REFERENCES q (id)); INSERT INTO p VALUES (7);
            INSERT INTO c VALUES (7, 7)",
            "DELETE FROM p",
            "1 row of `c` would reference missing rows of `p`",
        ),
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (rowid TEXT, p REFERENCES p (id));
            INSERT INTO p VALUES (1); INSERT INTO c VALUES ('x', 1), ('y', 8)",
            "DELETE FROM p; DELETE FROM c WHERE p = 8",
            "1 row of `c` would reference missing rows of `p`",
        ),
    ] {
        let conn = with(&format!("PRAGMA foreign_keys = OFF; {setup}"));
        let error = MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn).unwrap_err();
        assert!(error.to_string().contains(said), "{script}: {error}");
    }
}

/// The same bug: a hook enabled enforcement, in a step that is code.
#[test]
fn a_hook_does_not_arm_a_cascade_in_code_outside_a_transaction() {
    let conn = with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)",
    );
    let rebuild = |conn: &Connection| {
        conn.execute_batch(
            "CREATE TABLE p2 (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p2 (id) SELECT id FROM p;
            DROP TABLE p; ALTER TABLE p2 RENAME TO p",
        )
    };
    let hooks = Hooks::new().before(|_, conn| Ok(conn.execute_batch("PRAGMA foreign_keys = ON")?));
    let step = Migration::code("1_it", rebuild).outside_transaction();
    MigrationRunner::new([step]).unwrap().hooks(hooks).run(&conn).unwrap();
    assert_eq!(rows(&conn, "SELECT * FROM c"), ["1"]);
}

fn ada() -> Signature {
    Signature::of("ada")
}

/// `run` accepts an "if present" dependency that is excluded in this environment; a baseline did not.
#[test]
fn what_runs_here_can_be_assumed_here() {
    let set = || {
        MigrationRunner::new([
            Migration::sql("1_pg", "SELECT 1").only_on([Dialect::Postgres]),
            Migration::sql("2_it", "CREATE TABLE it (x)").depends_on_if_present("1_pg"),
        ])
        .unwrap()
    };
    assert_eq!(set().run(&memory()).unwrap().applied.len(), 1);
    for recovery in [
        Recovery::Baseline("2_it".into()),
        Recovery::AssumeApplied("2_it".into()),
        Recovery::AssumeAllApplied,
    ] {
        let conn = memory();
        conn.execute_batch("CREATE TABLE it (x)").unwrap();
        let outcome = set().recover(&conn, recovery, ada());
        assert_eq!(outcome.unwrap().len(), 1);
    }
}

/// The check for tables (`is_blank`) failed at once on a busy database, where everything else waits.
#[test]
fn a_recovery_waits_for_a_writer_wherever_it_meets_one() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.busy_timeout(Duration::ZERO).unwrap();
    let runner = MigrationRunner::new([Migration::sql("1_a", "SELECT 1")]).unwrap();
    runner.run(&conn).unwrap();
    let stop = AtomicBool::new(false);
    let failed: Vec<String> = thread::scope(|scope| {
        scope.spawn(|| {
            let other = database.connect();
            while !stop.load(Ordering::Relaxed) {
                other.execute_batch("BEGIN EXCLUSIVE").unwrap();
                thread::sleep(Duration::from_micros(300));
                other.execute_batch("COMMIT").unwrap();
                thread::sleep(Duration::from_micros(300));
            }
        });
        // Each attempt is refused, so it only reads.
        let attempts =
            (0..3000).map(|_| runner.recover(&conn, Recovery::Retry("1_a".into()), ada()).unwrap_err());
        let failed = attempts
            .filter(|error| error.kind() == ErrorKind::Database)
            .map(|error| error.to_string())
            .collect();
        stop.store(true, Ordering::Relaxed);
        failed
    });
    assert_eq!(failed, Vec::<String>::new());
}

/// With a trigger on the tracking table, a recovery changed records that were not named, and `recover` returned success.
#[test]
fn a_recovery_changes_no_other_record() {
    let conn = memory();
    let runner =
        MigrationRunner::new(["1_a", "2_b", "3_c"].map(|id| Migration::sql(id, "SELECT 1"))).unwrap();
    runner.run(&conn).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER t AFTER DELETE ON __switchy_migrations BEGIN DELETE FROM __switchy_migrations WHERE name = '1_a'; END",
    )
    .unwrap();
    let outcome = runner.recover(&conn, Recovery::Forget("2_b".into()), ada());
    assert!(
        outcome.is_err() || rows(&conn, "SELECT name FROM __switchy_migrations") == ["1_a", "3_c"],
        "{outcome:?}"
    );
}

/// An entry of the log that was not written was no error, and `recover` returned the entry before it, of another migration.
#[test]
fn a_recovery_whose_line_is_not_written_is_not_done() {
    let conn = memory();
    let runner =
        MigrationRunner::new(["1_a", "2_b"].map(|id| Migration::reversible(id, "SELECT 1", "SELECT 1")))
            .unwrap();
    runner.run(&conn).unwrap();
    runner.rollback(&conn, 1).unwrap();
    conn.execute_batch(
        "CREATE TRIGGER t BEFORE INSERT ON __switchy_migrations_log BEGIN SELECT RAISE(IGNORE); END",
    )
    .unwrap();
    let outcome = runner.recover(&conn, Recovery::Forget("1_a".into()), ada());
    assert!(outcome.is_err(), "{outcome:?}");
}

/// For a step that began to be undone, the message had the date at which it was applied.
#[test]
fn nobody_is_told_that_a_step_began_to_be_undone_when_it_was_applied() {
    let conn = memory();
    let it =
        Migration::reversible("1_it", "CREATE TABLE a (x)", "DROP TABLE a; SELEKT").outside_transaction();
    let runner = MigrationRunner::new([it]).unwrap();
    runner.run(&conn).unwrap();
    conn.execute_batch("UPDATE __switchy_migrations SET run_on = '2001-01-01T00:00:00.000'").unwrap();
    runner.rollback(&conn, 1).unwrap_err();
    let error = runner.run(&conn).unwrap_err().to_string();
    assert!(!error.contains("began to be undone at 2001"), "{error}");
}

/// The message "it is applied already" was used for a migration that did not finish.
#[test]
fn what_did_not_finish_is_not_called_applied() {
    let conn = memory();
    let runner = outside("CREATE TABLE a (x); SELEKT");
    runner.run(&conn).unwrap_err();
    let error = runner.recover(&conn, Recovery::AssumeApplied("1_it".into()), ada()).unwrap_err().to_string();
    assert!(!error.contains("it is applied already"), "{error}");
}

/// The message "there is no migration" was used for one that the database has; the kind is documented as "neither the set nor the
/// database".
#[test]
fn what_the_database_knows_is_not_said_not_to_be_there() {
    let conn = memory();
    MigrationRunner::new(["1_a", "2_b"].map(|id| Migration::sql(id, "SELECT 1")))
        .unwrap()
        .run(&conn)
        .unwrap();
    let older = MigrationRunner::new([Migration::sql("1_a", "SELECT 1")]).unwrap();
    for recovery in [
        Recovery::Accept("2_b".into()),
        Recovery::AssumeApplied("2_b".into()),
        Recovery::Baseline("2_b".into()),
    ] {
        let error = older.recover(&conn, recovery, ada()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Recovery, "{error}");
    }
}

/// A record without a checksum, in an older table, left an entry of the log with a checksum.
#[test]
fn a_line_says_what_the_record_had() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE __switchy_migrations (name TEXT NOT NULL, run_on TEXT NOT NULL);
        INSERT INTO __switchy_migrations VALUES ('1_a', '2024')",
    )
    .unwrap();
    let runner = MigrationRunner::new([Migration::sql("1_a", "SELECT 1")]).unwrap();
    assert_eq!(runner.history(&conn).unwrap().records()[0].checksum, None);
    assert_eq!(runner.recover(&conn, Recovery::Forget("1_a".into()), ada()).unwrap()[0].checksum, None);
}

/// The name of a table could be the name of its own log: 59 bytes and `_log`.
#[test]
fn a_table_is_not_its_own_log() {
    let conn = memory();
    let name = format!("{}_log", "x".repeat(59));
    let it = Migration::reversible("1_a", "SELECT 1", "SELECT 1");
    let Ok(runner) = MigrationRunner::new([it]).unwrap().table_name(&name) else { return };
    runner.run(&conn).unwrap();
    assert_eq!(runner.rollback(&conn, 1).unwrap().applied.len(), 1);
}

/// A confirmed plan of an older program was replaced by a larger one: rows were deleted without a confirmation.
#[test]
fn a_plan_is_carried_out_as_it_was_confirmed_or_not_at_all() {
    let table = |id: &'static str, up: &'static str, down: &'static str| Migration::reversible(id, up, down);
    let all = || {
        [
            table("1_a", "CREATE TABLE a (x)", "DROP TABLE a"),
            table("2_b", "CREATE TABLE b (x); INSERT INTO b VALUES ('letter')", "DROP TABLE b"),
            table("3_c", "CREATE TABLE c (x)", "DROP TABLE c"),
        ]
    };
    let conn = memory();
    MigrationRunner::new(all()).unwrap().run(&conn).unwrap();
    let runner =
        |count: usize| MigrationRunner::new(all().into_iter().take(count).collect::<Vec<_>>()).unwrap();
    let small = runner(2).plan(&conn, Target::Known).unwrap();
    let error = runner(1).environment("production").confirm(|_| true).apply(&conn, small).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
    assert_eq!(rows(&conn, "SELECT * FROM b"), ["letter"]);

    // The deletions are part of what was confirmed.
    let drops = || only("DROP TABLE IF EXISTS late").environment("production").confirm(|_| true);
    let conn = memory();
    conn.execute_batch("CREATE TABLE x (y)").unwrap();
    let plan = drops().plan(&conn, Target::Latest).unwrap();
    conn.execute_batch("CREATE TABLE late (x)").unwrap();
    let error = drops().apply(&conn, plan).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale, "{error}");

    // The runner that carries out the plan judges it by its own policy.
    let lenient = only("DROP TABLE late").plan(&conn, Target::Latest).unwrap();
    let error = only("DROP TABLE late").policy(Policy::STRICT).apply(&conn, lenient).unwrap_err();
    assert!(error.problems().iter().any(|problem| problem.kind == ProblemKind::Destructive), "{error}");
}

/// A table of the application with the name of the log was detected only after a script outside a transaction had run, which left a dirty
/// record that nothing could clear.
#[test]
fn a_log_that_cannot_be_written_is_noticed_before_anything_is_undone() {
    let conn = with("CREATE TABLE __switchy_migrations_log (mine)");
    let down = "DELETE FROM a; DROP TABLE a";
    let set = || {
        let it = Migration::reversible("1_it", "CREATE TABLE a (b)", down).outside_transaction();
        MigrationRunner::new([it]).unwrap()
    };
    set().run(&conn).unwrap();
    let plan = set().plan(&conn, Target::Empty).unwrap();
    let errors = [
        set().rollback(&conn, 1).unwrap_err(),
        set().apply(&conn, plan).unwrap_err(),
        set().recover(&conn, Recovery::Forget("1_it".into()), ada()).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("rename that table"), "{error}");
        assert_eq!(rows(&conn, "SELECT name, dirty FROM __switchy_migrations"), ["1_it|0"]);
        assert_eq!(schema(&conn), ["CREATE TABLE a (b)"]);
    }
}

/// `production` was protected, but `Production` was not; and a table of an attached database was dropped without a confirmation.
#[test]
fn protection_has_no_gaps() {
    for environment in ["production", "Production", "PRODUCTION"] {
        let conn = with("CREATE TABLE a (b)");
        conn.execute_batch("ATTACH ':memory:' AS vault; CREATE TABLE vault.secret (x)").unwrap();
        for script in ["DROP TABLE a", "DROP TABLE IF EXISTS vault.secret", "DROP TABLE IF EXISTS secret"] {
            let error = only(script).environment(environment).run(&conn).unwrap_err();
            assert_eq!(error.problems()[0].kind, ProblemKind::Unconfirmed, "{script}: {error}");
        }
        let harmless = only("DROP TABLE IF EXISTS nowhere; CREATE TABLE c (d)");
        harmless.environment(environment).run(&conn).unwrap();
    }
}

/// A control character in a stored script reached the terminal.
#[test]
fn a_message_is_printable() {
    let text = "SELECT '\u{1b}[2J' FROM nowhere";
    let error = only(text).run(&memory()).unwrap_err().to_string();
    assert!(!error.contains('\u{1b}') && error.contains("\\u{1b}[2J"), "{error}");
}

/// A deletion of "0 rows" needed no confirmation, and this also applied to rows that were inserted afterwards.
#[test]
fn rows_that_come_after_the_plan_are_asked_about() {
    let careful = || only("DELETE FROM a").environment("production").confirm(|_| false);
    let conn = with("CREATE TABLE a (b)");
    let plan = careful().plan(&conn, Target::Latest).unwrap();
    conn.execute_batch("INSERT INTO a VALUES (1), (2)").unwrap();
    careful().apply(&conn, plan).unwrap_err();
    careful().run(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT b FROM a"), ["1", "2"]);

    let moved = "INSERT INTO archive SELECT * FROM a; DELETE FROM a";
    let conn = with("CREATE TABLE a (b); INSERT INTO a VALUES (1); CREATE TABLE archive (b)");
    let set = [
        Migration::reversible("2026-11-22-190907_move", moved, "").allow_destructive(),
        Migration::reversible("2026-11-22-190908_clear", "DELETE FROM archive", ""),
    ];
    let error = MigrationRunner::new(set).unwrap().policy(Policy::STRICT).run(&conn).unwrap_err();
    assert_eq!(error.problems()[0].migration, "2026-11-22-190908_clear");
}

/// A table that could not be copied was treated as one that the script creates, because `IF NOT EXISTS` created it on the copy.
#[test]
fn a_table_that_cannot_be_copied_is_not_taken_for_a_new_one() {
    let conn = memory();
    conn.create_collation("app", |a: &str, b: &str| a.cmp(b)).unwrap();
    conn.execute_batch("CREATE TABLE people (name TEXT COLLATE app); INSERT INTO people VALUES ('Ada')")
        .unwrap();
    let script = "CREATE TABLE IF NOT EXISTS people (name TEXT); DELETE FROM people";
    let error = only(script).environment("production").run(&conn).unwrap_err();
    assert!(error.to_string().contains("deletes rows of `people`, which has 1 row"), "{error}");
    assert_eq!(rows(&conn, "SELECT name FROM people"), ["Ada"]);
}

/// The effects of a plan for a new database were determined when it was made but not when it was applied, so the two plans always differed.
#[test]
fn an_honest_plan_for_a_new_database_is_applied() {
    let it = || only("CREATE TABLE a AS SELECT slug(1) AS b").environment("production").confirm(|_| true);
    let conn = memory();
    let plan = it().plan(&conn, Target::Latest).unwrap();
    assert_eq!(it().apply(&conn, plan).unwrap_err().kind(), ErrorKind::Step, "it fails for itself");
}

/// A script after a code migration cannot be tried before the code has run: the author was asked to declare a loss that does not exist.
#[test]
fn what_follows_code_is_no_loss() {
    let set = || {
        MigrationRunner::new([
            Migration::code("2026-11-22-190907_a", |conn| conn.execute_batch("CREATE TABLE made (x)"))
                .undo(|conn| conn.execute_batch("DROP TABLE made")),
            Migration::reversible("2026-11-22-190908_b", "INSERT INTO made VALUES (1)", "DELETE FROM made"),
        ])
        .unwrap()
    };
    let conn = with("CREATE TABLE other (x)");
    assert_eq!(
        set().validate(&conn).unwrap().iter().filter(|found| found.kind == ProblemKind::Fails).count(),
        0
    );
    assert_eq!(set().policy(Policy::STRICT).run(&conn).unwrap().applied.len(), 2);
}

/// SQLite calls the authorizer for the schema table before it checks whether a virtual table already exists.
#[test]
fn a_virtual_table_that_is_there_already_is_no_loss() {
    let conn = with("CREATE VIRTUAL TABLE f USING fts5(t)");
    let script = "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(t)";
    assert_eq!(only(script).environment("production").run(&conn).unwrap().applied.len(), 1);
}

/// Dropping a parent with enforced foreign keys deletes its children, which the plan did not mention.
#[test]
fn children_that_go_with_a_dropped_parent_are_told() {
    let conn = with(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1), (1)",
    );
    let it = Migration::sql("1_it", "DROP TABLE p").foreign_keys(ForeignKeys::Enforced).allow_cascade();
    let plan = MigrationRunner::new([it]).unwrap().plan(&conn, Target::Latest).unwrap().to_string();
    assert!(plan.contains("drops the table `p` with 1 row"), "{plan}");
    assert!(plan.contains("deletes rows of `c`, which has 2 rows"), "{plan}");
}

/// A stored script that fails only if there are rows stopped after it created a trap and before the statement that removes it.
#[test]
fn a_stored_script_leaves_nothing_wherever_it_ends() {
    let fails_with_rows = "SELECT abs(-9223372036854775807 - 1) FROM a";
    for (trap, undo) in [
        (
            "CREATE TRIGGER evil AFTER INSERT ON a BEGIN DELETE FROM __switchy_migrations; END",
            "DROP TRIGGER evil",
        ),
        ("CREATE TEMP TABLE a (x)", "DROP TABLE temp.a"),
        ("CREATE TEMP TABLE IF NOT EXISTS scratch (x)", "DROP TABLE temp.scratch"),
    ] {
        let conn = with("CREATE TABLE a (x); INSERT INTO a VALUES (1); CREATE TEMP TABLE scratch (x)");
        let down = format!("{trap}; {fails_with_rows}; {undo}");
        let it = Migration::from_scripts("1_it", "SELECT 1", Some(down)).outside_transaction();
        MigrationRunner::new([it]).unwrap().run(&conn).unwrap();
        let older = MigrationRunner::new(Vec::<Migration>::new()).unwrap();
        let error = older.downgrade(&conn).unwrap_err();
        assert_eq!(error.problems()[0].kind, ProblemKind::Untrusted, "{trap}: {error}");
        conn.execute_batch("INSERT INTO a VALUES (2)").unwrap();
        assert_eq!(applied(&conn), ["1_it"], "{trap}");
        assert_eq!(rows(&conn, "SELECT name FROM sqlite_temp_master"), ["scratch"], "{trap}");
    }
    // Settings are restored, even if the transaction that changed them is rolled back.
    let conn = with("CREATE TABLE a (x); INSERT INTO a VALUES (1)");
    let down = format!("PRAGMA legacy_alter_table = ON; {fails_with_rows}");
    MigrationRunner::new([Migration::from_scripts("1_it", "SELECT 1", Some(down))])
        .unwrap()
        .run(&conn)
        .unwrap();
    MigrationRunner::new(Vec::<Migration>::new()).unwrap().downgrade(&conn).unwrap_err();
    assert_eq!(rows(&conn, "PRAGMA legacy_alter_table"), ["0"]);
}

/// After some steps were committed, an error in a later step said "nothing was done", or had no report.
#[test]
fn an_error_behind_committed_steps_says_what_is_done() {
    for (row, told) in [("9_x", "this program does not know it"), ("2_b", "the plan was rejected")] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch("CREATE TABLE old (x); INSERT INTO old VALUES (1)").unwrap();
        let (path, asked) = (database.path(), AtomicUsize::new(0));
        let set = [
            Migration::sql("1_a", "CREATE TABLE a (x)").outside_transaction(),
            Migration::sql("2_b", "CREATE TABLE b (x)"),
            Migration::sql("3_c", "DROP TABLE old"),
        ];
        // A program without the lock writes a record between two steps.
        let insert = format!("INSERT INTO __switchy_migrations (name) VALUES ('{row}')");
        let runner = MigrationRunner::new(set)
            .unwrap()
            .environment("production")
            .observe(move |event| match event {
                Event::Finished { step, .. } if step.id == "1_a" => {
                    Connection::open(&path).unwrap().execute_batch(&insert).unwrap();
                }
                _ => {}
            })
            .confirm(move |_| asked.fetch_add(1, Ordering::Relaxed) == 0);
        let error = runner.run(&conn).unwrap_err();
        assert!(error.to_string().starts_with("1 step was done and kept: "), "{error}");
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.report().applied.len(), 1);
        assert_eq!(rows(&conn, "SELECT x FROM old"), ["1"]);
    }
}

/// A script that edited the schema by hand and was rolled back left the edited schema in the memory of the connection: the tables were
/// missing there, although the file had them, and the next run found no history and began from the first migration.
#[test]
fn a_schema_that_was_edited_and_rolled_back_is_forgotten() {
    for end in ["", "; PRAGMA writable_schema = RESET; SELECT 1 FROM missing"] {
        let conn = memory();
        let first = || Migration::sql("1_a", "CREATE TABLE a (b); INSERT INTO a VALUES (1)");
        MigrationRunner::new([first()]).unwrap().run(&conn).unwrap();
        let edit = format!("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema{end}");
        let runner = MigrationRunner::new([first(), Migration::from_scripts("2_b", edit, None)]).unwrap();
        for _ in 0..2 {
            assert_eq!(runner.run(&conn).unwrap_err().migration().unwrap(), &"2_b", "{end}");
            assert_eq!(rows(&conn, "SELECT b FROM a"), ["1"], "{end}");
            assert_eq!(applied(&conn), ["1_a"], "{end}");
        }
    }
}
