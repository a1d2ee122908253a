//! Checking only the touched tables finds everything that checking all tables finds, and the account has all rows that are lost.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::account::Execution;
use crate::backend::Script;
use crate::backend::sqlite::{Sqlite, script};
use crate::effect::Trust;
use crate::notice::Notices;
use crate::step::{Atomicity, Cascade, DataLoss, ForeignKeys};

const TABLES: [&str; 5] = ["a", "b", "\"C c\"", "d", "e"];

/// A table in numbers: whether its key has a rowid, how unique `y` is, and which tables its two other columns reference, if any: the key
/// or the `y` of those tables.
type Table = (bool, usize, [Option<(usize, bool)>; 2]);

fn create((number, (has_rowid, unique, references)): (usize, &Table)) -> String {
    let unique = ["", "", " UNIQUE", " UNIQUE ON CONFLICT REPLACE"][*unique];
    let column = |(name, references): (&str, &Option<(usize, bool)>)| {
        let unique = if name == "y" { unique } else { "" };
        match references {
            Some((parent, of_key)) => {
                let of = if *of_key { "" } else { " (y)" };
                format!(", {name}{unique} REFERENCES {}{of} ON DELETE CASCADE", TABLES[*parent])
            }
            None => format!(", {name}{unique}"),
        }
    };
    let columns: String = ["x", "y"].into_iter().zip(references).map(column).collect();
    let suffix = if *has_rowid { "" } else { " WITHOUT ROWID" };
    format!("CREATE TABLE {} (id INTEGER PRIMARY KEY{columns}){suffix};", TABLES[number])
}

fn schema() -> impl Strategy<Value = String> {
    let references = || proptest::option::of((0..5_usize, proptest::bool::weighted(0.8)));
    let table = (any::<bool>(), 0..4_usize, [references(), references()]);
    let trigger = (0..5_usize, 0..5_usize, 0..5_usize, 0..4_usize, 0..6_i64);
    let tables = proptest::collection::vec(table, 5);
    let triggers = proptest::collection::vec(trigger, 0..3);
    let rows = proptest::collection::vec((0..5_usize, 0..6_i64, value(), value()), 0..12);
    (tables, rows, triggers).prop_map(|(tables, rows, triggers)| {
        let mut text: String = tables.iter().enumerate().map(create).collect();
        for (table, id, x, y) in rows {
            write!(text, "INSERT OR IGNORE INTO {} VALUES ({id}, {x}, {y});", TABLES[table]).unwrap();
        }
        for (number, (on, event, table, verb, id)) in triggers.into_iter().enumerate() {
            let event = ["INSERT", "UPDATE", "DELETE", "UPDATE OF x", "UPDATE OF y"][event];
            let does = [
                format!("DELETE FROM {} WHERE id = {id}", TABLES[table]),
                format!("INSERT OR IGNORE INTO {} VALUES ({id}, {id}, NULL)", TABLES[table]),
                format!("UPDATE OR IGNORE {} SET x = {id}", TABLES[table]),
                format!("REPLACE INTO {} VALUES ({id}, 1, 2)", TABLES[table]),
            ];
            let (on, does) = (TABLES[on], &does[verb]);
            write!(text, "CREATE TRIGGER t{number} AFTER {event} ON {on} BEGIN {does}; END;").unwrap();
        }
        text += "CREATE VIEW v AS SELECT id, x FROM a; CREATE UNIQUE INDEX ux ON b (x, id);
            CREATE TRIGGER vi INSTEAD OF INSERT ON v BEGIN DELETE FROM b WHERE id = new.id; END;";
        text
    })
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![Just("NULL".to_owned()), (0..6_i64).prop_map(|number| number.to_string())]
}

fn statement() -> impl Strategy<Value = String> {
    let table = || (0..5_usize).prop_map(|number| TABLES[number]);
    prop_oneof![
        4 => (table(), 0..8_i64, value(), value())
            .prop_map(|(table, id, x, y)| format!("INSERT OR IGNORE INTO {table} (id, x, y) VALUES ({id}, {x}, {y})")),
        2 => (table(), 0..8_i64, value()).prop_map(|(table, id, x)| format!("REPLACE INTO {table} (id, x) VALUES ({id}, {x})")),
        3 => (table(), 0..6_i64).prop_map(|(table, id)| format!("DELETE FROM {table} WHERE id = {id}")),
        1 => table().prop_map(|table| format!("DELETE FROM {table}")),
        3 => (table(), value(), 0..6_i64).prop_map(|(table, x, id)| format!("UPDATE {table} SET x = {x} WHERE id = {id}")),
        2 => table().prop_map(|table| format!("UPDATE OR IGNORE {table} SET id = id + 1")),
        2 => (table(), value(), 0..6_i64).prop_map(|(table, y, id)| format!("UPDATE {table} SET y = {y} WHERE id = {id}")),
        1 => (table(), value(), 0..6_i64).prop_map(|(table, y, id)| format!("UPDATE OR REPLACE {table} SET y = {y} WHERE id = {id}")),
        1 => (table(), 0..8_i64, value()).prop_map(|(table, id, y)| format!("INSERT INTO {table} (id, y) VALUES ({id}, {y})")),
        1 => (table(), 0..8_i64, value())
            .prop_map(|(table, id, y)| format!("INSERT INTO {table} (id, y) VALUES ({id}, {y}) ON CONFLICT (id) DO UPDATE SET y = excluded.y")),
        1 => table().prop_map(|table| format!("CREATE UNIQUE INDEX IF NOT EXISTS uy ON {table} (y)")),
        1 => Just("DROP INDEX IF EXISTS uy".to_owned()),
        1 => Just("PRAGMA case_sensitive_like = ON".to_owned()),
        1 => (table(), 0..6_i64).prop_map(|(table, id)| format!("WITH w AS (SELECT {id} AS i) DELETE FROM {table} WHERE id IN (SELECT i FROM w)")),
        2 => table().prop_map(|table| format!("DROP TABLE {table}")),
        2 => table().prop_map(|table| format!("CREATE TABLE n AS SELECT * FROM {table}")),
        1 => (table(), table()).prop_map(|(child, parent)| format!("CREATE TABLE IF NOT EXISTS {child} (id INTEGER PRIMARY KEY, x REFERENCES {parent}, y)")),
        1 => table().prop_map(|table| format!("CREATE TABLE IF NOT EXISTS {table} (id, x, y)")),
        2 => (table(), table()).prop_map(|(from, to)| format!("ALTER TABLE {from} RENAME TO {to}")),
        1 => table().prop_map(|table| format!("ALTER TABLE n RENAME TO {table}")),
        1 => (table(), table()).prop_map(|(child, parent)| format!("ALTER TABLE {child} ADD COLUMN z REFERENCES {parent}")),
        1 => (table(), table()).prop_map(|(child, parent)| format!("ALTER TABLE {child} ADD COLUMN w DEFAULT 3 REFERENCES {parent}")),
        1 => table().prop_map(|table| format!("ALTER TABLE {table} RENAME COLUMN x TO x2")),
        1 => table().prop_map(|table| format!("ALTER TABLE {table} DROP COLUMN y")),
        1 => (0..6_i64).prop_map(|id| format!("INSERT INTO v VALUES ({id}, 1)")),
        1 => Just("DROP INDEX IF EXISTS ux".to_owned()),
        1 => Just("PRAGMA legacy_alter_table = ON".to_owned()),
        1 => Just("SELECT 1".to_owned()),
    ]
}

/// A new database with these tables, in a transaction.
fn open(schema: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    conn.execute_batch(schema).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    conn
}

/// Runs the statements that can run, and compares the results. Returns whether anything was new, and whether the narrow check found
/// nothing.
fn compare(schema: &str, statements: &[String]) -> (bool, bool) {
    let trial = open(schema);
    let works = |text: &&String| trial.execute_batch(text).is_ok();
    let text: Vec<&str> = statements.iter().filter(works).map(String::as_str).collect();
    let owned = open(schema);
    let mut conn = &owned;
    let before = of(conn, &Touched::anything(), ForeignKeys::Checked).unwrap();
    let execution = executed(&mut conn, &text.join(";\n"));
    let narrow = of(conn, &execution.touched, ForeignKeys::Checked).unwrap();
    let broken = of(conn, &Touched::anything(), ForeignKeys::Checked).unwrap().since(&before);
    assert!(
        broken.is_nothing() || !narrow.is_empty(),
        "{schema}\n{statements:#?}\n{execution:?}\nmissed: {broken:?}"
    );
    (!broken.is_nothing(), narrow.is_empty())
}

fn executed(conn: &mut &Connection, text: &str) -> Execution {
    let script = Script {
        text,
        from: 1,
        atomicity: Atomicity::Transaction,
        foreign_keys: ForeignKeys::Checked,
        patience: std::time::Duration::ZERO,
        lock_timeout: None,
        cascade: Cascade::Refused,
        data_loss: DataLoss::Undeclared,
        trust: Trust::Program,
        notices: &Notices::default(),
        session: None,
        listener: crate::backend::Listener::default(),
    };
    let mut progress = |_: &mut <Sqlite as crate::backend::Driver>::Conn<'_>, _| Ok(());
    script::run(conn, &script, &mut progress).unwrap()
}

/// The number of rows of each table.
fn counts(conn: &Connection) -> Vec<i64> {
    let count =
        |table| conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    TABLES.map(count).to_vec()
}

/// Compares the lost rows of the account with a count of all tables, and returns whether there are any.
fn compare_rows(schema: &str, statements: &[String]) -> bool {
    let keeps_tables = |text: &&String| {
        !["DROP TABLE", "CREATE TABLE", "PRAGMA"].iter().any(|start| text.starts_with(start))
            && !text.contains("RENAME")
    };
    let trial = open(schema);
    let before = counts(&trial);
    // The rows that each table has at least after the statements that name it.
    let (mut expected, mut text) = (before.clone(), Vec::new());
    for statement in statements.iter().filter(keeps_tables) {
        let changes = trial.total_changes();
        if trial.execute_batch(statement).is_err() {
            continue;
        }
        text.push(statement.as_str());
        let named = TABLES.iter().position(|table| {
            statement.contains(&format!("DELETE FROM {table} "))
                || statement.ends_with(&format!("DELETE FROM {table}"))
        });
        match named {
            // It names all rows, also those that are gone already.
            Some(table) if !statement.contains("WHERE") => expected[table] = 0,
            Some(table) if trial.total_changes() > changes => {
                expected[table] -= i64::try_from(trial.changes()).unwrap();
            }
            _ => {}
        }
    }
    let lost: Vec<i64> =
        expected.iter().zip(counts(&trial)).map(|(expected, after)| (expected - after).max(0)).collect();
    let owned = open(schema);
    let mut conn = &owned;
    let execution = executed(&mut conn, &text.join(";\n"));
    let found: Vec<i64> = TABLES
        .iter()
        .map(|table| {
            let name = table.trim_matches('"').to_lowercase();
            let mut changes = execution.account.tables.iter();
            let change = changes.find(|change| change.table.to_lowercase() == name);
            change.map_or(0, |change| i64::try_from(change.lost).unwrap())
        })
        .collect();
    // Rows that were added later, and that nobody lost, hide others from this count.
    let is_found = found.iter().zip(&lost).all(|(found, lost)| found >= lost);
    assert!(is_found, "{schema}\n{text:#?}\n{before:?}\n{found:?} {lost:?}\n{execution:#?}");
    lost.iter().any(|lost| *lost > 0)
}

#[test]
fn the_account_has_all_rows_that_are_lost() {
    let cases = std::env::var("SWITCHY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let losing = std::cell::Cell::new(0_u32);
    let scripts = (schema(), proptest::collection::vec(statement(), 1..6));
    let outcome = runner.run(&scripts, |(schema, statements)| {
        losing.set(losing.get() + u32::from(compare_rows(&schema, &statements)));
        Ok(())
    });
    outcome.unwrap();
    assert!(losing.get() > cases / 200, "of {cases} {} lose rows", losing.get());
}

/// `SWITCHY_CASES` sets the number of cases.
#[test]
fn looking_where_something_was_touched_finds_what_looking_everywhere_finds() {
    let cases = std::env::var("SWITCHY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(3_000);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let (mut new, mut clean) = (0_u32, 0_u32);
    let counted = std::cell::RefCell::new((&mut new, &mut clean));
    let outcome =
        runner.run(&(schema(), proptest::collection::vec(statement(), 1..6)), |(schema, statements)| {
            let (is_new, is_clean) = compare(&schema, &statements);
            let mut counted = counted.borrow_mut();
            *counted.0 += u32::from(is_new);
            *counted.1 += u32::from(is_clean);
            Ok(())
        });
    outcome.unwrap();
    assert!(new > cases / 10 && clean > cases / 10, "of {cases} {new} are broken, and {clean} clean");
}
