//! Tables that are the same although they are written differently, and the schema as a script.

use super::*;
use crate::execution::{memory, set};

/// Whether a table that was made by hand instead of the script's is drift.
fn is_drift(script: &'static str, by_hand: &str) -> bool {
    let conn = memory();
    conn.execute_batch("CREATE TABLE p (x UNIQUE)").unwrap();
    let runner = set([("1_p", "CREATE TABLE p (x UNIQUE)"), ("2_t", script)]);
    runner.recover(&conn, Recovery::Baseline("1_p".into()), Signature::of("ada")).unwrap();
    runner.run(&conn).unwrap();
    conn.execute_batch(&format!("DROP TABLE t; {by_hand}"))
        .unwrap_or_else(|error| panic!("{by_hand}: {error}"));
    let found = short(&runner.drift(&conn).unwrap());
    assert!(["", "~table t"].contains(&&*found), "{found}");
    !found.is_empty()
}

#[test]
fn the_same_columns_keys_and_constraints_are_no_drift_however_they_are_written() {
    let same = [
        (
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)",
            "CREATE TABLE \"T\" (\n [a] integer,\n `b` text, -- the b\n primary key (a))",
        ),
        ("CREATE TABLE t (a, b UNIQUE)", "CREATE TABLE t (a, b, UNIQUE (b))"),
        (
            "CREATE TABLE t (a, b REFERENCES p (x) ON DELETE CASCADE)",
            "CREATE TABLE t (a, b, CONSTRAINT k FOREIGN KEY (b) REFERENCES p (x) ON DELETE CASCADE)",
        ),
        (
            "CREATE TABLE t (a, b, CHECK (a > 1), UNIQUE (a), UNIQUE (b))",
            "CREATE TABLE t (a CHECK (a > 1), b, UNIQUE (b), UNIQUE (a))",
        ),
        (
            "CREATE TABLE t (a VARCHAR(10) DEFAULT 'x' NOT NULL)",
            "CREATE TABLE t (a varchar ( 10 ) NOT NULL DEFAULT 'x')",
        ),
        (
            "CREATE TABLE t (a TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
            "CREATE TABLE t (a TEXT, PRIMARY KEY (a)) without rowid, strict",
        ),
        (
            "CREATE TABLE t (a); ALTER TABLE t ADD COLUMN b TEXT DEFAULT 7",
            "CREATE TABLE t (a, b TEXT DEFAULT 7)",
        ),
    ];
    for (script, by_hand) in same {
        assert!(!is_drift(script, by_hand), "{by_hand}");
        assert!(!is_drift(script, script), "{script}");
    }
    let different = [
        ("CREATE TABLE t (a, b)", "CREATE TABLE t (b, a)"),
        ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a INTEGER)"),
        ("CREATE TABLE t (a TEXT)", "CREATE TABLE t (a TEXT NOT NULL)"),
        ("CREATE TABLE t (a DEFAULT 'X')", "CREATE TABLE t (a DEFAULT 'x')"),
        ("CREATE TABLE t (a CHECK (a > 1))", "CREATE TABLE t (a CHECK (a > 2))"),
        ("CREATE TABLE t (a CHECK (a > 1))", "CREATE TABLE t (a)"),
        ("CREATE TABLE t (a CHECK (a <> 'A'))", "CREATE TABLE t (a CHECK (a <> 'a'))"),
        ("CREATE TABLE t (a COLLATE NOCASE)", "CREATE TABLE t (a)"),
        ("CREATE TABLE t (a, b AS (a + 1))", "CREATE TABLE t (a, b AS (a + 2))"),
        ("CREATE TABLE t (a, b AS (a + 1) STORED)", "CREATE TABLE t (a, b AS (a + 1))"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE TABLE t (a INTEGER PRIMARY KEY)"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "CREATE TABLE t (a INTEGER PRIMARY KEY DESC)"),
        ("CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL)"),
        ("CREATE TABLE t (a TEXT) STRICT", "CREATE TABLE t (a TEXT)"),
        ("CREATE TABLE t (a UNIQUE)", "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)"),
        ("CREATE TABLE t (a, b, UNIQUE (a, b))", "CREATE TABLE t (a, b, UNIQUE (b, a))"),
        (
            "CREATE TABLE t (a REFERENCES p (x))",
            "CREATE TABLE t (a REFERENCES p (x) DEFERRABLE INITIALLY DEFERRED)",
        ),
        ("CREATE TABLE t (a REFERENCES p (x))", "CREATE TABLE t (a REFERENCES p (x) ON UPDATE SET NULL)"),
        ("CREATE TABLE t (a REFERENCES p (x) ON CONFLICT_ROLLBACK)", ""),
    ];
    for (script, by_hand) in different.into_iter().filter(|(_, by_hand)| !by_hand.is_empty()) {
        assert!(is_drift(script, by_hand), "{script} and {by_hand}");
        assert!(is_drift(Box::leak(by_hand.to_owned().into_boxed_str()), script), "{script} and {by_hand}");
    }
}

/// The schema as a file makes the same schema again.
#[test]
fn the_schema_is_a_script_that_makes_it_again() {
    let (_database, conn) = migrated();
    conn.execute_batch(
        "CREATE VIEW commented AS SELECT 1 -- one
        ;
        CREATE VIEW early AS SELECT * FROM zz; CREATE VIEW zz AS SELECT * FROM late; CREATE TABLE late (a);
        CREATE TRIGGER early_t INSTEAD OF DELETE ON early BEGIN DELETE FROM zz; END;
        CREATE TABLE \"an odd; name\" (\"it's\" DEFAULT ';', \"ü\");
        CREATE VIRTUAL TABLE words USING fts5vocab('found', 'row')",
    )
    .unwrap();
    let dumped = runner().dump_schema(&conn).unwrap();
    let again = memory();
    again.execute_batch(&dumped.to_string()).unwrap_or_else(|error| panic!("{error}\n{dumped}"));
    assert_eq!(runner().dump_schema(&again).unwrap(), dumped);
    let mut expected = schema(&conn);
    let mut made = schema(&again);
    expected.sort();
    made.sort();
    assert_eq!(made, expected);
}

/// SQLite distinguishes names that differ in the case of letters beyond ASCII.
#[test]
fn names_are_compared_as_sqlite_compares_them() {
    let conn = memory();
    let runner = set([("1_a", "CREATE TABLE Ä (a); CREATE TABLE ä (b); CREATE TABLE UPPER (a)")]);
    runner.run(&conn).unwrap();
    assert_eq!(short(&runner.drift(&conn).unwrap()), "");
    conn.execute_batch("DROP TABLE ä; ALTER TABLE UPPER RENAME TO x; ALTER TABLE x RENAME TO upper").unwrap();
    assert_eq!(short(&runner.drift(&conn).unwrap()), "-table ä");
}
