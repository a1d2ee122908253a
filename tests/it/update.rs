//! The cost of an update depends on what it touches, not on the number of applied migrations or the size of the file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::Connection;
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Migration, MigrationRunner, TransactionMode};

use crate::execution::memory;
use crate::start::statements;

/// This many migrations that do nothing, and optionally one more after them.
fn numbered(count: usize, more: Option<&'static str>) -> MigrationRunner {
    let number = |n| Migration::from_scripts(format!("{n:05}_nothing"), "SELECT 1", None);
    let more = more.map(|script| Migration::from_scripts("99999_more", script, None));
    MigrationRunner::new((0..count).map(number).chain(more).collect::<Vec<_>>()).unwrap()
}

/// The beginnings of the statements that are executed for a script, after this many applied migrations.
fn update(count: usize, schema: &str, script: &'static str) -> Vec<String> {
    let mut conn: Connection = memory();
    conn.execute_batch(schema).unwrap();
    numbered(count, None).run(&conn).unwrap();
    let runner = numbered(count, Some(script));
    let all = statements(&mut conn, |conn| assert_eq!(runner.run(conn).unwrap().applied.len(), 1));
    all.into_iter().map(|statement| statement.chars().take(60).collect()).collect()
}

const LIBRARY: &str = "
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE book (id INTEGER PRIMARY KEY, author REFERENCES author (id));
    CREATE TABLE other (x);
    INSERT INTO author VALUES (1, 'a'); INSERT INTO book VALUES (1, 1)";

#[test]
fn it_issues_the_same_statements_above_ten_migrations_and_a_thousand() {
    for script in ["CREATE TABLE more (x)", "ALTER TABLE book ADD COLUMN y", "INSERT INTO other VALUES (1)"] {
        let ten = update(10, LIBRARY, script);
        assert!(ten.len() > 3, "{ten:?}");
        assert_eq!(ten, update(1_000, LIBRARY, script), "{script}");
    }
}

#[test]
fn it_looks_at_no_rows_that_it_does_not_touch() {
    let scripts = [
        ("CREATE TABLE more (x)", false),
        ("INSERT INTO other VALUES (1)", false),
        ("CREATE INDEX book_author ON other (x)", false),
        ("INSERT INTO author VALUES (2, 'b')", false),
        // The counterparts for which the rows of the child must be checked.
        ("DELETE FROM author; INSERT INTO author VALUES (1, 'b')", true),
        ("UPDATE author SET id = 1", true),
        ("DROP TABLE other; DELETE FROM author WHERE id > 1; INSERT INTO book VALUES (2, 1)", true),
    ];
    for (script, looks) in scripts {
        let own = |statement: &&String| !script.starts_with(statement.as_str());
        let all = update(3, LIBRARY, script);
        let looked = all.iter().filter(own).any(|statement| statement.contains("foreign_key_check"));
        assert_eq!(looked, looks, "{script}: {all:#?}");
    }
}

/// The number of instructions that SQLite executes for a script, with this many applied migrations and this many rows of a child.
fn instructions(count: usize, rows: u32, script: &'static str) -> usize {
    let conn = memory();
    conn.execute_batch(LIBRARY).unwrap();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT ?1) INSERT INTO book SELECT i, 1 FROM n";
    conn.execute(fill, [rows]).unwrap();
    counted(conn, count, script)
}

/// The number of instructions that SQLite executes for a script on this connection, after this many applied migrations.
#[allow(unused_mut, reason = "`progress_handler` needs `mut` in some versions of the driver")]
fn counted(mut conn: Connection, count: usize, script: &'static str) -> usize {
    numbered(count, None).run(&conn).unwrap();
    let runner = numbered(count, Some(script));
    let steps = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    // The function returns `()` in some versions of the driver.
    #[allow(clippy::let_unit_value)]
    let _ = conn.progress_handler(1, Some(count));
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
    steps.load(Ordering::Relaxed)
}

#[test]
fn sqlite_does_the_same_work_beside_ten_rows_of_a_child_and_ten_thousand() {
    for (script, looks) in [
        ("CREATE TABLE more (x)", false),
        ("ALTER TABLE book ADD COLUMN y", false),
        ("INSERT INTO other VALUES (1)", false),
        ("INSERT INTO author VALUES (2, 'b')", false),
        // The counterpart for which the child's rows must be checked.
        ("UPDATE author SET id = id", true),
    ] {
        let few = instructions(10, 10, script);
        assert!(few > 100, "{few}");
        assert_eq!(instructions(10, 10_000, script) > 10_000, looks, "{script}");
        if !looks {
            assert_eq!(few, instructions(10, 10_000, script), "{script}");
            assert_eq!(few, instructions(1_000, 10, script), "{script}");
        }
    }
}

/// Rows that a statement may overwrite or leave out are looked up by their keys.
#[test]
fn sqlite_does_twice_the_work_for_twice_the_rows_of_an_upsert() {
    for script in [
        "REPLACE INTO user(id, email, name) SELECT id, email, name FROM new",
        "INSERT INTO user(id, email, name) SELECT id, email, name FROM new WHERE true
        ON CONFLICT (email) DO UPDATE SET name = excluded.name",
        "INSERT OR IGNORE INTO user(id, email, name) SELECT id, email, name FROM new; DROP TABLE new",
    ] {
        let work = |rows: u32| {
            let conn = memory();
            let schema = format!(
                "CREATE TABLE user (id INTEGER PRIMARY KEY, email TEXT, name TEXT);
                CREATE UNIQUE INDEX user_email ON user (email COLLATE NOCASE);
                WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows}) INSERT INTO user SELECT i, 'a' || i, 'Ada' FROM n;
                CREATE TABLE new (id INTEGER, email INTEGER, name TEXT);
                INSERT INTO new SELECT id, 'A' || id, name FROM user"
            );
            conn.execute_batch(&schema).unwrap();
            counted(conn, 1, script)
        };
        let (few, many) = (work(200), work(400));
        assert!(many < 3 * few, "{script}: {few} for 200 rows, {many} for 400");
    }
}

/// The schema is not searched for triggers that write to the tracking table: what the triggers of a statement write is known after it.
#[test]
fn sqlite_does_the_same_work_beside_ten_tables_and_a_thousand() {
    for script in ["INSERT INTO other VALUES (1)", "UPDATE other SET x = 2", "DELETE FROM other"] {
        let beside = |tables: u32| {
            let conn = memory();
            conn.execute_batch(LIBRARY).unwrap();
            (0..tables).for_each(|table| {
                let sql = format!("CREATE TABLE t{table} (x); CREATE TRIGGER r{table} AFTER INSERT ON t{table} BEGIN SELECT 1; END");
                conn.execute_batch(&sql).unwrap();
            });
            counted(conn, 10, script)
        };
        assert_eq!(beside(10), beside(1_000), "{script}");
    }
}

/// The number of pages that are written for a script, after this many applied migrations.
fn pages(count: usize, script: &'static str) -> u64 {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.execute_batch(&format!("PRAGMA journal_mode = WAL; {LIBRARY}")).unwrap();
    numbered(count, None).transaction(TransactionMode::Batch).run(&conn).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    numbered(count, Some(script)).run(&conn).unwrap();
    let wal = std::fs::metadata(database.path().with_extension("db-wal")).unwrap().len();
    // The WAL has a header, and for each page a frame header and the content.
    (wal - 32) / (4_096 + 24)
}

#[test]
fn it_writes_the_pages_of_its_script_and_those_of_one_record() {
    for (script, own) in [("CREATE TABLE more (x)", 2), ("INSERT INTO other VALUES (1)", 1)] {
        // The table of the records, its index, and the pages of the script; page 1 is written for the schema in either case.
        // Numbers at which no page of the records is full.
        for count in [10, 990] {
            assert_eq!(pages(count, script), own + 2, "{script} above {count}");
        }
    }
}

/// The number of statements that the account takes, besides those of the script; `EXPLAIN` is not counted. The second number is that
/// beside other tables and views.
#[test]
fn the_account_of_a_step_takes_a_bounded_number_of_statements() {
    let rebuild = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT NOT NULL); INSERT INTO new SELECT * FROM author; DROP TABLE author; ALTER TABLE new RENAME TO author";
    let rows = [
        ("CREATE TABLE more (x)", [0, 0]),
        ("CREATE TABLE IF NOT EXISTS more (x)", [2, 2]),
        ("ALTER TABLE book ADD COLUMN y", [1, 1]),
        ("INSERT INTO other VALUES (1)", [1, 1]),
        ("INSERT INTO other VALUES (1); INSERT INTO other VALUES (2); INSERT INTO other VALUES (3)", [1, 1]),
        ("UPDATE other SET x = 1; UPDATE other SET x = 2; UPDATE other SET x = 3", [0, 0]),
        ("DELETE FROM other WHERE x = 1; DELETE FROM other WHERE x = 2", [0, 0]),
        // The keys of each table that has some are listed.
        ("DROP TABLE other", [7, 8]),
        (rebuild, [23, 24]),
    ];
    let others = "CREATE TABLE a (x); CREATE TABLE b (x); CREATE VIEW v AS SELECT x FROM a; CREATE TABLE c (y REFERENCES b (x))";
    for (script, expected) in rows {
        for (crowd, expected) in ["", others].into_iter().zip(expected) {
            let issued = |script| {
                let all = update(3, &format!("{LIBRARY}; {crowd}"), script);
                all.into_iter().filter(|statement| !statement.starts_with("--")).count()
            };
            let own = script.split(';').count() - 1;
            assert_eq!(issued(script) - issued("SELECT 1") - own, expected, "{script}");
        }
    }
}
