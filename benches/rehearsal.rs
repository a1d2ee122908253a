//! Rehearsing a run on a copy, compared with a plain copy of the file and with the run itself.
//!
//! `cargo bench --bench rehearsal`. The ratios matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, Target};

#[allow(clippy::duplicate_mod, reason = "each bench is a program of its own")]
mod floor;

fn main() {
    // A row has about 200 bytes.
    let (rows, runs) = if floor::is_bench() { (1_000_000, 5) } else { (1_000, 1) };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.db");
    let base = || {
        Migration::sql(
            "1_base",
            "CREATE TABLE large (id INTEGER PRIMARY KEY, text, number); CREATE TABLE small (x)",
        )
    };
    let conn = Connection::open(&path).unwrap();
    MigrationRunner::new([base()]).unwrap().run(&conn).unwrap();
    let fill = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO large SELECT i, printf('%0190d', i), i FROM n";
    conn.execute(fill, [rows]).unwrap();
    conn.execute_batch("INSERT INTO small VALUES (1), (2)").unwrap();
    drop(conn);
    println!("{} MiB", fs::metadata(&path).unwrap().len() >> 20);
    println!(
        "{:>40} {:>10} {:>10} {:>10} {:>8} {:>8}",
        "step", "copy file", "run", "rehearse", "/ copy", "/ run"
    );
    for (what, script) in [
        ("CREATE TABLE", "CREATE TABLE new (x)"),
        ("UPDATE of a small table", "UPDATE small SET x = 3"),
        ("UPDATE of every row", "UPDATE large SET number = number + 1"),
        ("DELETE of every second row", "DELETE FROM large WHERE id % 2"),
        (
            "rebuild",
            "CREATE TABLE new (id INTEGER PRIMARY KEY, text, number INTEGER); INSERT INTO new SELECT * FROM large;
             DROP TABLE large; ALTER TABLE new RENAME TO large",
        ),
    ] {
        let runner = MigrationRunner::new([base(), Migration::sql("2_step", script)]).unwrap();
        let (mut copies, mut rehearsals, mut runs_of) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let copy = folder.path().join("copy.db");
            copies.push(timed(|| synced_copy(&path, &copy)));
            let conn = Connection::open(&copy).unwrap();
            rehearsals.push(timed(|| assert_eq!(runner.rehearse(&conn, Target::Latest).unwrap().steps.len(), 1)));
            runs_of.push(timed(|| assert_eq!(runner.run(&conn).unwrap().applied.len(), 1)));
        }
        let [copy, rehearsal, run] = [copies, rehearsals, runs_of].map(median);
        let ratio = |to: Duration| rehearsal.as_secs_f64() / to.as_secs_f64();
        println!(
            "{what:>40} {copy:>10.1?} {run:>10.1?} {rehearsal:>10.1?} {:>7.1}x {:>7.1}x",
            ratio(copy),
            ratio(run)
        );
    }
}

/// A copy of a file that is on the disk.
fn synced_copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
    fs::File::open(to).unwrap().sync_all().unwrap();
}

fn timed(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
