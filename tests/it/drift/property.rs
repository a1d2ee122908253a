//! After any run of any scripts there is no drift, and a repair undoes what was done to what carries no data.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const FIRST: &str =
    "CREATE TABLE a (id INTEGER PRIMARY KEY, p INTEGER REFERENCES b, name TEXT CHECK (length(name) < 90));
    CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE COLLATE NOCASE);
    INSERT INTO b VALUES (1, 'x'), (2, 'y'); INSERT INTO a VALUES (1, 1, 'n'), (2, NULL, 'm');";

/// Many of them fail, some only in certain orders.
const STATEMENTS: [&str; 40] = [
    "ALTER TABLE a ADD COLUMN x",
    "ALTER TABLE a ADD COLUMN y NOT NULL DEFAULT 'it''s'",
    "ALTER TABLE a ADD COLUMN z TEXT COLLATE NOCASE REFERENCES b (name)",
    "ALTER TABLE a ADD COLUMN g AS (p + 1) VIRTUAL",
    "ALTER TABLE a DROP COLUMN x",
    "ALTER TABLE a DROP COLUMN p",
    "ALTER TABLE a RENAME COLUMN name TO title",
    "ALTER TABLE a RENAME COLUMN title TO \"a name\"",
    "ALTER TABLE a RENAME TO c",
    "ALTER TABLE c RENAME TO a",
    "ALTER TABLE b RENAME TO \"B b\"",
    "ALTER TABLE \"B b\" RENAME TO b",
    "CREATE TABLE new_a (id INTEGER PRIMARY KEY, name TEXT, p INT); INSERT INTO new_a SELECT id, name, p FROM a; DROP TABLE a; ALTER TABLE new_a RENAME TO a",
    "CREATE TABLE copy AS SELECT * FROM a",
    "DROP TABLE copy",
    "CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "CREATE TABLE s (k INT, v TEXT) STRICT",
    "CREATE INDEX i ON a (p DESC, name)",
    "CREATE UNIQUE INDEX u ON a (lower(name)) WHERE p > 1",
    "CREATE INDEX i ON b (name)",
    "DROP INDEX i",
    "CREATE VIEW v AS SELECT a.id, b.name FROM a LEFT JOIN b ON a.p = b.id",
    "CREATE VIEW v2 AS SELECT count(*) AS n FROM v -- so many",
    "DROP VIEW v",
    "DROP VIEW v2",
    "CREATE TRIGGER t AFTER UPDATE OF name ON a BEGIN UPDATE b SET name = new.name WHERE id = new.p; END",
    "CREATE TRIGGER on_view INSTEAD OF INSERT ON v BEGIN INSERT INTO a (id) VALUES (new.id); END",
    "DROP TRIGGER t",
    "CREATE VIRTUAL TABLE f USING fts5(name, content='a', content_rowid='id')",
    "INSERT INTO f (f) VALUES ('rebuild')",
    "DROP TABLE f",
    "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)",
    "CREATE TEMP TABLE tmp AS SELECT * FROM a; DROP TABLE tmp",
    "UPDATE a SET name = upper(name)",
    "INSERT INTO b (name) VALUES ('z')",
    "DELETE FROM a WHERE p IS NULL",
    "DROP TABLE IF EXISTS w; DROP TABLE IF EXISTS s",
    "ANALYZE",
    "REINDEX",
    "SELECT 1",
];

/// What somebody does to indexes, triggers and views by hand.
const BY_HAND: [&str; 12] = [
    "DROP INDEX IF EXISTS i",
    "DROP INDEX IF EXISTS i; CREATE INDEX i ON b (id)",
    "DROP INDEX IF EXISTS u",
    "DROP TRIGGER IF EXISTS t",
    "DROP TRIGGER IF EXISTS t; CREATE TRIGGER t AFTER DELETE ON b BEGIN SELECT 1; END",
    "DROP VIEW IF EXISTS v2",
    "DROP VIEW IF EXISTS v",
    "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1 AS id",
    "DROP VIEW IF EXISTS v2; CREATE VIEW v2 AS SELECT 2",
    "CREATE INDEX mine ON b (name, id)",
    "CREATE VIEW my_view AS SELECT 3",
    "CREATE TRIGGER mine AFTER INSERT ON b BEGIN SELECT 1; END",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scripts_leave_no_drift_and_a_repair_undoes_it(
        statements in vec(vec(select(STATEMENTS.to_vec()), 1..4), 1..8),
        by_hand in vec(select(BY_HAND.to_vec()), 0..4),
    ) {
        let conn = Connection::open_in_memory().unwrap();
        let lenient = || [ProblemKind::RowsLost, ProblemKind::BrokenReference]
            .into_iter()
            .fold(Policy::default(), |policy, kind| policy.with(kind, Verdict::Warn));
        let mut set: Vec<Migration> = vec![Migration::sql("0_first", FIRST)];
        let runner = |set: &[Migration]| MigrationRunner::new(set.to_vec()).unwrap().policy(lenient());
        runner(&set).run(&conn).unwrap();
        for (number, statements) in statements.iter().enumerate() {
            set.push(Migration::from_scripts(format!("{}_it", number + 1), statements.join(";\n"), None));
            // One that fails is not in the set.
            if runner(&set).run(&conn).is_err() {
                set.pop();
            }
        }
        let drift = runner(&set).drift(&conn).unwrap();
        prop_assert!(drift.is_empty(), "{drift}");
        // From the scripts in the database alone.
        let stored = runner(&[]).drift(&conn).unwrap();
        prop_assert!(stored.is_empty() || stored.unknown.is_some(), "{stored}");

        let expected = schema(&conn);
        for by_hand in by_hand {
            // It may name what is not there.
            let _ = conn.execute_batch(by_hand);
        }
        let before = schema(&conn);
        let rows_before = rows_of(&conn);
        let drift = runner(&set).drift(&conn).unwrap();
        prop_assert_eq!(drift.is_empty(), expected == before);
        let extra: Vec<String> = drift.extra().map(|change| change.name.clone()).collect();
        let drift = extra.into_iter().fold(drift, Drift::including);
        match runner(&set).repair_drift(&conn, drift, Signature::of("ada")) {
            Ok(_) => {
                prop_assert_eq!(schema(&conn), expected);
                prop_assert!(runner(&set).drift(&conn).unwrap().is_empty());
            }
            // What was broken before cannot be put back.
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Recovery, "{}", error);
                prop_assert_eq!(schema(&conn), before);
            }
        }
        prop_assert_eq!(rows_of(&conn), rows_before);
    }
}

/// Every row of every ordinary table but the engine's.
fn rows_of(conn: &Connection) -> Vec<String> {
    let tables = rows(
        conn,
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'
        AND name <> 'sqlite_schema' ORDER BY name",
    );
    let of = |table: &String| rows(conn, &format!("SELECT '{table}', * FROM \"{table}\""));
    tables.iter().flat_map(of).collect()
}
