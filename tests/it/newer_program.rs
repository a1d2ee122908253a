//! The program and its version in the records, and which version a program needs that is older than the database.

use std::sync::{Arc, Barrier};

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{Migration, MigrationRunner, Recovery, Signature, Target, TransactionMode};

use crate::execution::{applied, memory};
use crate::start::statements;

/// The table as it is without the column.
pub(crate) const LACKING: &str = "CREATE TABLE \"__switchy_migrations\" (
        name TEXT NOT NULL UNIQUE,
        run_on TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%f', 'now')),
        checksum TEXT, dirty INTEGER NOT NULL DEFAULT 0, duration_ms INTEGER, basis TEXT, statement INTEGER,
        statements INTEGER, mark TEXT, failure TEXT, up_sql TEXT, down_sql TEXT, down_options TEXT, down_checksum TEXT
    );
    CREATE INDEX \"__switchy_migrations_dirty\" ON \"__switchy_migrations\" (dirty) WHERE dirty <> 0;";

const COLUMNS: &str = "name, run_on, checksum, dirty, duration_ms, basis, statement, statements, mark, failure, \
    up_sql, down_sql, down_options, down_checksum";

fn migration(number: usize) -> Migration {
    let (up, down) = (format!("CREATE TABLE t{number} (x)"), format!("DROP TABLE t{number}"));
    Migration::from_scripts(format!("{number}_it"), up, Some(down))
}

fn notes(version: &str, count: usize) -> MigrationRunner {
    MigrationRunner::new((1..=count).map(migration).collect::<Vec<_>>())
        .unwrap()
        .program(format!("notes {version}"))
}

fn programs(conn: &Connection) -> Vec<String> {
    rows(conn, "SELECT name, program FROM __switchy_migrations ORDER BY rowid")
}

fn has_column(conn: &Connection) -> bool {
    rows(conn, "SELECT name FROM pragma_table_info('__switchy_migrations')").contains(&"program".to_owned())
}

/// A database that a program without the column migrated.
fn lacking(count: usize) -> TestDatabase {
    let database = TestDatabase::new();
    let conn = database.connect();
    notes("0.9", count).run(&conn).unwrap();
    let take = format!(
        "ALTER TABLE __switchy_migrations RENAME TO old; DROP INDEX __switchy_migrations_dirty; {LACKING}
        INSERT INTO __switchy_migrations ({COLUMNS}) SELECT {COLUMNS} FROM old; DROP TABLE old;"
    );
    conn.execute_batch(&take).unwrap();
    database
}

#[test]
fn each_migration_has_the_program_that_applied_it() {
    let conn = memory();
    notes("1.0", 1).run(&conn).unwrap();
    notes("1.1", 3).run(&conn).unwrap();
    MigrationRunner::new((1..=4).map(migration).collect::<Vec<_>>()).unwrap().run(&conn).unwrap();
    assert_eq!(programs(&conn), ["1_it|notes 1.0", "2_it|notes 1.1", "3_it|notes 1.1", "4_it|NULL"]);
    notes("1.2", 4).redo(&conn).unwrap();
    let history = notes("1.2", 4).history(&conn).unwrap();
    let found: Vec<_> = history.records().iter().map(|record| record.program.as_deref().unwrap()).collect();
    assert_eq!(found, ["notes 1.0", "notes 1.1", "notes 1.1", "notes 1.2"]);
}

#[test]
fn what_is_recorded_by_hand_has_the_program_that_recorded_it() {
    let conn = memory();
    conn.execute_batch("CREATE TABLE t1 (x); CREATE TABLE t2 (x); CREATE TABLE t3 (x)").unwrap();
    notes("1.0", 3).recover(&conn, Recovery::Baseline("2_it".into()), Signature::of("ada")).unwrap();
    notes("1.1", 3).recover(&conn, Recovery::AssumeAllApplied, Signature::of("ada")).unwrap();
    assert_eq!(programs(&conn), ["1_it|notes 1.0", "2_it|notes 1.0", "3_it|notes 1.1"]);
    // Who accepts a changed script has not applied it.
    let changed = Migration::sql("3_it", "CREATE TABLE t3 (x, y)");
    let changed = MigrationRunner::new([migration(1), migration(2), changed]).unwrap().program("notes 1.2");
    changed.recover(&conn, Recovery::Accept("3_it".into()), Signature::of("ada")).unwrap();
    assert_eq!(programs(&conn)[2], "3_it|notes 1.1");
    assert!(changed.run(&conn).unwrap().is_up_to_date());
}

#[test]
fn an_unfinished_migration_has_the_program_that_finishes_it() {
    let it = |version: &str, second: &'static str| {
        let up = format!("CREATE TABLE t1 (x); {second}");
        let set = [Migration::from_scripts("1_it", up, None).outside_transaction()];
        MigrationRunner::new(set).unwrap().program(format!("notes {version}"))
    };
    let conn = memory();
    it("1.0", "SELEKT 1").run(&conn).unwrap_err();
    assert_eq!(programs(&conn), ["1_it|notes 1.0"]);
    it("1.1", "SELEKT 1").recover(&conn, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
    assert_eq!(programs(&conn), ["1_it|notes 1.0"]);
    it("1.2", "CREATE TABLE t2 (x)").run(&conn).unwrap();
    assert_eq!(programs(&conn), ["1_it|notes 1.2"]);
}

#[test]
fn a_program_that_is_too_old_says_which_one_is_needed() {
    let conn = memory();
    notes("1.0", 1).run(&conn).unwrap();
    notes("1.9", 2).run(&conn).unwrap();
    notes("1.10", 4).run(&conn).unwrap();
    let told = |runner: &MigrationRunner| {
        let error = runner.run(&conn).unwrap_err();
        assert!(error.is_database_ahead());
        (error.newer_program().map(str::to_owned), error.to_string())
    };
    let (newer, text) = told(&notes("1.9", 2));
    assert_eq!(newer.as_deref(), Some("notes 1.10"));
    assert!(text.starts_with("nothing was done: `4_it` was applied to this database at 2"), "{text}");
    let rest = " UTC by notes 1.10 and this program does not know it, nor `3_it` before it; open the database with \
        notes 1.10 or a newer version, or undo it with `downgrade`";
    assert!(text.ends_with(rest), "{text}");

    let (_, text) = told(&notes("1.0", 1));
    assert!(
        text.contains("nor 2 migrations before it; open the database with notes 1.10 or a newer"),
        "{text}"
    );
    let (newer, text) = told(&notes("1.9.9", 3));
    assert_eq!(newer.as_deref(), Some("notes 1.10"));
    let one = " by notes 1.10 and this program does not know it; open the database with notes 1.10 or a newer version, \
        or undo it with `downgrade`";
    assert!(text.ends_with(one), "{text}");

    // A migration that this version or an older one applied was removed from the set, and no other version helps.
    let (newer, text) = told(&notes("1.10", 3));
    assert_eq!(newer, None);
    assert!(
        text.contains("; use the newer version of the program that applied it, put its file back"),
        "{text}"
    );
    // Whether another program is newer is not known.
    let other = MigrationRunner::new([migration(1)]).unwrap().program("import 3.0");
    let (newer, text) = told(&other);
    assert_eq!(newer.as_deref(), Some("notes 1.10"));
    assert!(text.contains("; use a version of the program that knows it, put its file back"), "{text}");
    let unnamed = MigrationRunner::new([migration(1)]).unwrap();
    assert_eq!(told(&unnamed).0.as_deref(), Some("notes 1.10"));

    // Without the column, the sentence is as before.
    conn.execute_batch("UPDATE __switchy_migrations SET program = NULL").unwrap();
    let (newer, text) = told(&notes("1.9", 3));
    assert_eq!(newer, None);
    assert!(
        text.contains(" UTC and this program does not know it; use the newer version of the program"),
        "{text}"
    );
}

#[test]
fn a_table_without_the_column_is_read_as_it_is() {
    let database = lacking(2);
    let conn = database.connect();
    let before = rows(&conn, "SELECT sql FROM sqlite_master");
    let it = notes("1.0", 3);
    assert_eq!(it.pending(&conn).unwrap(), ["3_it"]);
    assert!(it.history(&conn).unwrap().records().iter().all(|record| record.program.is_none()));
    assert_eq!(it.plan(&conn, Target::Latest).unwrap().steps().len(), 1);
    assert_eq!(notes("1.0", 1).run(&conn).unwrap_err().newer_program(), None);
    let mut conn = database.connect();
    let executed = statements(&mut conn, |conn| {
        assert!(notes("1.0", 2).run(conn).unwrap().is_up_to_date());
    });
    assert_eq!(executed.len(), 1, "{executed:?}");
    assert_eq!(rows(&conn, "SELECT sql FROM sqlite_master"), before);
}

#[test]
fn the_next_run_that_writes_adds_the_column_and_keeps_every_record() {
    type Write = fn(&Connection);
    let writes: [(&str, Write, &[&str]); 5] = [
        (
            "a step",
            |conn| drop(notes("1.0", 3).run(conn).unwrap()),
            &["1_it|NULL", "2_it|NULL", "3_it|notes 1.0"],
        ),
        (
            "a batch",
            |conn| drop(notes("1.0", 3).transaction(TransactionMode::Batch).run(conn).unwrap()),
            &["1_it|NULL", "2_it|NULL", "3_it|notes 1.0"],
        ),
        (
            "a step outside a transaction",
            |conn| {
                let third = migration(3).outside_transaction();
                let it = MigrationRunner::new([migration(1), migration(2), third]).unwrap();
                it.program("notes 1.0").run(conn).unwrap();
            },
            &["1_it|NULL", "2_it|NULL", "3_it|notes 1.0"],
        ),
        ("a rollback", |conn| drop(notes("1.0", 2).rollback(conn, 1).unwrap()), &["1_it|NULL"]),
        (
            "a recovery",
            |conn| {
                let assumed = Recovery::AssumeApplied("3_it".into());
                notes("1.0", 3).recover(conn, assumed, Signature::of("ada")).unwrap();
            },
            &["1_it|NULL", "2_it|NULL", "3_it|notes 1.0"],
        ),
    ];
    for (name, write, expected) in writes {
        let database = lacking(2);
        let conn = database.connect();
        let before = rows(&conn, &format!("SELECT {COLUMNS} FROM __switchy_migrations WHERE name = '1_it'"));
        write(&conn);
        assert_eq!(programs(&conn), expected, "{name}");
        assert_eq!(
            rows(&conn, &format!("SELECT {COLUMNS} FROM __switchy_migrations WHERE name = '1_it'")),
            before,
            "{name}"
        );
    }
}

#[test]
fn a_step_that_fails_leaves_the_table_without_the_column() {
    let database = lacking(2);
    let conn = database.connect();
    let before = rows(&conn, "SELECT sql FROM sqlite_master");
    let broken = Migration::sql("3_it", "CREATE TABLE t3 (x); SELEKT 1");
    let it = MigrationRunner::new([migration(1), migration(2), broken]).unwrap();
    it.run(&conn).unwrap_err();
    assert_eq!(rows(&conn, "SELECT sql FROM sqlite_master"), before);
    assert!(!has_column(&conn));
}

/// It inserts its columns alone, and knows nothing of the others.
#[test]
fn a_program_of_the_previous_version_can_still_write() {
    let conn = memory();
    notes("1.0", 2).run(&conn).unwrap();
    conn.execute_batch(
        "CREATE TABLE t3 (x); INSERT INTO __switchy_migrations (name, checksum, dirty) VALUES ('3_it', NULL, 0);
        UPDATE __switchy_migrations SET run_on = coalesce(NULL, run_on), checksum = NULL, dirty = 0 WHERE name = '2_it'",
    )
    .unwrap();
    assert_eq!(programs(&conn), ["1_it|notes 1.0", "2_it|notes 1.0", "3_it|NULL"]);
    assert_eq!(notes("1.1", 4).run(&conn).unwrap().applied.len(), 1);
    assert_eq!(applied(&conn).len(), 4);
}

#[test]
fn two_programs_that_add_the_column_at_once_both_succeed() {
    for _ in 0..10 {
        let database = lacking(2);
        let barrier = Arc::new(Barrier::new(4));
        let applied: usize = std::thread::scope(|scope| {
            let run = || {
                let conn = database.connect();
                let it = notes("1.0", 3).lock(switchy_schema::Lock::Off);
                barrier.wait();
                it.run(&conn).unwrap().applied.len()
            };
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).sum()
        });
        assert_eq!(applied, 1);
        assert_eq!(programs(&database.connect()), ["1_it|NULL", "2_it|NULL", "3_it|notes 1.0"]);
    }
}

/// One more pending migration costs the same statements with and without the name of the program.
#[test]
fn the_name_of_the_program_costs_no_statement() {
    let count = |named: bool| {
        let database = TestDatabase::new();
        let mut conn = database.connect();
        let it = |count: usize| {
            let it = MigrationRunner::new((1..=count).map(migration).collect::<Vec<_>>()).unwrap();
            if named { it.program("notes 1.0") } else { it }
        };
        it(2).run(&conn).unwrap();
        statements(&mut conn, |conn| assert_eq!(it(3).run(conn).unwrap().applied.len(), 1)).len()
    };
    assert_eq!(count(true), count(false));
}
