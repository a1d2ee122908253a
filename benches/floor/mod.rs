//! The same work by hand, and the timing of both.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchy_schema::Migration;

/// Whether this is `cargo bench`. `cargo test --all-targets` runs benches too, without this argument; then they only must work.
pub(crate) fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// A typical small migration: a table and an index.
pub(crate) fn script(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (\n    id INTEGER PRIMARY KEY,\n    name TEXT NOT NULL,\n    made_at TEXT NOT NULL DEFAULT ''\n);\n\
         CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} (name) VALUES ('first');\n"
    )
}

/// A set of this many small migrations.
pub(crate) fn set(count: usize) -> Vec<Migration> {
    let migration =
        |number| Migration::from_scripts(id(number), script(number), Some(format!("DROP TABLE t{number}")));
    (0..count).map(migration).collect()
}

pub(crate) fn id(number: usize) -> String {
    format!("{:04}-01-01-000000_t{number}", 1_000 + number)
}

/// The least work to apply migrations: read what is applied, then run each migration with its record in one transaction.
pub(crate) fn by_hand(conn: &Connection, count: usize) {
    conn.execute_batch("CREATE TABLE IF NOT EXISTS history (id TEXT PRIMARY KEY, at TEXT NOT NULL)").unwrap();
    let applied: i64 = conn.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
    for number in usize::try_from(applied).unwrap()..count {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        conn.execute_batch(&script(number)).unwrap();
        conn.execute("INSERT INTO history VALUES (?1, datetime('now'))", [id(number)]).unwrap();
        conn.execute_batch("COMMIT").unwrap();
    }
}

/// The median time of each body. The bodies run in turns, so that a slow phase of the machine affects all of them. `prepare` is not timed.
pub(crate) fn medians<T, const N: usize>(
    rounds: usize,
    mut prepare: impl FnMut() -> T,
    bodies: [&dyn Fn(&mut T); N],
) -> [Duration; N] {
    let mut times = [const { Vec::<Duration>::new() }; N];
    for _ in 0..rounds {
        for (body, times) in bodies.iter().zip(&mut times) {
            let mut given = prepare();
            let start = Instant::now();
            body(&mut given);
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

/// A line of a table: what was measured, the time by hand, the time of the engine, and the ratio.
pub(crate) fn line(what: &str, floor: Duration, ours: Duration) {
    println!("{what:<52} {floor:>12.1?} {ours:>12.1?} {:>8.2}x", ours.as_secs_f64() / floor.as_secs_f64());
}
