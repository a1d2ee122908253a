//! Ordering sets of many shapes, compared with sorting their ids.
//!
//! `cargo bench --bench ordering`. The ratios matter, not the times of one machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "benches panic on failure")]

use std::hint::black_box;

use switchy_schema::{Migration, MigrationId, MigrationRunner};

mod floor;

use floor::{is_bench, line, medians};

/// Returns the migration with this number: its name and its dependencies.
type Shape = fn(usize) -> Migration;

fn main() {
    let (size, rounds) = if is_bench() { (100_000, 5) } else { (100, 1) };
    println!("{:<52} {:>12} {:>12} {:>9}", "", "sort ids", "order", "ratio");
    let shapes: [(&str, Shape, bool); 5] = [
        ("that need nothing", |number| migration(number, format!("{number:09}_m")), true),
        ("with one and the same version", |number| migration(number, format!("1_m{number}")), true),
        ("that all need the first one", |number| needing(number, 0), true),
        ("that each need the one before", |number| needing(number, number.saturating_sub(1)), true),
        (
            "in a circle",
            |number| migration(number, name(number)).depends_on(name((number + 1) % limit())),
            false,
        ),
    ];
    for (what, shape, is_a_set) in shapes {
        let set: Vec<Migration> = (0..size).map(|number| shape(number * 7_919 % size)).collect();
        let ids: Vec<MigrationId> = set.iter().map(|migration| migration.id().clone()).collect();
        let [sort, order] = medians(
            rounds,
            || (ids.clone(), set.clone()),
            [&|(ids, _): &mut (Vec<MigrationId>, Vec<Migration>)| ids.sort(), &|(_, set)| {
                let made = black_box(MigrationRunner::new(std::mem::take(set)));
                assert_eq!(made.is_ok(), is_a_set, "{what}");
            }],
        );
        line(&format!("{size} {what}"), sort, order);
    }
}

fn limit() -> usize {
    if is_bench() { 100_000 } else { 100 }
}

fn name(number: usize) -> String {
    format!("{number:09}_m")
}

fn migration(number: usize, id: String) -> Migration {
    Migration::from_scripts(id, format!("SELECT {number}"), None)
}

fn needing(number: usize, need: usize) -> Migration {
    let migration = migration(number, name(number));
    if need == number { migration } else { migration.depends_on(name(need)) }
}
