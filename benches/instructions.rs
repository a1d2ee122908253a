//! Machine instructions of a start and of an update, divided by those of the same work by hand. Unlike times, they hardly differ from run to
//! run, so each ratio has a bound, and a higher one fails.
//!
//! `cargo bench --bench instructions` needs valgrind. Each number comes from a process of its own, under callgrind.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::process::Command;

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, Target, TransactionMode};
use tempfile::TempDir;

mod floor;

use floor::{by_hand, is_bench, set};

/// What is measured, who does it, and the bound of its ratio: the one on x86-64 with the SQLite in `Cargo.lock`, and a tenth more for other
/// compilers.
type Row = (&'static str, fn(By), f64);

const ROWS: [Row; 7] = [
    ("a start with nothing pending, again on the same connection", again, 2.9),
    ("the first statement of a connection: a start, 100 applied", first, 1.2),
    ("10 on a new database in memory", |by| fresh(by, 10), 1.8),
    ("100 on a new database in memory", |by| fresh(by, 100), 1.6),
    ("one more after 100, in WAL mode", |by| one_more(by, 100), 1.8),
    ("one more after 1000, in WAL mode", |by| one_more(by, 1_000), 1.3),
    ("a column beside 100,000 child rows", column, 2.0),
];

/// Who does the work.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Hand,
    Engine,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--measure") {
        let row: usize = arguments[at + 1].parse().unwrap();
        return ROWS[row].1(if arguments[at + 2] == "hand" { By::Hand } else { By::Engine });
    }
    if !is_bench() {
        // `cargo test --all-targets` runs benches too; then they only must work.
        return ROWS.iter().for_each(|(_, body, _)| [By::Hand, By::Engine].into_iter().for_each(body));
    }
    println!("{:<60} {:>12} {:>12} {:>7} {:>7}", "", "by hand", "ours", "ratio", "bound");
    let mut is_within = true;
    for (row, (what, _, bound)) in ROWS.iter().enumerate() {
        let [hand, ours] = ["hand", "engine"].map(|by| instructions(row, by));
        #[allow(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = ours as f64 / hand as f64;
        println!("{what:<60} {hand:>12} {ours:>12} {ratio:>6.2}x {bound:>6.2}x");
        is_within &= ratio <= *bound;
    }
    assert!(is_within, "a ratio is above its bound");
}

/// The instructions inside [`measured`], of this program in a process under callgrind.
fn instructions(row: usize, by: &str) -> u64 {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*instructions::measured*",
        ])
        .arg(std::env::current_exe().unwrap())
        .args(["--measure", &row.to_string(), by])
        .output()
        .unwrap_or_else(|error| panic!("valgrind cannot be started: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    collected.unwrap_or_else(|| panic!("no count in {text}")).1.trim().parse().unwrap()
}

/// The only function whose instructions count, with those of all that it calls.
#[inline(never)]
fn measured(body: &mut dyn FnMut()) {
    body();
}

fn apply(by: By, conn: &Connection, runner: &MigrationRunner, count: usize) {
    match by {
        By::Hand => measured(&mut || by_hand(conn, count)),
        By::Engine => measured(&mut || assert!(!runner.run(conn).unwrap().is_up_to_date())),
    }
}

fn fresh(by: By, count: usize) {
    apply(by, &Connection::open_in_memory().unwrap(), &MigrationRunner::new(set(count)).unwrap(), count);
}

/// A database file in WAL mode, in which this many migrations are applied.
fn applied(folder: &TempDir, by: By, count: usize) -> Connection {
    let conn = Connection::open(folder.path().join("bench.db")).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
    match by {
        By::Hand => by_hand(&conn, count),
        By::Engine => {
            let runner = MigrationRunner::new(set(count)).unwrap().transaction(TransactionMode::Batch);
            runner.run_to(&conn, Target::Steps(count)).unwrap();
        }
    }
    conn
}

fn one_more(by: By, count: usize) {
    let folder = TempDir::new().unwrap();
    let conn = applied(&folder, by, count);
    apply(by, &conn, &MigrationRunner::new(set(count + 1)).unwrap(), count + 1);
}

/// The least that a start can be: a statement that reads one row.
fn newest(conn: &Connection) {
    conn.query_row("SELECT basis FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1", [], |row| {
        row.get::<_, String>(0)
    })
    .unwrap();
}

fn start(by: By, conn: &Connection, runner: &MigrationRunner) {
    match by {
        By::Hand => measured(&mut || newest(conn)),
        By::Engine => measured(&mut || assert!(runner.run(conn).unwrap().is_up_to_date())),
    }
}

fn again(by: By) {
    let folder = TempDir::new().unwrap();
    let conn = applied(&folder, By::Engine, 100);
    start(by, &conn, &MigrationRunner::new(set(100)).unwrap());
}

fn first(by: By) {
    let folder = TempDir::new().unwrap();
    let _applied = applied(&folder, By::Engine, 100);
    let conn = Connection::open(folder.path().join("bench.db")).unwrap();
    start(by, &conn, &MigrationRunner::new(set(100)).unwrap());
}

fn column(by: By) {
    let script = "ALTER TABLE child ADD COLUMN note TEXT";
    let folder = TempDir::new().unwrap();
    let conn = applied(&folder, By::Engine, 1);
    conn.execute_batch(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER PRIMARY KEY, parent REFERENCES parent);
        INSERT INTO parent VALUES (1);
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 100000)
        INSERT INTO child SELECT n, 1 FROM n;
        CREATE TABLE history (id TEXT PRIMARY KEY, at TEXT NOT NULL)",
    )
    .unwrap();
    let mut migrations = set(1);
    migrations.push(Migration::sql("9999-01-01-000000_note", script));
    let runner = MigrationRunner::new(migrations).unwrap();
    match by {
        By::Hand => measured(&mut || {
            conn.query_row("SELECT count(*) FROM history", [], |row| row.get::<_, i64>(0)).unwrap();
            conn.execute_batch("BEGIN IMMEDIATE").unwrap();
            conn.execute_batch(script).unwrap();
            conn.execute("INSERT INTO history VALUES ('9999-01-01-000000_note', datetime('now'))", [])
                .unwrap();
            conn.execute_batch("COMMIT").unwrap();
        }),
        By::Engine => measured(&mut || assert_eq!(runner.run(&conn).unwrap().applied.len(), 1)),
    }
}
