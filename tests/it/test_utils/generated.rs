//! Generated rows respect the schema, and what cannot be filled is said.

use rusqlite::Connection;
use switchy_schema::Migration;
use switchy_schema::test_utils::{Filled, TestMigrations, assert_foreign_keys_intact, fill, rows};

use super::{made, message};

/// Fills a schema twice, under both settings of foreign keys, and returns what it says the second time. What is in the database must be intact.
fn filled(schema: &str) -> (Connection, Filled) {
    let of = |enforced: bool| {
        let conn = Connection::open_in_memory().unwrap();
        conn.pragma_update(None, "foreign_keys", enforced).unwrap();
        conn.execute_batch(schema).unwrap();
        let first = fill(&conn, 3);
        assert!(conn.is_autocommit());
        assert_eq!(rows(&conn, "PRAGMA integrity_check"), ["ok"], "{schema}");
        assert_foreign_keys_intact(&conn);
        (conn, first)
    };
    let (enforced, free) = (of(true), of(false));
    assert_eq!(enforced.1, free.1, "{schema}");
    let again = fill(&enforced.0, 3);
    assert_foreign_keys_intact(&enforced.0);
    assert_eq!(rows(&enforced.0, "PRAGMA integrity_check"), ["ok"], "{schema}");
    for (first, again) in free.1.tables.iter().zip(&again.tables) {
        if first.problem.is_none() {
            assert_eq!((again.rows, &again.problem), (first.rows, &None), "{schema}");
        }
    }
    free
}

#[test]
fn what_sqlite_enforces_is_respected() {
    for schema in [
        "CREATE TABLE a (b)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT NOT NULL)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b) WITHOUT ROWID",
        "CREATE TABLE a (id INTEGER PRIMARY KEY DESC)",
        "CREATE TABLE a (b TEXT, c INT, PRIMARY KEY (b, c)) WITHOUT ROWID",
        "CREATE TABLE a (b BLOB PRIMARY KEY NOT NULL, c REAL UNIQUE, d DATETIME UNIQUE, e JSON UNIQUE, f DECIMAL(3, 1) UNIQUE)",
        "CREATE TABLE a (b INT NOT NULL, c INTEGER NOT NULL, d REAL NOT NULL, e TEXT NOT NULL, f BLOB NOT NULL, g ANY NOT NULL) STRICT",
        "CREATE TABLE a (b INT UNIQUE, c INT, UNIQUE (b, c), UNIQUE (c) ON CONFLICT REPLACE) STRICT",
        "CREATE TABLE a (b TEXT UNIQUE ON CONFLICT ROLLBACK, c TEXT NOT NULL ON CONFLICT IGNORE)",
        "CREATE TABLE a (b TEXT, c AS (length(b)) STORED NOT NULL UNIQUE, d INT AS (c + 1))",
        "CREATE TABLE a (b TEXT, c AS (json_extract(b, '$.n')) NOT NULL)",
        "CREATE TABLE a (\"a \"\"b\" TEXT NOT NULL, [select] INT UNIQUE, `from` TEXT); CREATE TABLE \"from\" (x)",
        "CREATE TABLE a (b); CREATE TABLE c (d UNIQUE); CREATE UNIQUE INDEX i ON a (lower(b)) WHERE b IS NOT NULL",
        "CREATE TABLE a (b BOOLEAN NOT NULL DEFAULT 0, c DATE DEFAULT CURRENT_DATE)",
        "CREATE TABLE a (b); CREATE VIEW v AS SELECT b FROM a; CREATE TABLE d (e);
            CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO d VALUES (new.b); END",
        "CREATE VIRTUAL TABLE a USING fts5(b, c); CREATE VIRTUAL TABLE d USING rtree(id, e, f)",
    ] {
        let (conn, filled) = filled(schema);
        filled.assert_complete();
        assert!(
            filled
                .tables
                .iter()
                .all(|table| table.rows == 3 && !table.is_empty && table.null_columns.is_empty()),
            "{filled}"
        );
        drop(conn);
    }
}

#[test]
fn checks_are_satisfied() {
    for check in [
        "TEXT NOT NULL CHECK (a IN ('lent', 'here'))",
        "TEXT NOT NULL CHECK (length(a) = 7)",
        "TEXT NOT NULL CHECK (length(a) BETWEEN 2 AND 3) UNIQUE",
        "TEXT NOT NULL CHECK (a LIKE '%@%.org')",
        "TEXT NOT NULL CHECK (a GLOB '[0-9][0-9]-[A-Z]*')",
        "TEXT NOT NULL CHECK (a NOT GLOB '*[^0-9]*' AND a <> '')",
        "TEXT NOT NULL CHECK (a = upper(a) AND a <> '')",
        "TEXT NOT NULL CHECK (json_valid(a) AND json_type(a) = 'array')",
        "TEXT NOT NULL CHECK (date(a) IS NOT NULL)",
        "INTEGER NOT NULL CHECK (a BETWEEN 500 AND 502)",
        "INTEGER NOT NULL CHECK (a < -77)",
        "INTEGER PRIMARY KEY CHECK (a > 4000)",
        "INTEGER NOT NULL CHECK (a % 2 = 0) UNIQUE",
        "INTEGER NOT NULL CHECK (typeof(a) = 'integer')",
        "REAL NOT NULL CHECK (a > 0 AND a < 1)",
        "REAL NOT NULL CHECK (a >= -90.0 AND a <= 90.0)",
        "BLOB NOT NULL CHECK (length(a) = 16)",
        "NOT NULL CHECK (typeof(a) = 'text')",
        "NOT NULL CHECK (\"a\" IS NOT 'lent')",
        "BOOLEAN NOT NULL CHECK (a IN (0, 1)), b INT, CHECK (b > a), CHECK (b <> 9)",
        "INT NOT NULL, b TEXT NOT NULL, CHECK ((a > 100) = (b = 'large')), CHECK (b IN ('large', 'small'))",
    ] {
        filled(&format!("CREATE TABLE t (a {check})")).1.assert_complete();
    }
}

#[test]
fn foreign_keys_are_followed() {
    const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, tenant TEXT NOT NULL, UNIQUE (tenant, id));";
    for schema in [
        "CREATE TABLE a (u INT NOT NULL REFERENCES users)",
        "CREATE TABLE a (u TEXT NOT NULL UNIQUE REFERENCES users (name))",
        "CREATE TABLE a (u INT PRIMARY KEY REFERENCES users ON DELETE CASCADE) WITHOUT ROWID",
        "CREATE TABLE a (tenant TEXT NOT NULL, u INT NOT NULL, FOREIGN KEY (tenant, u) REFERENCES users (tenant, id))",
        "CREATE TABLE a (tenant TEXT NOT NULL REFERENCES users (tenant), u INT NOT NULL REFERENCES users (id));
            CREATE UNIQUE INDEX i ON users (tenant)",
        "CREATE TABLE t (name TEXT PRIMARY KEY) WITHOUT ROWID;
            CREATE TABLE a (t NOT NULL REFERENCES T, u NOT NULL REFERENCES Users, PRIMARY KEY (t, u));
            CREATE TABLE b (t NOT NULL, u NOT NULL, v NOT NULL, FOREIGN KEY (t, u) REFERENCES a, FOREIGN KEY (t, v) REFERENCES a)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, up INT REFERENCES a)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, up INT NOT NULL REFERENCES a)",
        "CREATE TABLE a (up INT NOT NULL REFERENCES tree); CREATE TABLE tree (id INTEGER PRIMARY KEY, up INT REFERENCES tree)",
        "CREATE TABLE a (name TEXT PRIMARY KEY NOT NULL, up TEXT NOT NULL REFERENCES a (name))",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES b); CREATE TABLE b (id INTEGER PRIMARY KEY, a INT NOT NULL REFERENCES a)",
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b INT NOT NULL REFERENCES b DEFERRABLE INITIALLY DEFERRED);
            CREATE TABLE b (id INTEGER PRIMARY KEY, c INT NOT NULL REFERENCES c DEFERRABLE INITIALLY DEFERRED);
            CREATE TABLE c (k TEXT NOT NULL, id INTEGER PRIMARY KEY, a INT NOT NULL REFERENCES a)",
        "CREATE TABLE zz (a REFERENCES b, u REFERENCES users); CREATE TABLE b (id TEXT PRIMARY KEY)",
        "CREATE TABLE \"p\"\"q\" (\"i\"\"d\" TEXT PRIMARY KEY CHECK (\"i\"\"d\" > 'b'));
            CREATE TABLE a (b NOT NULL REFERENCES \"p\"\"q\" (\"i\"\"d\"))",
    ] {
        let (conn, filled) = filled(&format!("{USERS}{schema}"));
        filled.assert_complete();
        // References to nothing would be easier.
        for table in rows(&conn, "SELECT DISTINCT m.name || '|' || k.\"from\" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS k") {
            let (table, column) = table.split_once('|').unwrap();
            let set = rows(&conn, &format!("SELECT count({column}) > 0 FROM {table}"));
            // Of two tables that reference each other, one is filled first and references nothing.
            let may_be_null = schema.contains("CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES b)") && table == "a";
            assert!(set == ["1"] || may_be_null, "{schema}: {table}.{column}");
        }
    }
}

#[test]
fn a_row_in_four_is_null_where_it_may_be_and_another_one_has_the_defaults() {
    let (conn, filled) =
        filled("CREATE TABLE a (b TEXT, c TEXT DEFAULT 'c', d TEXT NOT NULL DEFAULT 'd', e TEXT NOT NULL)");
    assert_eq!(filled.to_string(), "`a`: 3 rows");
    assert_eq!(rows(&conn, "SELECT * FROM a"), ["b 1|c 1|d 1|e 1", "b 2|c|d|e 2", "NULL|NULL|d 3|e 3"]);
}

#[test]
fn what_cannot_be_filled_is_said() {
    for (schema, expected) in [
        ("CREATE TABLE a (b INT CHECK (b > b), c)", "`a`: 3 rows; `b` is always NULL"),
        ("CREATE TABLE a (b INT NOT NULL CHECK (b > b))", "`a`: 0 of 3 rows: CHECK constraint failed: b > b"),
        ("CREATE TABLE a (b INT NOT NULL CHECK (b IN (0, 1)) UNIQUE)", "`a`: 2 of 3 rows: UNIQUE constraint failed: a.b"),
        (
            "CREATE TABLE a (b INT NOT NULL CHECK (b IN (0, 1)) UNIQUE ON CONFLICT REPLACE)",
            "`a`: 2 of 3 rows: UNIQUE constraint failed: a.b",
        ),
        ("CREATE TABLE a (b NOT NULL REFERENCES gone (x))", "`a`: 0 of 3 rows: references `gone`: no such table: main.gone"),
        (
            "CREATE TABLE a (b INT NOT NULL CHECK (b <> b)); CREATE TABLE c (d NOT NULL REFERENCES a (b), UNIQUE (d));
            CREATE UNIQUE INDEX i ON a (b)",
            "`a`: 0 of 3 rows: CHECK constraint failed: b <> b\n`c`: 0 of 3 rows: references `a`, which has no rows",
        ),
        (
            "CREATE TABLE a (b); CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT raise(ABORT, 'not today'); END",
            "`a`: 0 of 3 rows: not today",
        ),
        (
            "CREATE TABLE a (b); CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT raise(IGNORE); END",
            "`a`: 0 of 3 rows: rows that were inserted are not there",
        ),
        (
            "CREATE TABLE a (b TEXT); CREATE VIRTUAL TABLE c USING fts5(b, content = 'a')",
            "`a`: 3 rows\n`c`: 0 of 3 rows: its content is that of another table, so its rows come from triggers",
        ),
        // Each of these needs a row of the other one that its check refuses.
        (
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b NOT NULL REFERENCES b);
            CREATE TABLE b (id INTEGER PRIMARY KEY, a NOT NULL REFERENCES a, CHECK (id <> id))",
            "`a`: 0 of 3 rows: its rows would reference missing rows\n`b`: 0 of 3 rows: CHECK constraint failed: id <> id",
        ),
    ] {
        let conn = made(schema);
        let filled = fill(&conn, 3);
        assert_eq!(filled.to_string(), expected, "{schema}");
        if filled.tables.iter().any(|table| table.rows < 3) {
            assert!(message(|| filled.assert_complete()).starts_with("rows are missing:\n`"));
        }
        assert_eq!(rows(&conn, "PRAGMA foreign_key_check").len(), 0);
    }
}

#[test]
fn a_trigger_that_ends_the_transaction_ends_the_attempt() {
    let conn = made(
        "CREATE TABLE a (b); CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT raise(ROLLBACK, 'all is undone'); END",
    );
    assert_eq!(message(|| drop(fill(&conn, 3))), "all is undone");
    assert!(conn.is_autocommit());
}

#[test]
fn rows_can_be_made_in_a_transaction_of_the_caller_and_undone_with_it() {
    let conn = made("CREATE TABLE a (id INTEGER PRIMARY KEY, up NOT NULL REFERENCES a)");
    conn.execute_batch("BEGIN").unwrap();
    fill(&conn, 3).assert_complete();
    assert_eq!(rows(&conn, "PRAGMA defer_foreign_keys"), ["0"]);
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(rows(&conn, "SELECT * FROM a").len(), 0);
}

#[test]
fn the_rows_are_the_same_every_time() {
    let all = || {
        rows(
            &filled("CREATE TABLE a (b, c TEXT CHECK (c GLOB '[x-z]*'), d REAL CHECK (b < d))").0,
            "SELECT * FROM a",
        )
    };
    assert_eq!(all(), all());
}

#[test]
fn a_check_against_null_leaves_the_other_columns_null() {
    for (columns, nullable) in [
        ("b TEXT, c TEXT CHECK (typeof(c) = 'text')", "b"),
        ("b TEXT, c TEXT CHECK (c IS NOT NULL), d INT CHECK (typeof(d) IN ('integer'))", "b"),
        ("b TEXT, c INT, d INT, CHECK ((\"c\" IS NULL) = (\"d\" IS NULL))", "c"),
        ("b INT, c INT UNIQUE CHECK (c IN (1, 2, 3, 4, 5, 6) AND c IS NOT NULL)", "b"),
        ("b INT, c INT, d INT, e INT, f INT, CHECK (c IS NOT NULL OR d IS NOT NULL)", "coalesce(b, e, f)"),
    ] {
        let conn = made(&format!("CREATE TABLE a ({columns})"));
        fill(&conn, 3).assert_complete();
        let found = rows(&conn, &format!("SELECT count(*) - count({nullable}) FROM a"));
        assert_eq!(found, ["1"], "{columns}: {:?}", rows(&conn, "SELECT * FROM a"));
    }
}

#[test]
fn a_full_text_table_without_content_is_filled() {
    let conn = made("CREATE VIRTUAL TABLE a USING fts5(b, content = '')");
    fill(&conn, 3).assert_complete();
    assert_eq!(rows(&conn, "SELECT count(*) FROM a"), ["3"]);
}

#[test]
fn a_foreign_key_without_a_key_is_a_problem_under_both_settings() {
    for schema in [
        "CREATE TABLE p (x); CREATE TABLE a (b NOT NULL REFERENCES p)",
        "CREATE TABLE p (x); CREATE TABLE a (b NOT NULL REFERENCES p (y))",
        "CREATE TABLE p (x); CREATE TABLE a (b NOT NULL REFERENCES p (x))",
    ] {
        for enforced in ["ON", "OFF"] {
            let conn = made(&format!("PRAGMA foreign_keys = {enforced}; {schema}"));
            let filled = fill(&conn, 3);
            let of_a = filled.tables.iter().find(|table| table.table == "a").unwrap();
            assert!(of_a.rows == 0 && of_a.problem.is_some(), "{schema}: {filled}");
            assert!(filled.to_string().contains("foreign key mismatch"), "{schema}: {filled}");
        }
    }
}

#[test]
fn a_row_with_null_has_null_in_all_columns_but_one_if_all_are_refused() {
    // The name of a table decides which values are drawn.
    for name in ["a", "b", "c", "d", "e", "f"] {
        let conn = made(&format!(
            "CREATE TABLE {name} (x INT, y INT, z INT, u INT, v INT, CHECK (y IS NOT NULL OR z IS NOT NULL));
            CREATE TABLE {name}2 (x INT, y INT, z INT, u INT, v INT);
            CREATE TRIGGER t BEFORE INSERT ON {name}2 WHEN new.y IS NULL BEGIN SELECT raise(ABORT, 'no'); END"
        ));
        fill(&conn, 3).assert_complete();
        for table in [name.to_owned(), format!("{name}2")] {
            let nulls = "(x IS NULL) + (y IS NULL) + (z IS NULL) + (u IS NULL) + (v IS NULL)";
            assert_eq!(rows(&conn, &format!("SELECT max({nulls}) FROM {table}")), ["4"], "{table}");
        }
    }
}

#[test]
fn a_row_in_four_repeats_the_values_of_another_one_where_it_may() {
    for (schema, expected) in [
        ("CREATE TABLE a (b TEXT NOT NULL, c INT)", "b 1|1"),
        ("CREATE TABLE a (b TEXT UNIQUE, c INT, d TEXT NOT NULL DEFAULT 'd')", "b 4|1|d 1"),
        ("CREATE TABLE a (b TEXT, c INT, d REAL, PRIMARY KEY (b, c)) WITHOUT ROWID", "b 1|4|1.5"),
        (
            "CREATE TABLE a (b TEXT, c TEXT, d INT); CREATE UNIQUE INDEX i ON a (lower(c)) WHERE d > 0",
            "b 1|c 4|1",
        ),
        ("CREATE TABLE a (b INT REFERENCES p, c INT); CREATE TABLE p (id INTEGER PRIMARY KEY)", "1|1"),
    ] {
        let next = Migration::sql("2_next", "SELECT 1");
        let migrations = TestMigrations::of([Migration::sql("1_it", schema), next]).with_equal_rows();
        migrations
            .check_after("2_next", move |conn| {
                let shown = rows(conn, "SELECT * FROM a");
                assert!(shown.iter().any(|row| row == expected), "{schema}: {shown:?}");
                assert_eq!(shown.len(), 4);
            })
            .verify_each_step_on_data();
    }
}

/// The greatest number is the last that SQLite gives out: with `AUTOINCREMENT`, the table would be full.
#[test]
fn a_table_that_numbers_its_rows_is_not_full_after_some() {
    let conn = made(
        "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b INT NOT NULL, c INT NOT NULL, CHECK (b < c), CHECK (c - b <= 100))",
    );
    fill(&conn, 200).assert_complete();
}

#[test]
fn a_part_of_a_key_that_references_nothing_has_a_value() {
    let conn = made(
        "CREATE TABLE nodes (tree INT NOT NULL, id INT NOT NULL, up INT, PRIMARY KEY (tree, id),
            FOREIGN KEY (tree, up) REFERENCES nodes (tree, id)) STRICT, WITHOUT ROWID;
        CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b));
        CREATE TABLE c (a INT NOT NULL, b INT, FOREIGN KEY (a, b) REFERENCES p)",
    );
    fill(&conn, 4).assert_complete();
    assert_foreign_keys_intact(&conn);
    assert_eq!(rows(&conn, "SELECT count(*) > count(up) AND count(up) > 0 FROM nodes"), ["1"]);
    assert_eq!(rows(&conn, "SELECT count(*) > count(b) AND count(b) > 0 FROM c"), ["1"]);
}

#[test]
fn the_row_with_null_is_referenced_whatever_indexes_there_are() {
    for index in ["", "CREATE INDEX i ON p (name)", "CREATE UNIQUE INDEX i ON p (name, id DESC)"] {
        let conn = made(&format!(
            "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INT);
            CREATE TABLE c (id INTEGER PRIMARY KEY, p INT NOT NULL REFERENCES p);
            {index}"
        ));
        fill(&conn, 4).assert_complete();
        let found = rows(&conn, "SELECT count(*) FROM c JOIN p ON p.id = c.p WHERE p.age IS NULL");
        assert_eq!(found, ["1"], "{index}");
    }
}
