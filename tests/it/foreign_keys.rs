//! No row is lost to an unintended foreign key action, and no row is left with a dangling reference.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;
use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, rows};
use switchy_schema::{ErrorKind, ForeignKeys, Migration, MigrationRunner, Target, TransactionMode};

use crate::execution::{applied, memory};

/// Notebooks with notes, notes with tags: a delete at the top cascades through three levels.
const LIBRARY: &str = "
    CREATE TABLE notebooks (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE notes (id INTEGER PRIMARY KEY, notebook INTEGER REFERENCES notebooks (id) ON DELETE CASCADE);
    CREATE TABLE tags (note INTEGER REFERENCES notes (id) ON DELETE CASCADE, tag TEXT);
    CREATE TABLE covers (notebook INTEGER REFERENCES notebooks (id) ON DELETE SET NULL);
    INSERT INTO notebooks VALUES (1, 'a'), (2, 'b');
    INSERT INTO notes VALUES (1, 1), (2, 1), (3, 2);
    INSERT INTO tags VALUES (1, 'x'), (3, 'y');
    INSERT INTO covers VALUES (1), (2)";

/// The documented procedure for changes that `ALTER TABLE` cannot make.
const REBUILD: &str = "
    CREATE TABLE notebooks_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
    INSERT INTO notebooks_new SELECT id, name FROM notebooks;
    DROP TABLE notebooks;
    ALTER TABLE notebooks_new RENAME TO notebooks";

/// The same, with the pragmas that many scripts carry by habit.
const REBUILD_WITH_PRAGMAS: &str = "
    PRAGMA foreign_keys = OFF;
    CREATE TABLE notebooks_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '');
    INSERT INTO notebooks_new SELECT id, name FROM notebooks;
    DROP TABLE notebooks;
    ALTER TABLE notebooks_new RENAME TO notebooks;
    PRAGMA foreign_key_check;
    PRAGMA foreign_keys = ON";

const COUNTS: &str = "SELECT (SELECT count(*) FROM notebooks), (SELECT count(*) FROM notes),
    (SELECT count(*) FROM tags), (SELECT count(notebook) FROM covers)";
const ALL: [&str; 1] = ["2|3|2|2"];

/// A connection with the library, with or without enforcement.
fn library(enforced: bool) -> Connection {
    let conn = memory();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    conn.execute_batch(LIBRARY).unwrap();
    if !enforced {
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    }
    conn
}

fn is_enforced(conn: &Connection) -> bool {
    rows(conn, "PRAGMA foreign_keys") == ["1"]
}

fn checked(script: &'static str) -> MigrationRunner {
    MigrationRunner::new([Migration::sql("1_it", script)]).unwrap()
}

fn enforced(script: &'static str) -> Migration {
    Migration::sql("1_it", script).foreign_keys(ForeignKeys::Enforced)
}

/// A well-known trap: a rebuild inside a transaction, after `PRAGMA foreign_keys = OFF`, which is a no-op there. The drop deletes the
/// parent's rows, the cascade deletes the children, and the check finds nothing wrong. rusqlite's bundled SQLite enforces foreign keys by
/// default.
#[test]
fn a_table_rebuild_keeps_the_rows_that_plain_sqlite_loses() {
    for script in [REBUILD, REBUILD_WITH_PRAGMAS] {
        let plain = library(true);
        plain.execute_batch(&format!("BEGIN; {script}; COMMIT")).unwrap();
        assert_eq!(rows(&plain, COUNTS), ["2|0|0|0"], "what others do loses the notes");
        assert_eq!(rows(&plain, "PRAGMA foreign_key_check"), Vec::<String>::new(), "and nothing tells");

        let deferred = library(true);
        deferred.execute_batch(&format!("BEGIN; PRAGMA defer_foreign_keys = ON; {script}; COMMIT")).unwrap();
        assert_eq!(rows(&deferred, COUNTS), ["2|0|0|0"], "deferring does not help");

        for is_on in [true, false] {
            for mode in [TransactionMode::PerMigration, TransactionMode::Batch] {
                let conn = library(is_on);
                checked(script).transaction(mode).run(&conn).unwrap();
                assert_eq!(rows(&conn, COUNTS), ALL, "{script}");
                assert_eq!(is_enforced(&conn), is_on);
                assert_eq!(rows(&conn, "SELECT dflt_value FROM pragma_table_info('notebooks')")[1], "''");
            }
        }
    }
}

#[test]
fn a_rebuild_outside_a_transaction_and_one_in_code_keep_the_rows_too() {
    let non_transactional = Migration::sql("1_it", REBUILD).outside_transaction();
    let code = Migration::code("1_it", |conn: &Connection| conn.execute_batch(REBUILD_WITH_PRAGMAS));
    let back = Migration::reversible("1_it", "SELECT 1", REBUILD);
    for (it, target) in [(non_transactional, None), (code, None), (back, Some(Target::Empty))] {
        let conn = library(true);
        let runner = MigrationRunner::new([it]).unwrap();
        runner.run(&conn).unwrap();
        if let Some(target) = target {
            runner.run_to(&conn, target).unwrap();
        }
        assert_eq!(rows(&conn, COUNTS), ALL);
        assert!(is_enforced(&conn));
    }
}

#[test]
fn rows_that_newly_point_nowhere_are_refused_and_counted() {
    let table = [
        (
            "DELETE FROM notebooks WHERE id = 2",
            "afterwards 1 row of `covers` would reference missing rows of `notebooks`",
        ),
        ("DELETE FROM notes", "afterwards 2 rows of `tags` would reference missing rows of `notes`"),
        ("DROP TABLE notes", "afterwards 2 rows of `tags` would reference missing rows of `notes`"),
        (
            "UPDATE notes SET id = id + 100",
            "afterwards 2 rows of `tags` would reference missing rows of `notes`",
        ),
        (
            "INSERT INTO tags VALUES (77, 'z')",
            "afterwards 1 row of `tags` would reference missing rows of `notes`",
        ),
        (
            "CREATE TABLE pages (note REFERENCES notes); INSERT INTO pages VALUES (8), (9), (9)",
            "afterwards 3 rows of `pages` would reference missing rows of `notes`",
        ),
    ];
    for (script, said) in table {
        for is_on in [true, false] {
            let conn = library(is_on);
            let error = MigrationRunner::new([Migration::from_scripts("1_it", script, None)])
                .unwrap()
                .run(&conn)
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Step, "{script}");
            assert!(error.to_string().contains(said), "{script}: {error}");
            assert!(error.to_string().contains("nothing of it was kept"), "{script}: {error}");
            assert_eq!(rows(&conn, COUNTS), ALL, "{script}");
            assert_eq!(applied(&conn), Vec::<String>::new(), "{script}");
            assert_eq!(is_enforced(&conn), is_on, "{script}");
        }
    }
}

#[test]
fn rows_that_pointed_nowhere_before_are_no_hindrance() {
    let table = [
        ("CREATE TABLE other (a)", None),
        (REBUILD, None),
        ("UPDATE tags SET tag = 'new'", None),
        ("ALTER TABLE tags RENAME TO labels", None),
        ("ALTER TABLE notes RENAME TO pages", None),
        ("DELETE FROM tags WHERE note = 77", None),
        ("INSERT INTO tags VALUES (78, 'w')", Some("afterwards 1 row of `tags`")),
        (
            "DELETE FROM tags WHERE note = 77; INSERT INTO tags VALUES (78, 'w'), (79, 'w')",
            Some("2 rows of `tags`"),
        ),
        ("DELETE FROM notes WHERE id = 3", Some("afterwards 1 row of `tags`")),
    ];
    for (script, refused) in table {
        let conn = library(false);
        conn.execute_batch("INSERT INTO tags VALUES (77, 'z')").unwrap();
        let outcome =
            MigrationRunner::new([Migration::from_scripts("1_it", script, None)]).unwrap().run(&conn);
        match (outcome, refused) {
            (Ok(_), None) => assert_eq!(applied(&conn), ["1_it"]),
            (Err(error), Some(text)) => assert!(error.to_string().contains(text), "{script}: {error}"),
            (outcome, _) => panic!("{script}: {outcome:?}"),
        }
    }
}

#[test]
fn a_batch_may_mend_in_a_later_step_what_an_earlier_one_leaves_open() {
    let scripts = || {
        MigrationRunner::new([
            Migration::sql("1_child", "CREATE TABLE c (p REFERENCES p (id)); INSERT INTO c VALUES (1)"),
            Migration::sql("2_parent", "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1)"),
        ])
        .unwrap()
    };
    let report = scripts().run(&memory()).unwrap();
    assert_eq!(report.together[0].steps, ["1_child", "2_parent"], "without a batch too, {report}");
    assert_eq!(scripts().transaction(TransactionMode::Batch).run(&memory()).unwrap().applied.len(), 2);
}

#[test]
fn whoever_says_off_gets_no_check() {
    let set = TestMigrationBuilder::new()
        .migration("1_it", "DELETE FROM notebooks")
        .metadata("1_it", "foreign_keys = \"off\"");
    for is_on in [true, false] {
        let conn = library(is_on);
        set.runner().run(&conn).unwrap();
        assert_eq!(rows(&conn, COUNTS), ["0|3|2|2"]);
        assert_eq!(is_enforced(&conn), is_on);
    }
}

#[test]
fn the_tripwire_stops_actions_that_change_other_tables() {
    const MORE: &str = "
        CREATE TABLE moving (id INTEGER PRIMARY KEY);
        CREATE TABLE moved (id INTEGER REFERENCES moving (id) ON UPDATE CASCADE ON DELETE SET DEFAULT);
        CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id) ON DELETE CASCADE);
        INSERT INTO moving VALUES (1), (2); INSERT INTO moved VALUES (1);
        INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2)";
    let table = [
        ("DELETE FROM notes WHERE id = 1", "delete a row of `tags`"),
        ("DELETE FROM notes", "delete 2 rows of `tags`"),
        ("DELETE FROM notebooks WHERE id = 1", "change rows of `covers`"),
        ("DROP TABLE notes", "delete 2 rows of `tags`"),
        ("DROP TABLE IF EXISTS \"notes\"", "delete 2 rows of `tags`"),
        ("REPLACE INTO notes VALUES (1, 2)", "delete a row of `tags`"),
        ("INSERT OR REPLACE INTO notes VALUES (1, 2)", "delete a row of `tags`"),
        (
            "WITH old AS (SELECT 1 AS id) DELETE FROM notes WHERE id IN (SELECT id FROM old)",
            "delete a row of `tags`",
        ),
        ("UPDATE moving SET id = 9 WHERE id = 1", "change rows of `moved`"),
        ("DELETE FROM moving WHERE id = 1", "change rows of `moved`"),
        ("UPDATE OR REPLACE notes SET id = 1 WHERE id = 2", "delete a row of `tags`"),
        ("CREATE TABLE fine (a); SELECT 1; DELETE FROM tree WHERE id = 1", "delete 2 rows of `tree`"),
    ];
    for (script, said) in table {
        let conn = library(true);
        conn.execute_batch(MORE).unwrap();
        let dump = |conn: &Connection| -> Vec<Vec<String>> {
            let tables = "SELECT name FROM sqlite_master WHERE type = 'table'
                AND name NOT IN ('__switchy_migrations', 'fine')";
            rows(conn, tables).iter().map(|table| rows(conn, &format!("SELECT * FROM {table}"))).collect()
        };
        let before = dump(&conn);
        for non_transactional in [false, true] {
            let it = || {
                let it = Migration::from_scripts("1_it", script, None).foreign_keys(ForeignKeys::Enforced);
                if non_transactional { it.outside_transaction() } else { it }
            };
            let error = MigrationRunner::new([it()]).unwrap().run(&conn).unwrap_err();
            assert!(
                error.to_string().contains(&format!("its foreign key actions {said}; ")),
                "{script}: {error}"
            );
            assert!(error.to_string().contains("allow = [\"cascade\"]"), "{script}: {error}");
            assert!(error.statement().is_some(), "{script}");
            assert_eq!(dump(&conn), before, "{script}");
            assert!(is_enforced(&conn) && conn.is_autocommit(), "{script}");
            let _ = conn.execute_batch("DELETE FROM __switchy_migrations; DROP TABLE IF EXISTS fine");
        }
        if script.contains("DROP TABLE") {
            // The children are gone then, but their table could not be written any more.
            continue;
        }
        // A migration that declares the cascade gets it.
        let it =
            Migration::from_scripts("1_it", script, None).foreign_keys(ForeignKeys::Enforced).allow_cascade();
        MigrationRunner::new([it]).unwrap().run(&conn).unwrap();
        assert_ne!(dump(&conn), before, "{script}");
        assert_eq!(rows(&conn, "PRAGMA foreign_key_check"), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn the_tripwire_lets_everything_else_pass() {
    let scripts = [
        "DELETE FROM tags",
        "DELETE FROM tags WHERE note = 1",
        "UPDATE tags SET note = 2",
        "UPDATE notes SET notebook = 2",
        "UPDATE notebooks SET name = 'z'",
        "INSERT INTO notes VALUES (9, 1); DELETE FROM notes WHERE id = 9",
        "INSERT INTO notebooks VALUES (9, 'z'); REPLACE INTO notebooks VALUES (9, 'y')",
        "DELETE FROM notes WHERE id = 2",
        "DROP TABLE tags; DROP TABLE covers",
        "DROP INDEX IF EXISTS missing; CREATE TABLE more AS SELECT * FROM notes",
        "ALTER TABLE notes ADD COLUMN body TEXT; ALTER TABLE notes RENAME COLUMN body TO text",
        "CREATE TABLE log (a);
         CREATE TRIGGER t AFTER UPDATE ON notebooks BEGIN
             INSERT INTO log VALUES (new.id); DELETE FROM log; INSERT INTO log VALUES (1), (2), (3);
         END;
         UPDATE notebooks SET name = name || '!'",
        "CREATE TABLE log (a);
         CREATE TRIGGER t AFTER DELETE ON tags BEGIN INSERT INTO log VALUES (old.note); END;
         DELETE FROM tags",
    ];
    for script in scripts {
        let conn = library(true);
        let it = Migration::from_scripts("1_it", script, None).foreign_keys(ForeignKeys::Enforced);
        if let Err(error) = MigrationRunner::new([it]).unwrap().run(&conn) {
            panic!("{script}: {error}");
        }
        assert_eq!(applied(&conn), ["1_it"]);
        assert_eq!(rows(&conn, "PRAGMA foreign_key_check"), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn metadata_says_on_and_allows_the_cascade() {
    let set = |metadata: &str| {
        TestMigrationBuilder::new().migration("1_it", "DELETE FROM notes").metadata("1_it", metadata)
    };
    let conn = library(false);
    let error = set("foreign_keys = \"on\"").runner().run(&conn).unwrap_err();
    assert!(error.to_string().contains("delete 2 rows of `tags`"), "{error}");
    assert_eq!(rows(&conn, COUNTS), ALL);
    set("foreign_keys = \"on\"\nallow = [\"cascade\"]").runner().run(&conn).unwrap();
    assert_eq!(rows(&conn, COUNTS), ["2|0|0|2"]);
    assert!(!is_enforced(&conn), "the caller's setting is back");
}

#[test]
fn under_enforcement_a_violation_is_an_error_at_once_or_at_the_end() {
    let table = [
        ("INSERT INTO tags VALUES (77, 'z')", true),
        ("PRAGMA defer_foreign_keys = ON; INSERT INTO tags VALUES (77, 'z')", false),
        (
            "CREATE TABLE late (note REFERENCES notes DEFERRABLE INITIALLY DEFERRED); INSERT INTO late VALUES (77)",
            false,
        ),
    ];
    for (script, at_once) in table {
        let conn = library(true);
        let it = Migration::from_scripts("1_it", script, None).foreign_keys(ForeignKeys::Enforced);
        let error = MigrationRunner::new([it]).unwrap().run(&conn).unwrap_err();
        assert!(error.to_string().contains("FOREIGN KEY constraint failed"), "{script}: {error}");
        assert_eq!(error.statement().is_some(), at_once, "{script}: {error}");
        assert_eq!(rows(&conn, COUNTS), ALL, "{script}");
        assert_eq!(applied(&conn), Vec::<String>::new(), "{script}");
        assert!(conn.is_autocommit(), "{script}");
    }
}

#[test]
fn whoever_asks_for_enforcement_cannot_switch_it_off() {
    for pragma in [
        "PRAGMA foreign_keys = OFF",
        "pragma foreign_keys(0)",
        "/* so */ PRAGMA main.foreign_keys = 'false';",
        "PRAGMA \"foreign_keys\" = no",
    ] {
        for non_transactional in [false, true] {
            let conn = library(true);
            let script = format!("{pragma};\nDELETE FROM notebooks");
            let it = Migration::from_scripts("1_it", script, None).foreign_keys(ForeignKeys::Enforced);
            let it = if non_transactional { it.outside_transaction() } else { it };
            let error = MigrationRunner::new([it]).unwrap().run(&conn).unwrap_err();
            assert_eq!(error.location().unwrap().position.unwrap().line, 1, "{pragma}");
            assert!(error.to_string().contains("switches off the enforcement"), "{pragma}: {error}");
            assert_eq!(rows(&conn, COUNTS), ALL, "{pragma}");
        }
    }
    for fine in ["PRAGMA foreign_keys = ON", "PRAGMA foreign_keys", "SELECT 'PRAGMA foreign_keys = OFF'"] {
        let it = Migration::from_scripts("1_it", fine, None).foreign_keys(ForeignKeys::Enforced);
        MigrationRunner::new([it]).unwrap().run(&library(true)).unwrap();
    }
}

#[test]
fn the_callers_setting_is_back_however_a_step_ends() {
    type Ending = fn(&Connection) -> rusqlite::Result<()>;
    let endings: [(&str, Ending); 5] = [
        ("success", |_| Ok(())),
        ("failure", |conn| conn.execute_batch("SELEKT")),
        ("orphans", |conn| conn.execute_batch("DELETE FROM notebooks")),
        ("panic", |_| panic!("on purpose")),
        ("the pragma", |conn| conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA foreign_keys = OFF")),
    ];
    for (name, ending) in endings {
        for asked in [ForeignKeys::Checked, ForeignKeys::Enforced, ForeignKeys::Unchecked] {
            for non_transactional in [false, true] {
                for is_on in [true, false] {
                    let conn = library(is_on);
                    let it = Migration::code("1_it", ending).foreign_keys(asked);
                    let it = if non_transactional { it.outside_transaction() } else { it };
                    let runner = MigrationRunner::new([it]).unwrap();
                    let _ = catch_unwind(AssertUnwindSafe(|| runner.run(&conn)));
                    assert_eq!(is_enforced(&conn), is_on, "{name}, {asked:?}, guarded: {non_transactional}");
                    assert!(conn.is_autocommit(), "{name}");
                }
            }
        }
    }
}

/// A foreign key to columns that are not unique is a valid schema, but every check of it is an error in SQLite.
#[test]
fn a_key_that_cannot_be_checked_is_no_hindrance() {
    let conn = memory();
    conn.execute_batch(
        "CREATE TABLE p (a); CREATE TABLE c (a REFERENCES p (a)); CREATE TABLE gone (a REFERENCES nowhere (b));
        PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (1); INSERT INTO gone VALUES (1); PRAGMA foreign_keys = ON",
    )
    .unwrap();
    checked("CREATE TABLE d (e)").run(&conn).unwrap();
    assert_eq!(applied(&conn), ["1_it"]);
}

#[test]
fn names_that_need_quotes_are_checked_and_named() {
    let conn = memory();
    let setup = "CREATE TABLE \"a \"\"parent\" (\"the id\" INTEGER PRIMARY KEY);
        CREATE TABLE \"it's [child]\" (\"of; what\" REFERENCES \"a \"\"parent\" ON DELETE CASCADE);
        INSERT INTO \"a \"\"parent\" VALUES (1); INSERT INTO \"it's [child]\" VALUES (1)";
    conn.execute_batch(setup).unwrap();
    let delete = "DELETE FROM \"a \"\"parent\"";
    let error = checked(delete).run(&conn).unwrap_err();
    assert!(
        error.to_string().contains("1 row of `it's [child]` would reference missing rows of `a \"parent`"),
        "{error}"
    );
    let error = MigrationRunner::new([enforced(delete)]).unwrap().run(&conn).unwrap_err();
    assert!(error.to_string().contains("delete a row of `it's [child]`"), "{error}");
}

#[test]
fn another_connection_keeps_its_own_setting() {
    let database = TestDatabase::new();
    let (conn, other) = (database.connect(), database.connect());
    other.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    checked(LIBRARY).run(&conn).unwrap();
    assert!(is_enforced(&other));
    let refused = other.execute_batch("INSERT INTO tags VALUES (77, 'z')").unwrap_err();
    assert!(refused.to_string().contains("FOREIGN KEY constraint failed"), "{refused}");
}
