//! A start with nothing pending, on a file, compared with the least that a query costs: one row from a prepared statement. And the creation
//! of the runner before it, from a folder embedded by `include_dir` and from one that a build script read, compared with hashing the
//! scripts.
//!
//! `cargo bench --bench startup`. The ratios matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use include_dir::{Dir, DirEntry, File};
use rusqlite::Connection;
use switchy_schema::compiled::{FORMAT, Set};
use switchy_schema::test_utils::TestDatabase;
use switchy_schema::{Checksum, CompiledMigrations, Dialect, MigrationRunner};

fn main() {
    // `cargo test --all-targets` runs benches too, without this argument; then they only must work.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (sizes, rounds): (&[usize], usize) = if is_bench { (&[10, 1_000, 10_000], 301) } else { (&[10], 1) };

    println!(
        "{:>10} {:>12} {:>12} {:>7} {:>14} {:>12} {:>7} {:>12}",
        "migrations", "one row", "start", "ratio", "hash scripts", "make runner", "ratio", "compiled"
    );
    for &size in sizes {
        let root = embedded(size);
        let database = TestDatabase::new();
        let runner = MigrationRunner::new_embedded(root).unwrap();
        fill(&runner, &database);

        let conn = database.connect();
        let mut statement =
            conn.prepare("SELECT basis FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1").unwrap();
        let mut row = || drop(black_box(statement.query_row([], |row| row.get::<_, String>(0)).unwrap()));
        let mut start = || assert!(runner.run(&conn).unwrap().is_up_to_date());
        let [row, start] = medians(rounds, 20, [&mut row, &mut start]);

        let scripts: Vec<&str> =
            root.dirs().flat_map(Dir::files).filter_map(|file| file.contents_utf8()).collect();
        let mut hash = || scripts.iter().for_each(|script| _ = black_box(Checksum::of(script)));
        // A folder is read only once, so each round has a folder of its own.
        let mut roots = (0..rounds.min(41)).map(|_| embedded(size)).collect::<Vec<_>>().into_iter();
        let mut make =
            || drop(black_box(MigrationRunner::new_embedded(roots.next().unwrap_or(root)).unwrap()));
        let set = compiled(&runner, &conn);
        let mut take = || drop(black_box(MigrationRunner::new(set).unwrap()));
        let [hash, make, take] = medians(rounds.min(41), 1, [&mut hash, &mut make, &mut take]);
        println!(
            "{size:>10} {row:>12.2?} {start:>12.2?} {:>6.1}x {hash:>14.1?} {make:>12.1?} {:>6.1}x {take:>12.1?}",
            start.as_secs_f64() / row.as_secs_f64(),
            make.as_secs_f64() / hash.as_secs_f64(),
        );
    }
}

/// The same set, as a build script generates it.
fn compiled(runner: &MigrationRunner, conn: &Connection) -> CompiledMigrations {
    let last: String = conn
        .query_row("SELECT basis FROM __switchy_migrations ORDER BY rowid DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    let bytes = std::array::from_fn(|at| u8::from_str_radix(&last[2 * at..2 * at + 2], 16).unwrap());
    // The creation of a runner reads only the last of these, and no migration.
    let beginnings = vec![bytes; runner.list().len() + 1].leak();
    let set = Set {
        format: FORMAT,
        database: Dialect::Sqlite,
        folder: "",
        files: &[],
        migrations: &[],
        is_limited: false,
        beginnings,
    };
    let set = CompiledMigrations::new(Box::leak(Box::new(set)));
    assert!(MigrationRunner::new(set).unwrap().run(conn).unwrap().is_up_to_date());
    set
}

/// A folder inside the program, as `include_dir!` creates it.
fn embedded(size: usize) -> &'static Dir<'static> {
    let entries: Vec<DirEntry<'static>> = (0..size)
        .map(|number| {
            let folder = format!("20{:02}-01-01-{number:06}_change_{number}", number % 100);
            let script =
                format!("SELECT {number}; -- about as long as a small script, say the column of a table");
            let file = File::new(leak(format!("{folder}/up.sql")), leak(script).as_bytes());
            DirEntry::Dir(Dir::new(leak(folder), Box::leak(Box::new([DirEntry::File(file)]))))
        })
        .collect();
    Box::leak(Box::new(Dir::new("", entries.leak())))
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn fill(runner: &MigrationRunner, database: &TestDatabase) {
    let conn = database.connect();
    conn.execute_batch("PRAGMA synchronous = OFF").unwrap();
    let started = Instant::now();
    assert!(!runner.run(&conn).unwrap().is_up_to_date());
    let count = runner.list().len();
    eprintln!("(applied {count} in {:.1?})", started.elapsed());
}

/// The median time of one call of each body. The bodies run in turns, so that a slow phase of the machine affects all of them. Each turn
/// makes `calls` calls.
fn medians<const N: usize>(rounds: usize, calls: u32, mut bodies: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut times = [const { Vec::<Duration>::new() }; N];
    for _ in 0..rounds {
        for (body, times) in bodies.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (0..calls).for_each(|_| body());
            times.push(start.elapsed() / calls);
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}
