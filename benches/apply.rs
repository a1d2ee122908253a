//! Applying migrations, compared with the same work by hand: a new database, one more migration after many, and an update of a large file.
//!
//! `cargo bench --bench apply`. The ratios matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::cell::{Cell, RefCell};
use std::path::Path;

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, Target, TransactionMode};
use tempfile::TempDir;

mod floor;

use floor::{by_hand, id, is_bench, line, medians, script, set};

fn main() {
    println!("{:<52} {:>12} {:>12} {:>9}", "", "by hand", "ours", "ratio");
    let sizes: &[usize] = if is_bench() { &[100, 1_000, 3_000] } else { &[3] };
    let only = std::env::args().filter(|argument| !argument.starts_with('-')).nth(1);
    let wants = |what: &str| only.as_ref().is_none_or(|only| what.contains(only.as_str()));
    for &size in sizes {
        if wants("fresh") {
            fresh(size);
        }
        if wants("pending") {
            one_pending(size);
        }
        if wants("ask") {
            ask(size);
        }
    }
    if wants("large") {
        large(if is_bench() { 1_000_000 } else { 10 });
    }
}

fn rounds(size: usize) -> usize {
    if is_bench() { (3_000 / size).clamp(3, 31) } else { 1 }
}

fn memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

fn fresh(size: usize) {
    let runner = || MigrationRunner::new(set(size)).unwrap();
    let (each, batch) = (runner(), runner().transaction(TransactionMode::Batch));
    let [hand, ours] = medians(
        rounds(size),
        memory,
        [&|conn| by_hand(conn, size), &|conn| assert_eq!(each.run(conn).unwrap().applied.len(), size)],
    );
    line(&format!("{size} on a new database in memory"), hand, ours);
    let [hand, ours] = medians(
        rounds(size),
        memory,
        [
            &|conn| {
                conn.execute_batch(
                    "BEGIN IMMEDIATE; CREATE TABLE history (id TEXT PRIMARY KEY, at TEXT NOT NULL)",
                )
                .unwrap();
                for number in 0..size {
                    conn.execute_batch(&script(number)).unwrap();
                    conn.execute("INSERT INTO history VALUES (?1, datetime('now'))", [id(number)]).unwrap();
                }
                conn.execute_batch("COMMIT").unwrap();
            },
            &|conn| assert_eq!(batch.run(conn).unwrap().applied.len(), size),
        ],
    );
    line(&format!("{size} in one transaction"), hand, ours);
}

/// One pending migration, on a file in WAL mode with this many applied migrations; each try gets a copy of the file.
fn one_pending(size: usize) {
    let folder = TempDir::new().unwrap();
    let wal = |path: &Path| {
        let conn = Connection::open(path).unwrap();
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
        conn
    };
    let (hands, ours) = (folder.path().join("hand.db"), folder.path().join("ours.db"));
    let runner = MigrationRunner::new(set(size + 1)).unwrap();
    {
        let conn = wal(&hands);
        conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
        by_hand(&conn, size);
        let conn = wal(&ours);
        conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
        let batch = MigrationRunner::new(set(size + 1)).unwrap().transaction(TransactionMode::Batch);
        batch.run_to(&conn, Target::Steps(size)).unwrap();
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    }
    let number = Cell::new(0);
    let copy = || {
        number.set(number.get() + 1);
        let path = |name: &str| folder.path().join(format!("{name}{}.db", number.get()));
        std::fs::copy(&hands, path("hand")).unwrap();
        std::fs::copy(&ours, path("ours")).unwrap();
        let open = |name: &str| {
            let conn = wal(&path(name));
            conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0)).unwrap();
            conn
        };
        (open("hand"), open("ours"))
    };
    let [hand, ours] = medians(
        if is_bench() { 15 } else { 1 },
        copy,
        [&|(hand, _)| by_hand(hand, size + 1), &|(_, ours)| {
            assert_eq!(runner.run(ours).unwrap().applied.len(), 1);
        }],
    );
    line(&format!("one pending above {size}, WAL"), hand, ours);
}

/// Queries about a database and about a set, compared with the least that each takes.
fn ask(size: usize) {
    let runner = MigrationRunner::new(set(size)).unwrap();
    let conn = memory();
    let batch = MigrationRunner::new(set(size)).unwrap().transaction(TransactionMode::Batch);
    batch.run(&conn).unwrap();
    let read = |conn: &&Connection| {
        let mut statement =
            conn.prepare("SELECT name, run_on, checksum FROM __switchy_migrations ORDER BY rowid").unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        rows.unwrap().map(Result::unwrap).collect::<Vec<(String, String, Option<String>)>>()
    };
    let [hand, status, history] = medians(
        rounds(size),
        || &conn,
        [
            &|conn| assert_eq!(read(conn).len(), size),
            &|conn| assert_eq!(runner.status(conn).unwrap().entries.len(), size),
            &|conn| assert_eq!(runner.history(conn).unwrap().records().len(), size),
        ],
    );
    line(&format!("status of {size}"), hand, status);
    line(&format!("history of {size}"), hand, history);
    let [hand, validate] =
        medians(rounds(size), memory, [&|conn| by_hand(conn, size), &|_| drop(runner.validate_source())]);
    line(&format!("validate {size}"), hand, validate);
    let more = MigrationRunner::new(set(size + 100)).unwrap();
    let [hand, plan] = medians(
        rounds(size),
        || &conn,
        [
            &|conn: &mut &Connection| {
                conn.execute_batch("BEGIN").unwrap();
                (size..size + 100).for_each(|number| conn.execute_batch(&script(number)).unwrap());
                conn.execute_batch("ROLLBACK").unwrap();
            },
            &|conn| assert_eq!(more.plan(conn, Target::Latest).unwrap().steps().len(), 100),
        ],
    );
    line(&format!("plan of 100 above {size}"), hand, plan);
}

/// Migrations of a file with this many child rows. Most do not touch these rows.
fn large(rows: usize) {
    let folder = TempDir::new().unwrap();
    let conn = Connection::open(folder.path().join("large.db")).unwrap();
    conn.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF;
        CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent (id));
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO parent SELECT i FROM n;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO child SELECT i, i % 1000 + 1 FROM n;
        CREATE TABLE loose (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO loose SELECT id, 'a name' FROM child;
        CREATE TABLE item (id INTEGER PRIMARY KEY); CREATE TABLE attached (item INTEGER); INSERT INTO attached SELECT id FROM child;
        CREATE TRIGGER item_ad AFTER DELETE ON item BEGIN DELETE FROM attached WHERE rowid = -old.id; END;
        CREATE TABLE history (id INTEGER PRIMARY KEY, at TEXT); PRAGMA wal_checkpoint(TRUNCATE)"
    ))
    .unwrap();
    let applied: RefCell<Vec<Migration>> = RefCell::default();
    let number = Cell::new(0);
    for (what, script) in [
        ("a table beside", "CREATE TABLE beside{} (a)"),
        ("a column of", "ALTER TABLE child ADD COLUMN c{} TEXT"),
        ("a row in the parent of", "INSERT INTO parent (id) VALUES (5000 + {})"),
        ("a row among", "INSERT INTO other (parent) VALUES ({})"),
        (
            "a rebuild of a table with",
            "CREATE TABLE copy{} (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO copy{} SELECT * FROM loose;
            DROP TABLE loose; ALTER TABLE copy{} RENAME TO loose",
        ),
        ("a trigger that could delete some of", "INSERT INTO item VALUES ({}); DELETE FROM item"),
    ] {
        conn.execute_batch("CREATE TABLE IF NOT EXISTS other (parent INTEGER REFERENCES parent (id))")
            .unwrap();
        let next = || {
            number.set(number.get() + 1);
            script.replace("{}", &number.get().to_string())
        };
        let mut first = true;
        let is_pending = Cell::new(false);
        let prepare = || {
            // The turn by hand leaves the migration pending for the engine's turn.
            if !is_pending.replace(true) {
                let migration = Migration::from_scripts(id(number.get() + 1), next(), None);
                applied.borrow_mut().push(migration);
            }
            let runner = MigrationRunner::new(applied.borrow().clone()).unwrap();
            // The tracking table is created once, which is not part of an update.
            if std::mem::take(&mut first) && applied.borrow().len() == 1 {
                runner.run(&conn).unwrap();
                applied.borrow_mut().push(Migration::from_scripts(id(number.get() + 1), next(), None));
                return MigrationRunner::new(applied.borrow().clone()).unwrap();
            }
            runner
        };
        let by_hand = |_: &mut MigrationRunner| {
            let applied: i64 = conn.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
            conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            // Each script gets its own names and keys. A row of the child table references one of the thousand parents.
            let number = if script.contains("VALUES ({})") { applied % 900 + 1 } else { applied + 900_000 };
            conn.execute_batch(&script.replace("{}", &number.to_string())).unwrap();
            conn.execute("INSERT INTO history (at) VALUES (datetime('now'))", []).unwrap();
            conn.execute_batch("COMMIT").unwrap();
        };
        let ours = |runner: &mut MigrationRunner| {
            assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
            is_pending.set(false);
        };
        let [hand, ours] = medians(if is_bench() { 15 } else { 1 }, prepare, [&by_hand, &ours]);
        line(&format!("{what} {rows} child rows"), hand, ours);
    }
}
