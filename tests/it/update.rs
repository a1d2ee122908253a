//! An update pays for what it touches: not for the applied migrations, and not for the size of the file.

use rusqlite::Connection;
use switchy_schema::{Migration, MigrationRunner};

use crate::execution::memory;
use crate::start::statements;

/// So many migrations that do nothing, and one more behind them.
fn numbered(count: usize, more: Option<&'static str>) -> MigrationRunner {
    let number = |n| Migration::from_scripts(format!("{n:05}_nothing"), "SELECT 1", None);
    let more = more.map(|script| Migration::from_scripts("99999_more", script, None));
    MigrationRunner::new((0..count).map(number).chain(more).collect::<Vec<_>>()).unwrap()
}

/// The beginnings of the statements that a script costs above so many applied migrations.
fn update(count: usize, schema: &str, script: &'static str) -> Vec<String> {
    let mut conn: Connection = memory();
    conn.execute_batch(schema).unwrap();
    numbered(count, None).run(&conn).unwrap();
    let runner = numbered(count, Some(script));
    let all = statements(&mut conn, |conn| assert_eq!(runner.run(conn).unwrap().applied.len(), 1));
    all.into_iter().map(|statement| statement.chars().take(60).collect()).collect()
}

const LIBRARY: &str = "
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE book (id INTEGER PRIMARY KEY, author REFERENCES author (id));
    CREATE TABLE other (x);
    INSERT INTO author VALUES (1, 'a'); INSERT INTO book VALUES (1, 1)";

#[test]
fn it_issues_the_same_statements_above_ten_migrations_and_a_thousand() {
    for script in ["CREATE TABLE more (x)", "ALTER TABLE book ADD COLUMN y", "INSERT INTO other VALUES (1)"] {
        let ten = update(10, LIBRARY, script);
        assert!(ten.len() > 3, "{ten:?}");
        assert_eq!(ten, update(1_000, LIBRARY, script), "{script}");
    }
}

#[test]
fn it_looks_at_no_rows_that_it_does_not_touch() {
    let scripts = [
        ("CREATE TABLE more (x)", false),
        ("INSERT INTO other VALUES (1)", false),
        ("CREATE INDEX book_author ON other (x)", false),
        ("INSERT INTO author VALUES (2, 'b')", false),
        // The twins, where the rows of the child have to be looked at.
        ("DELETE FROM author; INSERT INTO author VALUES (1, 'b')", true),
        ("UPDATE author SET id = 1", true),
        ("DROP TABLE other; DELETE FROM author WHERE id > 1; INSERT INTO book VALUES (2, 1)", true),
    ];
    for (script, looks) in scripts {
        let own = |statement: &&String| !script.starts_with(statement.as_str());
        let all = update(3, LIBRARY, script);
        let looked = all.iter().filter(own).any(|statement| statement.contains("foreign_key_check"));
        assert_eq!(looked, looks, "{script}: {all:#?}");
    }
}
