//! Errors of the disk, the file and the memory: they are reported, and the script is not blamed for them.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{ErrorKind, Migration, MigrationRunner, Target};

use crate::execution::set;

/// A tracking table of an older form is replaced by a new one. A virtual table may have the columns of one, and was dropped with its rows.
#[test]
fn what_only_looks_like_a_tracking_table_is_refused_and_kept() {
    for (make, what) in [
        ("CREATE VIRTUAL TABLE __switchy_migrations USING fts5(name, run_on)", "it is a virtual table"),
        ("CREATE VIRTUAL TABLE __switchy_migrations USING fts5(id, run_on)", "it is a virtual table"),
        (
            "CREATE VIRTUAL TABLE [__switchy_migrations] USING rtree(name, run_on, dirty)",
            "it is a virtual table",
        ),
        (
            "CREATE TABLE t (name, run_on); INSERT INTO t VALUES (1, 2);
            CREATE VIEW __switchy_migrations AS SELECT * FROM t",
            "it is a view",
        ),
    ] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.execute_batch(make).unwrap();
        let _ = conn.execute_batch("INSERT INTO __switchy_migrations VALUES (1, 2)");
        let _ = conn.execute_batch("INSERT INTO __switchy_migrations VALUES (1, 2, 3)");
        let before = (database.schema(), rows(&conn, "SELECT * FROM __switchy_migrations"));
        assert_eq!(before.1.len(), 1);
        let runner = set([("1_a", "CREATE TABLE a (b)")]);
        let outcomes = [
            runner.run(&conn).map(drop),
            runner.plan(&conn, Target::Latest).map(drop),
            runner.status(&conn).map(drop),
            runner.rollback(&conn, 1).map(drop),
        ];
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Database);
            let text = error.to_string();
            assert!(text.contains(what) && text.contains("choose another name with `table_name`"), "{text}");
        }
        assert_eq!((database.schema(), rows(&conn, "SELECT * FROM __switchy_migrations")), before);
        runner.table_name("own").unwrap().run(&conn).unwrap();
    }
}

/// Writes nonsense over the first page of a table.
fn damage(database: &TestDatabase, table: &str) {
    let sql = format!(
        "SELECT rootpage || '|' || (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = '{table}'"
    );
    let place = database.rows(&sql).remove(0);
    let (page, size) = place.trim_matches('\'').split_once('|').unwrap();
    let (page, size): (usize, usize) = (page.parse().unwrap(), size.parse().unwrap());
    let mut bytes = fs::read(database.path()).unwrap();
    bytes[(page - 1) * size..page * size].fill(0xff);
    fs::write(database.path(), bytes).unwrap();
}

/// The number of rows that a plan shows was missing without a word, and rows of the table were not tried.
#[test]
fn a_plan_does_not_keep_silent_about_a_damaged_file() {
    for script in ["DROP TABLE a", "DELETE FROM a", "CREATE UNIQUE INDEX i ON a (b)", "UPDATE a SET b = 1"] {
        let database = TestDatabase::new();
        let make = "CREATE TABLE a (b); INSERT INTO a VALUES (1), (2), (3)";
        set([("1_a", make)]).run(&database.connect()).unwrap();
        damage(&database, "a");
        let runner = set([("1_a", make), ("2_b", script)]);
        for outcome in [
            runner.plan(&database.connect(), Target::Latest).map(|plan| plan.to_string()),
            runner.validate(&database.connect()).map(|found| format!("{found:?}")),
        ] {
            let text = outcome.map_err(|error| error.to_string()).unwrap_err();
            assert!(
                text.contains("malformed") && text.contains("restore the file from a backup"),
                "{script}: {text}"
            );
        }
        let text = runner.run(&database.connect()).map(|report| report.to_string());
        // A table that is dropped need not be readable for SQLite.
        if let Err(error) = text {
            let text = error.to_string();
            assert!(
                text.contains("restore the file from a backup") && !text.contains("correct it"),
                "{text}"
            );
        }
    }
}

/// The shared memory of a WAL cannot be made, as in a folder that is read-only.
#[cfg(unix)]
#[test]
fn a_wal_that_cannot_be_read_says_why() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    let runner = set([("1_a", "CREATE TABLE a (b)")]);
    runner.run(&conn).unwrap();
    drop(conn);
    std::os::unix::fs::symlink("missing/file", database.path().with_file_name("test.db-shm")).unwrap();
    let open = || Connection::open(database.path()).unwrap();
    for outcome in [
        runner.status(&open()).map(drop),
        runner.run(&open()).map(drop),
        runner.plan(&open(), Target::Latest).map(drop),
    ] {
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("SQLite creates files beside it, in WAL mode even to read"), "{text}");
    }
}

/// What waits for the lock has the file open, and in WAL mode that keeps the journal from being changed.
#[test]
fn a_switch_of_the_journal_says_who_is_in_the_way() {
    let database = TestDatabase::new();
    let conn = database.connect();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    let waiting = database.connect();
    rows(&waiting, "SELECT 1 FROM sqlite_master");
    let switch = Migration::sql("1_journal", "PRAGMA journal_mode = DELETE").outside_transaction();
    let runner = MigrationRunner::new([switch]).unwrap().lock_timeout(Duration::from_millis(50));
    let text = runner.run(&conn).unwrap_err().to_string();
    assert!(text.contains("close the other connections to the file"), "{text}");
    assert!(text.contains("programs that wait for this run to start"), "{text}");
    drop(waiting);
    runner.run(&conn).unwrap();
}

/// What this connection cannot count is unknown, which is no failure.
#[test]
fn a_check_that_lacks_something_of_the_application_fails_no_step() {
    let make = "CREATE TABLE a (b TEXT PRIMARY KEY COLLATE own) WITHOUT ROWID; CREATE TABLE e (f); INSERT INTO e VALUES (1)";
    for is_outside in [false, true] {
        let database = TestDatabase::new();
        let conn = database.connect();
        conn.create_collation("own", Ord::cmp).unwrap();
        let first = Migration::sql("1_a", make);
        MigrationRunner::new([first.clone()]).unwrap().run(&conn).unwrap();
        let other = database.connect();
        assert!(other.query_row("SELECT count(*) FROM a", [], |_| Ok(())).is_err());
        let drop = Migration::sql("2_a", "DROP TABLE a; ALTER TABLE e RENAME TO a");
        let drop = if is_outside { drop.outside_transaction() } else { drop };
        let report = MigrationRunner::new([first, drop]).unwrap().run(&other);
        assert_eq!(report.unwrap_or_else(|error| panic!("{error}")).applied.len(), 1);
        assert_eq!(database.rows("SELECT f FROM a"), ["1"]);
    }
}
