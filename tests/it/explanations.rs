//! The errors of SQLite, each provoked on a real database, and what they say to do.

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, rows};
use switchy_schema::{ForeignKeys, Migration, MigrationRunner, Problem};

use crate::execution::{memory, set};
use crate::sentences::is_one_sentence;

const TRIP: &str = "CREATE TABLE trip (id INTEGER PRIMARY KEY, name TEXT, km INTEGER, code TEXT UNIQUE);
    INSERT INTO trip (name, km) VALUES ('a', 1), ('a', 1), ('b', 2), ('A', 3);
    CREATE TABLE log (x);
    CREATE INDEX trip_km ON trip (km)";
const VIEW: &str = "CREATE VIEW v AS SELECT id, name FROM trip";
const TRIGGER: &str =
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE trip SET km = 0 WHERE name = 'x'; END";
const REBUILD: &str = "CREATE TABLE n (id INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO n SELECT id, name FROM trip; DROP TABLE trip; ALTER TABLE n RENAME TO trip";

/// Statements for a database with [`TRIP`], the script that fails, SQLite's message, and the remedy.
const FAILURES: [(&str, &str, &str, &str); 27] = [
    (
        VIEW,
        REBUILD,
        "error in view v: no such table: main.trip",
        "drop the view `v` first and create it again afterwards, or put `PRAGMA legacy_alter_table = ON` before that statement",
    ),
    (
        TRIGGER,
        REBUILD,
        "error in trigger t: no such table: main.trip",
        "drop the trigger `t` first and create it again afterwards, or put `PRAGMA legacy_alter_table = ON` before that statement",
    ),
    (
        VIEW,
        "ALTER TABLE trip DROP COLUMN name",
        "error in view v after drop column: no such column: name",
        "drop the view `v` first, and create it again without the column afterwards",
    ),
    (
        TRIGGER,
        "ALTER TABLE trip DROP COLUMN name",
        "error in trigger t after drop column: no such column: name",
        "drop the trigger `t` first, and create it again without the column afterwards",
    ),
    (
        "",
        "ALTER TABLE trip DROP COLUMN km",
        "error in index trip_km after drop column: no such column: km",
        "drop the index `trip_km` first",
    ),
    (
        "CREATE TABLE c (a, b CHECK (a > 0))",
        "ALTER TABLE c DROP COLUMN a",
        "error in table c after drop column: no such column: a",
        "a constraint or a generated column of `c` needs that column: rebuild the table without both",
    ),
    (
        "",
        "ALTER TABLE trip DROP COLUMN id",
        "cannot drop PRIMARY KEY column: \"id\"",
        "rebuild the table: create a new table without the column, copy the rows, drop the old one, rename the new one",
    ),
    (
        "",
        "ALTER TABLE trip DROP COLUMN code",
        "cannot drop UNIQUE column: \"code\"",
        "rebuild the table: create a new table without the column, copy the rows, drop the old one, rename the new one",
    ),
    (
        "",
        "ALTER TABLE log DROP COLUMN x",
        "cannot drop column \"x\": no other columns exist",
        "drop the table if nothing of it is needed",
    ),
    (
        "",
        "CREATE UNIQUE INDEX u ON trip (name)",
        "UNIQUE constraint failed: trip.name",
        "rows that are already in the table are the cause (1 value is in several rows): find them with `SELECT name, count(*) FROM trip WHERE name IS NOT NULL GROUP BY name HAVING count(*) > 1`, and merge or change them first",
    ),
    (
        "INSERT INTO trip (name) VALUES ('b')",
        "CREATE UNIQUE INDEX main.u ON trip (lower(name), /* kilo */ \"km\"\n DESC) WHERE id < 9 ;",
        "UNIQUE constraint failed: index 'u'",
        "rows that are already in the table are the cause (1 value is in several rows): find them with `SELECT (lower(name)), \"km\", count(*) FROM main.trip WHERE (id < 9) AND (lower(name)) IS NOT NULL AND \"km\" IS NOT NULL GROUP BY (lower(name)), \"km\" HAVING count(*) > 1`, and merge or change them first",
    ),
    (
        "INSERT INTO trip (name) VALUES ('B')",
        "CREATE UNIQUE INDEX IF NOT EXISTS u ON trip (name COLLATE NOCASE ASC)",
        "UNIQUE constraint failed: trip.name",
        "rows that are already in the table are the cause (2 values are in several rows): find them with `SELECT (name COLLATE NOCASE), count(*) FROM trip WHERE (name COLLATE NOCASE) IS NOT NULL GROUP BY (name COLLATE NOCASE) HAVING count(*) > 1`, and merge or change them first",
    ),
    (
        "CREATE TABLE n (id, name UNIQUE)",
        "INSERT INTO n SELECT id, name FROM trip",
        "UNIQUE constraint failed: n.name",
        "the rows that it copies are the cause (1 value is in several rows): find them with `WITH copied(id, name) AS (SELECT id, name FROM trip) SELECT name, count(*) FROM copied WHERE name IS NOT NULL GROUP BY name HAVING count(*) > 1`, and merge or change them first",
    ),
    (
        "CREATE TABLE n (\"a b\" PRIMARY KEY, x)",
        "INSERT INTO main.n (\"a b\") SELECT lower(name) -- all\n FROM trip;",
        "UNIQUE constraint failed: n.a b",
        "the rows that it copies are the cause (1 value is in several rows): find them with `WITH copied(\"a b\") AS (SELECT lower(name) FROM trip) SELECT \"a b\", count(*) FROM copied WHERE \"a b\" IS NOT NULL GROUP BY \"a b\" HAVING count(*) > 1`, and merge or change them first",
    ),
    (
        "CREATE TABLE n (name UNIQUE); INSERT INTO n VALUES ('b')",
        "INSERT INTO n SELECT name FROM trip WHERE id = 3",
        "UNIQUE constraint failed: n.name",
        "the rows are the cause: several of them have the same values there, so merge or change them first",
    ),
    (
        "CREATE TABLE n (code NOT NULL)",
        "INSERT INTO n SELECT code FROM trip",
        "NOT NULL constraint failed: n.code",
        "a row has no value there: write one, for example with coalesce, or give the column a DEFAULT",
    ),
    (
        "CREATE TABLE n (km CHECK (km < 3))",
        "INSERT INTO n SELECT km FROM trip",
        "CHECK constraint failed: km < 3",
        "the rows are the cause: correct those that violate the constraint first",
    ),
    (
        "CREATE TABLE n (km INTEGER) STRICT",
        "INSERT INTO n SELECT name FROM trip",
        "cannot store TEXT value in INTEGER column n.km",
        "the rows are the cause: convert the values, for example with CAST, since the table is STRICT",
    ),
    (
        "",
        "ALTER TABLE trip ADD COLUMN s NOT NULL",
        "Cannot add a NOT NULL column with default value NULL",
        "give the column a DEFAULT that is not NULL",
    ),
    (
        "",
        "ALTER TABLE trip ADD COLUMN s DEFAULT CURRENT_TIMESTAMP",
        "Cannot add a column with non-constant default",
        "give the column a constant DEFAULT and fill it with an UPDATE, or rebuild the table",
    ),
    (
        "",
        "ALTER TABLE trip ADD COLUMN s UNIQUE",
        "Cannot add a UNIQUE column",
        "add the column without UNIQUE, then CREATE UNIQUE INDEX on it",
    ),
    (
        "",
        "ALTER TABLE trip ADD COLUMN s PRIMARY KEY",
        "Cannot add a PRIMARY KEY column",
        "rebuild the table: create a new table with the column, copy the rows, drop the old one, rename the new one",
    ),
    (
        "",
        "SELECT is_word(name) FROM trip",
        "no such function: is_word",
        "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name",
    ),
    (
        "",
        "SELECT name FROM trip ORDER BY name COLLATE by_len",
        "no such collation sequence: by_len",
        "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name",
    ),
    (
        "",
        "CREATE VIRTUAL TABLE w USING fts5(a, tokenize = 'words')",
        "no such tokenizer: words",
        "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name",
    ),
    (
        "",
        "CREATE VIRTUAL TABLE w USING fts4(a, tokenize=words)",
        "unknown tokenizer: words",
        "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name",
    ),
    (
        "",
        "CREATE VIRTUAL TABLE w USING words(a)",
        "no such module: words",
        "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name",
    ),
];

#[test]
fn an_error_of_sqlite_says_what_to_do() {
    for (setup, script, message, remedy) in FAILURES {
        for is_outside in [false, true] {
            let conn = memory();
            conn.execute_batch(&format!("{TRIP}; {setup}")).unwrap();
            let it = Migration::from_scripts("1_it", script, None);
            let it = if is_outside { it.outside_transaction() } else { it };
            let error = MigrationRunner::new(vec![it]).unwrap().run(&conn).expect_err(script);
            let said = error.to_string();
            assert!(said.contains(message), "{script}\n{said}");
            assert!(said.contains(remedy), "{script}\n{said}\nlacks\n{remedy}");
            is_one_sentence(&said);
        }
    }
}

/// This is an error only if foreign keys are enforced.
#[test]
fn a_referencing_column_with_a_default_is_explained() {
    for (keys, is_error) in [(ForeignKeys::Enforced, true), (ForeignKeys::Unchecked, false)] {
        let conn = memory();
        conn.execute_batch(TRIP).unwrap();
        let it = Migration::sql("1_it", "ALTER TABLE trip ADD COLUMN s REFERENCES trip DEFAULT 1")
            .foreign_keys(keys);
        let outcome = MigrationRunner::new([it]).unwrap().run(&conn);
        assert_eq!(outcome.is_err(), is_error);
        let said = outcome.map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(said.contains("with non-NULL default value; nothing of it was kept; leave out the DEFAULT and fill the column with an UPDATE"), is_error, "{said}");
    }
}

/// What the remedies say works, and what resembles an error is none.
#[test]
fn a_script_that_follows_the_remedy_runs() {
    let legacy = format!("PRAGMA legacy_alter_table = ON; {REBUILD}");
    let anew = format!("DROP VIEW v; {REBUILD}; {VIEW}");
    let rows_of = |conn: &Connection| rows(conn, "SELECT id, name FROM v");
    for (setup, script) in [
        (VIEW, &*legacy),
        (VIEW, &anew),
        (VIEW, "DROP VIEW v; ALTER TABLE trip DROP COLUMN code_; CREATE VIEW v AS SELECT id, name FROM trip"),
        (VIEW, "DROP INDEX trip_km; ALTER TABLE trip DROP COLUMN km"),
        (VIEW, "CREATE UNIQUE INDEX u ON trip (code)"),
        (VIEW, "CREATE UNIQUE INDEX u ON trip (name) WHERE km > 1"),
        (VIEW, "ALTER TABLE trip ADD COLUMN s NOT NULL DEFAULT 'x'"),
    ] {
        let conn = memory();
        conn.execute_batch(&format!("{TRIP}; {setup}; ALTER TABLE trip ADD COLUMN code_")).unwrap();
        let before = rows_of(&conn);
        let it = Migration::from_scripts("1_it", script.to_owned(), None);
        MigrationRunner::new(vec![it]).unwrap().run(&conn).unwrap();
        assert_eq!(rows_of(&conn), before, "{script}");
    }
}

#[test]
fn what_an_application_defines_is_registered_where_scripts_are_tried() {
    let script =
        "CREATE TABLE a (b TEXT); INSERT INTO a VALUES ('x'); SELECT b FROM a ORDER BY b COLLATE by_len";
    let runner = || set([("2025-01-01-000000_it", script)]);
    let of_fails = |found: Vec<Problem>| {
        let fails = found.into_iter().find(|it| it.to_string().contains("collation"));
        fails.map(|it| it.remedy.unwrap().to_string())
    };
    let remedy = "if the application defines it, register it on the connection, and with `prepare_connection` on those that try scripts out, or correct its name";
    assert_eq!(of_fails(runner().validate_source()).as_deref(), Some(remedy));
    assert_eq!(of_fails(runner().validate(&memory()).unwrap()).as_deref(), Some(remedy));
    let prepare = |conn: &Connection| Ok(conn.create_collation("by_len", |a, b| a.len().cmp(&b.len()))?);
    let runner = runner().prepare_connection(prepare);
    assert_eq!(of_fails(runner.validate_source()), None);
    let conn = memory();
    runner.prepare(&conn).unwrap();
    assert_eq!(runner.run(&conn).unwrap().applied.len(), 1);
}

#[test]
fn a_key_may_be_why_a_file_is_no_database() {
    let database = TestDatabase::new();
    std::fs::write(database.path(), [7; 4096]).unwrap();
    let said = set([("1_a", "")]).run(&database.connect()).unwrap_err().to_string();
    let said = said.replace(&format!(": {}", database.path().display()), "");
    assert!(said.ends_with("file is not a database; check the path; if the file is encrypted, the key is wrong or was not set; if it is not, restore it from a backup"), "{said}");
    // A damaged page is not a matter of the key.
    let database = TestDatabase::new();
    database.connect().execute_batch("CREATE TABLE a (b)").unwrap();
    let mut bytes = std::fs::read(database.path()).unwrap();
    bytes[100..4096].fill(7);
    std::fs::write(database.path(), bytes).unwrap();
    let said = set([("1_a", "")]).run(&database.connect()).unwrap_err().to_string();
    assert!(!said.contains("key"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_file_in_wal_mode_needs_a_writable_folder() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    for (mode, is_read) in [("WAL", false), ("DELETE", true)] {
        let database = TestDatabase::new();
        let conn = database.connect();
        rows(&conn, &format!("PRAGMA journal_mode = {mode}"));
        set([("1_a", "")]).run(&conn).unwrap();
        drop(conn);
        std::fs::remove_file(database.path().with_file_name("test.db-migrate")).unwrap();
        let folder = database.path().parent().unwrap().to_owned();
        set_permissions(&folder, Permissions::from_mode(0o555)).unwrap();
        // The superuser may write anywhere.
        let is_writable = std::fs::write(folder.join("probe"), "").is_ok();
        let outcome = set([("1_a", "")]).run(&database.connect());
        set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        match outcome {
            Ok(report) => assert!(report.is_up_to_date() && (is_read || is_writable)),
            Err(error) => {
                assert!(!is_read, "{error}");
                assert!(
                    error.to_string().contains("in WAL mode even to read; or open it with `immutable=1`"),
                    "{error}"
                );
            }
        }
    }
}
