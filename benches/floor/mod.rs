//! What the same work costs by hand, and how the two are timed beside each other.

#![allow(dead_code, reason = "each bench uses a part of it")]

use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchy_schema::Migration;

/// Whether it is `cargo bench`. `cargo test --all-targets` runs a bench too, without this argument: then it only has to work.
pub(crate) fn is_bench() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// A small migration, as they are: a table and an index.
pub(crate) fn script(number: usize) -> String {
    format!(
        "CREATE TABLE t{number} (\n    id INTEGER PRIMARY KEY,\n    name TEXT NOT NULL,\n    made_at TEXT NOT NULL DEFAULT ''\n);\n\
         CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} (name) VALUES ('first');\n"
    )
}

/// So many of them.
pub(crate) fn set(count: usize) -> Vec<Migration> {
    let migration =
        |number| Migration::from_scripts(id(number), script(number), Some(format!("DROP TABLE t{number}")));
    (0..count).map(migration).collect()
}

pub(crate) fn id(number: usize) -> String {
    format!("{:04}-01-01-000000_t{number}", 1_000 + number)
}

/// The least that applying migrations takes: each with its record in one transaction, behind a look at what is applied.
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

/// The median time of each body, in turns, so that whatever slows the machine slows all of them. `prepare` is not timed.
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

/// A line of a table: what was measured, the floor, ours, and how many times that is.
pub(crate) fn line(what: &str, floor: Duration, ours: Duration) {
    println!("{what:<52} {floor:>12.1?} {ours:>12.1?} {:>8.2}x", ours.as_secs_f64() / floor.as_secs_f64());
}
