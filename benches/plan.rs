//! Building and planning a set, compared with the least work to order it: sorting its ids.
//!
//! `cargo bench --bench plan`. The ratio and the growth matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use switchy_schema::{Lock, Migration, MigrationId, MigrationRunner, Target, TransactionMode};

fn main() {
    // `cargo test --all-targets` runs benches too, without this argument; then they only must work.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (sizes, runs): (&[usize], usize) = if is_bench { (&[100, 1_000, 10_000], 31) } else { (&[100], 1) };

    println!(
        "{:>10} {:>12} {:>12} {:>12} {:>12} {:>18}",
        "migrations", "sort ids", "build", "plan all", "plan none", "build+plan / sort"
    );
    let mut totals = Vec::new();
    for &size in sizes {
        let migrations = set(size);
        let ids: Vec<MigrationId> = migrations.iter().map(|migration| migration.id().clone()).collect();
        let sort = median(runs, || {
            let mut ids = ids.clone();
            ids.sort();
            ids
        });
        let build = median(runs, || MigrationRunner::new(&*migrations).unwrap());

        let runner = MigrationRunner::new(&*migrations).unwrap();
        let runner = runner.lock(Lock::Off).transaction(TransactionMode::Batch);
        let conn = Connection::open_in_memory().unwrap();
        let plan_all = median(runs, || {
            let plan = runner.plan(&conn, Target::Latest).unwrap();
            assert_eq!(plan.steps().len(), size);
            plan
        });
        runner.run(&conn).unwrap();
        let plan_none = median(runs, || {
            let plan = runner.plan(&conn, Target::Latest).unwrap();
            assert!(plan.steps().is_empty());
            plan
        });
        let total = build + plan_all;
        let ratio = total.as_secs_f64() / sort.as_secs_f64();
        println!(
            "{size:>10} {sort:>12.1?} {build:>12.1?} {plan_all:>12.1?} {plan_none:>12.1?} {ratio:>17.1}x"
        );
        totals.push(total);
    }
    if let [.., small, large] = *totals {
        let growth = large.as_secs_f64() / small.as_secs_f64();
        println!("from 1000 to 10000 migrations build and plan take {growth:.1} times as long");
        assert!(large < Duration::from_secs(1), "10000 migrations take {large:?}");
    }
}

/// A year of migrations out of order. Every tenth depends on the one before it, and every hundredth on the one with twice its number.
fn set(size: usize) -> Vec<Migration> {
    let id = |number: usize| {
        let (day, month) = (number % 28 + 1, number / 28 % 12 + 1);
        format!("{}-{month:02}-{day:02}-{:06}_change_{number}", 2000 + number / 336, number % 240_000)
    };
    let mut set: Vec<Migration> = (0..size)
        .map(|number| {
            let up =
                format!("SELECT {number}; -- about as long as a small script, say the column of a table");
            let migration = Migration::from_scripts(id(number), up, None);
            match number {
                _ if number % 100 == 7 && number * 2 < size => migration.depends_on(id(number * 2)),
                _ if number % 10 == 3 => migration.depends_on(id(number - 1)),
                _ => migration,
            }
        })
        .collect();
    // A fixed shuffle: steps by a number that has no factor in common with the size.
    let stride = 7919;
    for place in 0..size {
        set.swap(place, (place * stride + 13) % size);
    }
    set
}

fn median<R>(runs: usize, mut body: impl FnMut() -> R) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(body());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
