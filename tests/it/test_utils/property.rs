//! Strategies give rows that a schema accepts, and show them.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use switchy_schema::test_utils::strategies::{Data, data};
use switchy_schema::test_utils::{assert_foreign_keys_intact, rows};

use super::made;

const SCHEMA: &str = "
    CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INT CHECK (age BETWEEN 1 AND 120));
    CREATE TABLE books (author INT NOT NULL REFERENCES authors, title TEXT, price REAL, cover BLOB DEFAULT x'00');
    CREATE TABLE tree (id INTEGER PRIMARY KEY, up INT NOT NULL REFERENCES tree);
    CREATE TABLE strict (a INT, b ANY, c TEXT NOT NULL) STRICT;";

/// Some data of the strategy, the same in every run.
fn some(conn: &Connection, cases: usize) -> Vec<Data> {
    let strategy = data(conn, 0..6);
    let mut runner = TestRunner::deterministic();
    (0..cases).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[test]
fn generated_data_is_accepted_and_varied() {
    let conn = made(SCHEMA);
    let (mut inserted, mut wanted) = (0, 0);
    for data in some(&conn, 60) {
        let filled = data.insert(&conn);
        inserted += filled.tables.iter().map(|table| table.rows).sum::<usize>();
        wanted += filled.tables.iter().map(|table| table.wanted).sum::<usize>();
        assert_foreign_keys_intact(&conn);
    }
    assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"]);
    assert!(inserted * 3 > wanted * 2, "only {inserted} of {wanted} rows were accepted");
    for varied in [
        "SELECT count(DISTINCT author) > 5 FROM books",
        "SELECT count(*) > count(title) FROM books",
        "SELECT max(length(title)) > 15 FROM books",
        "SELECT count(DISTINCT age) > 10 AND min(age) >= 1 AND max(age) <= 120 FROM authors",
        "SELECT count(*) > 0 FROM books WHERE cover <> x'00'",
        "SELECT count(DISTINCT up) > 3 FROM tree",
        "SELECT count(DISTINCT typeof(b)) > 1 FROM strict",
    ] {
        assert_eq!(rows(&conn, varied), ["1"], "{varied}");
    }
}

#[test]
fn data_is_shown_as_rows_of_tables() {
    let conn = made("CREATE TABLE a (b INT NOT NULL CHECK (b = 7)); CREATE TABLE c (d)");
    let strategy = data(&conn, 2..=2);
    let mut runner = TestRunner::deterministic();
    let data = strategy.new_tree(&mut runner).unwrap().current();
    let shown = format!("{data:?}");
    assert!(shown.starts_with(r#"{"a": [[Value(Integer(7))], [Value(Integer(7))]], "c": [["#), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_failure_shrinks_to_the_rows_that_matter(data in data(&made(SCHEMA), 0..4)) {
        let conn = made(SCHEMA);
        let filled = data.insert(&conn);
        for table in &filled.tables {
            let count = rows(&conn, &format!("SELECT count(*) FROM {}", table.table));
            prop_assert_eq!(count, [table.rows.to_string()]);
        }
    }
}
