//! A start with nothing pending makes the same number of allocations for any length of the history.

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner, TransactionMode};

use sets::compiled;

#[allow(dead_code, reason = "the tests of compiled sets use more of it")]
#[path = "../../../it/compiled/sets.rs"]
mod sets;

/// A set of this many migrations that do nothing, in one transaction, because the file system is slow.
fn numbered(count: usize) -> MigrationRunner {
    let set: Vec<Migration> =
        (0..count).map(|n| Migration::from_scripts(format!("{n:05}_nothing"), "SELECT 1", None)).collect();
    MigrationRunner::new(set).unwrap().transaction(TransactionMode::Batch)
}

#[test]
fn a_start_allocates_the_same_for_ten_migrations_and_a_thousand() {
    let allocations = |count| {
        let (runner, conn) = (numbered(count), Connection::open_in_memory().unwrap());
        runner.run(&conn).unwrap();
        // The first start prepares the statement, which the connection keeps.
        runner.run(&conn).unwrap();
        let start = || drop(runner.run(&conn).unwrap());
        let (first, second) = (allocation_counter::measure(start), allocation_counter::measure(start));
        assert_eq!(first.count_total, second.count_total);
        assert_eq!(first.bytes_total, second.bytes_total);
        (first.count_total, first.bytes_total)
    };
    let ten = allocations(10);
    assert!(ten.0 > 0, "the counter counts: the statement's text is allocated");
    assert_eq!(ten, allocations(1000));
}

#[test]
fn making_a_runner_and_starting_allocates_the_same_for_ten_migrations_and_a_thousand() {
    let allocations = |count| {
        let (set, conn) = compiled(count);
        let start = || assert!(MigrationRunner::new(set).unwrap().run(&conn).unwrap().is_up_to_date());
        start();
        let info = allocation_counter::measure(start);
        (info.count_total, info.bytes_total)
    };
    let ten = allocations(10);
    assert_eq!(ten, allocations(1000));
    assert!((1..=2).contains(&ten.0), "{ten:?}");
}
