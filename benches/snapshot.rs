//! A run with a snapshot, compared with copying the file, and with the same run without one.
//!
//! `cargo bench --bench snapshot`. The ratios matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::cell::Cell;
use std::fs::{self, File};

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, Snapshot};
use tempfile::TempDir;

mod floor;

use floor::{is_bench, line, medians};

fn main() {
    println!("{:<52} {:>12} {:>12} {:>9}", "", "by hand", "ours", "ratio");
    // Each row takes about 200 bytes, its entry in the index about 50.
    let rows = if is_bench() { 920_000 } else { 10 };
    for mode in ["wal", "delete"] {
        copy(mode, rows);
        rebuild(mode, rows);
    }
}

const ROUNDS: usize = 5;

/// A runner with one more migration at each call, on a file with this many rows.
struct Large {
    folder: TempDir,
    conn: Connection,
    number: Cell<usize>,
}

impl Large {
    fn new(mode: &str, rows: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let conn = Connection::open(folder.path().join("large.db")).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = {mode}; PRAGMA synchronous = OFF;
            CREATE TABLE note (id INTEGER PRIMARY KEY, name TEXT, text TEXT);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
            INSERT INTO note SELECT i, 'the note ' || i, hex(randomblob(80)) FROM n;
            CREATE INDEX by_name ON note (name); PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL"
        ))
        .unwrap();
        let large = Self { folder, conn, number: Cell::new(0) };
        large.next("SELECT 1").run(&large.conn).unwrap();
        large
    }

    fn next(&self, script: &str) -> MigrationRunner {
        self.number.set(self.number.get() + 1);
        let number = self.number.get();
        let migration = |n: usize| {
            let script = if n == number { script } else { "SELECT 1" };
            Migration::from_scripts(format!("{n:03}_it"), script.to_owned(), None)
        };
        let runner = MigrationRunner::new((1..=number).map(migration).collect::<Vec<_>>()).unwrap();
        // The earlier scripts are not those that were applied.
        runner.policy(switchy_schema::Policy::DEVELOPMENT)
    }

    fn megabytes(&self) -> u64 {
        fs::metadata(self.folder.path().join("large.db")).unwrap().len() / 1_000_000
    }
}

/// A tiny migration with a snapshot, compared with copying the file to the disk.
fn copy(mode: &str, rows: usize) {
    let large = Large::new(mode, rows);
    let (live, copy) = (large.folder.path().join("large.db"), large.folder.path().join("copy"));
    let rounds = if is_bench() { ROUNDS } else { 1 };
    let [hand, ours] = medians(
        rounds,
        || large.next("SELECT 1").snapshot(Snapshot::Always.keep(0)),
        [
            // Another process copies it: closing the file here would drop SQLite's locks.
            &|_: &mut MigrationRunner| {
                assert!(std::process::Command::new("cp").arg(&live).arg(&copy).status().unwrap().success());
                File::options().write(true).open(&copy).unwrap().sync_all().unwrap();
                fs::remove_file(&copy).unwrap();
            },
            &|runner| assert!(!runner.run(&large.conn).unwrap().is_up_to_date()),
        ],
    );
    line(&format!("a snapshot of {} MB, {mode}, to a file copy", large.megabytes()), hand, ours);
}

/// A migration that rewrites every row, without and with a snapshot.
fn rebuild(mode: &str, rows: usize) {
    let large = Large::new(mode, rows);
    let script = "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT, text TEXT, title TEXT);
        INSERT INTO new (id, name, text) SELECT id, name, text FROM note; DROP TABLE note;
        ALTER TABLE new RENAME TO note; CREATE INDEX by_name ON note (name); ALTER TABLE note DROP COLUMN title;";
    let rounds = if is_bench() { ROUNDS } else { 1 };
    let run = |runner: &MigrationRunner| drop(runner.run(&large.conn).unwrap());
    let is_kept = Cell::new(true);
    let prepare = || {
        is_kept.set(!is_kept.get());
        let runner = large.next(script);
        if is_kept.get() { runner.snapshot(Snapshot::Always.keep(0)) } else { runner }
    };
    let [without, with] = medians(rounds, prepare, [&|runner| run(runner), &|runner| run(runner)]);
    line(&format!("rewriting {} MB, {mode}, without and with it", large.megabytes()), without, with);
}
