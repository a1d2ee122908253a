//! A set is tried as its author would: with data, step by step, back, and from old databases.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use rusqlite::functions::FunctionFlags;
use switchy_schema::test_utils::{
    TestDatabase, TestMigrationBuilder, TestMigrations, assert_applied, assert_pending, assert_rows,
    assert_table_exists, assert_table_not_exists, rows,
};
use switchy_schema::{Migration, MigrationRunner, Target};

use super::message;

const USERS: Migration =
    Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users");
const UPPER: Migration = Migration::reversible(
    "2_upper",
    "UPDATE users SET name = upper(name)",
    "UPDATE users SET name = lower(name)",
);
const NOTES: Migration =
    Migration::reversible("3_notes", "CREATE TABLE notes (text TEXT)", "DROP TABLE notes");

fn set() -> TestMigrations {
    TestMigrations::of([USERS, UPPER.clone(), NOTES])
}

/// The number of rows in the tracking table.
fn applied(database: &TestDatabase) -> String {
    database.rows("SELECT count(*) FROM __switchy_migrations").concat()
}

#[test]
fn seeds_and_checks_run_between_the_migrations_that_they_name() {
    let said = Rc::new(RefCell::new(Vec::new()));
    let say = |word: &str| {
        let (said, word) = (Rc::clone(&said), word.to_owned());
        move |conn: &rusqlite::Connection| {
            let tables: i64 = conn
                .query_row("SELECT count(*) FROM sqlite_master WHERE name IN ('users', 'notes')", [], |row| {
                    row.get(0)
                })
                .unwrap();
            said.borrow_mut().push(format!("{word} {tables}"));
        }
    };
    let seed = |word: &str| {
        let say = say(word);
        move |conn: &rusqlite::Connection| {
            say(conn);
            Ok(())
        }
    };
    let database = TestDatabase::new();
    set()
        .check_after("3_notes", say("after 3"))
        .seed_before("1_users", seed("before 1"))
        .seed_before("3_notes", seed("before 3"))
        .check_undone("3_notes", say("undone 3"))
        .seed_before("3_notes", seed("again before 3"))
        .check_after("1_users", say("after 1"))
        .check_undone("1_users", say("undone 1"))
        .run(&database.connect());
    assert_eq!(
        *said.borrow(),
        [
            "before 1 0",
            "after 1 1",
            "before 3 1",
            "again before 3 1",
            "after 3 2",
            "undone 3 1",
            "undone 1 0"
        ]
    );
}

#[test]
fn data_goes_through_the_migrations() {
    let database = TestDatabase::in_memory();
    let conn = database.connect();
    set()
        .seed_before("2_upper", |conn| conn.execute_batch("INSERT INTO users VALUES ('Ada')"))
        .check_after("2_upper", |conn| assert_rows(conn, "SELECT * FROM users", &["ADA"]))
        .up_to("2_upper")
        .run(&conn);
    assert_table_not_exists(&conn, "notes");
    // The rest, on the same database.
    set().run(&conn);
    assert_table_exists(&conn, "notes");
    assert_eq!(applied(&database), "3");
}

#[test]
fn a_rollback_ends_where_the_run_began() {
    let database = TestDatabase::new();
    let conn = database.connect();
    set().up_to("1_users").run(&conn);
    set().roll_back().run(&conn);
    assert_eq!(
        (applied(&database), database.schema()),
        ("1".to_owned(), vec!["CREATE TABLE users (name TEXT)".to_owned()])
    );
    let keeps =
        Migration::reversible("4_more", "CREATE TABLE more (a); CREATE TABLE kept (b)", "DROP TABLE more");
    assert_eq!(
        message(|| TestMigrations::of([USERS, UPPER.clone(), NOTES, keeps.clone()]).roll_back().run(&conn)),
        "the rollback does not restore the schema:\nextra table `kept`:\n+CREATE TABLE kept (b)"
    );
}

#[test]
fn a_stop_that_would_not_be_made_is_refused_before_anything_runs() {
    let elsewhere = || Migration::sql("9_there", "").environments(["staging"]);
    let tests: [(&dyn Fn(TestMigrations) -> TestMigrations, &str); 5] = [
        (
            &|set| set.check_after("2_uper", |_| {}),
            "`check_after` cannot run: there is no migration `2_uper`, the nearest is `2_upper`",
        ),
        (
            &|set| set.up_to("2_upper").check_after("3_notes", |_| {}),
            "`check_after` cannot run: `3_notes` comes after the end of the run",
        ),
        (
            &|set| set.seed_before("1_users", |_| Ok(())),
            "`seed_before` cannot run: `1_users` is already applied",
        ),
        (
            &|set| set.check_undone("9_there", |_| {}),
            "`check_undone` cannot run: `9_there` is for another environment",
        ),
        (&|set| set.up_to("2_uper"), "there is no migration `2_uper`, the nearest is `2_upper`"),
    ];
    for (test, expected) in tests {
        let database = TestDatabase::new();
        let conn = database.connect();
        set().up_to("1_users").run(&conn);
        let shown =
            message(|| test(TestMigrations::of([USERS, UPPER.clone(), NOTES, elsewhere()])).run(&conn));
        assert!(shown.starts_with(expected), "{shown}");
        assert_eq!(applied(&database), "1");
    }
}

#[test]
fn what_fails_on_the_way_is_named() {
    let database = TestDatabase::new();
    let run = |set: TestMigrations| message(|| set.run(&database.connect()));
    assert_eq!(
        run(set().seed_before("2_upper", |conn| conn.execute_batch("INSERT INTO user VALUES (1)"))),
        "`seed_before` of `2_upper` failed: no such table: user"
    );
    assert_eq!(
        run(set().check_after("2_upper", |conn| assert_rows(conn, "SELECT 1", &["2"]))),
        "`SELECT 1` gives other rows:\n@@ -1 +1 @@\n-2\n+1"
    );
    let broken = TestMigrations::of([USERS, Migration::sql("2_upper", "UPDATE user SET name = 1")]);
    let shown = run(broken);
    assert!(shown.contains("2_upper") && shown.contains("changed"), "{shown}");
}

#[test]
fn the_application_configures_the_runner() {
    let runner = || {
        MigrationRunner::new([
            Migration::sql("1_a", "CREATE TABLE a AS SELECT shout('x') AS b").environments(["test"])
        ])
        .unwrap()
        .environment("test")
        .table_name("applied")
        .unwrap()
        .prepare_connection(|conn| {
            let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
            Ok(conn.create_scalar_function("shout", 1, flags, |context| {
                Ok(context.get::<String>(0)?.to_uppercase())
            })?)
        })
    };
    TestMigrations::new(runner())
        .check_after("1_a", |conn| assert_rows(conn, "SELECT * FROM a", &["X"]))
        .verify_each_step_on_data();
    let database = TestDatabase::new();
    let conn = database.connect();
    runner().prepare(&conn).unwrap();
    TestMigrations::from(runner()).run(&conn);
    assert_eq!(database.rows("SELECT name FROM applied"), ["1_a"]);
}

#[test]
fn a_folder_and_code_are_sets_too() {
    let folder = TestMigrationBuilder::new().reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a");
    TestMigrations::of(&folder).verify_full_cycle();
    TestMigrations::of(switchy_schema::DirectoryMigrations::from_path(folder.path())).verify_full_cycle();
    let code = Migration::code("2_c", |conn| conn.execute_batch("CREATE TABLE c (d)"));
    assert_eq!(
        message(|| TestMigrations::of([code.clone()]).verify_full_cycle()),
        "no way back from `2_c`; write a down script, or verify only what follows: `verify_cycle_after(\"2_c\")`"
    );
    TestMigrations::of([code]).verify_each_step_on_data();
}

#[test]
fn a_full_cycle_finds_what_the_way_back_forgets() {
    for (up, down, expected) in [
        (
            "CREATE TABLE a (b); CREATE INDEX i ON users (name)",
            "DROP TABLE a",
            Some(
                "undoing `2_x` does not restore the schema:\nextra index `i`:\n+CREATE INDEX i ON users (name)",
            ),
        ),
        (
            "CREATE TABLE a (b)",
            "DROP TABLE a; DROP TABLE users",
            Some(
                "undoing `2_x` does not restore the schema:\nmissing table `users`:\n-CREATE TABLE users (name TEXT)",
            ),
        ),
        ("ALTER TABLE users ADD COLUMN age INT", "ALTER TABLE users DROP COLUMN age", None),
        (
            "ALTER TABLE users ADD COLUMN age INT",
            "ALTER TABLE users RENAME COLUMN age TO old_age",
            Some(
                "undoing `2_x` does not restore the schema:\nchanged table `users`:\n@@ -1 +1 @@\n-CREATE TABLE users (name TEXT)\n+CREATE TABLE users (name TEXT, old_age INT)",
            ),
        ),
    ] {
        let set = TestMigrations::of([USERS, Migration::reversible("2_x", up, down), NOTES]);
        match expected {
            Some(expected) => assert_eq!(message(|| set.verify_full_cycle()), expected),
            None => set.verify_full_cycle(),
        }
    }
    let failing =
        TestMigrations::of([USERS, Migration::reversible("2_x", "CREATE TABLE a (b)", "DROP TABLE b")]);
    let shown = message(|| failing.verify_full_cycle());
    assert!(shown.contains("`2_x`") && shown.contains("no such table: b"), "{shown}");
}

#[test]
fn a_cycle_runs_seeds_and_checks_and_can_begin_after_an_irreversible_migration() {
    let seen = Rc::new(RefCell::new(0));
    let count = Rc::clone(&seen);
    let set = TestMigrations::of([Migration::sql("0_old", "CREATE TABLE old (a)"), USERS, UPPER.clone()])
        .seed_before("2_upper", |conn| conn.execute_batch("INSERT INTO users VALUES ('Ada')"))
        .check_after("2_upper", |conn| assert_rows(conn, "SELECT * FROM users", &["ADA"]))
        .check_undone("1_users", move |conn| {
            assert_table_not_exists(conn, "users");
            *count.borrow_mut() += 1;
        });
    set.verify_cycle_after("0_old");
    assert_eq!(*seen.borrow(), 1);
    assert_eq!(
        message(|| set.verify_full_cycle()),
        "no way back from `0_old`; write a down script, or verify only what follows: `verify_cycle_after(\"0_old\")`"
    );
    assert_eq!(
        message(|| set.verify_cycle_after("7_x")),
        "the run does not apply `7_x`, after which the cycle begins"
    );
}

#[test]
fn a_step_that_works_only_on_empty_tables_is_found() {
    const REBUILD: &str = "CREATE TABLE named (name TEXT NOT NULL); INSERT INTO named SELECT name FROM users;
        DROP TABLE users; ALTER TABLE named RENAME TO users";
    for (script, down, expected) in [
        (REBUILD, "", "NOT NULL constraint failed: named.name"),
        (
            "ALTER TABLE users ADD COLUMN age INT NOT NULL",
            "",
            "Cannot add a NOT NULL column with default value NULL",
        ),
        ("CREATE UNIQUE INDEX i ON users (name IS NULL)", "", "UNIQUE constraint failed: index 'i'"),
        (
            "CREATE TABLE named (name TEXT); INSERT INTO named SELECT name FROM users WHERE name IS NOT NULL;
            DROP TABLE users; ALTER TABLE named RENAME TO users",
            "",
            "`users`",
        ),
        ("UPDATE users SET name = coalesce(name, '')", "", ""),
        (
            "ALTER TABLE users ADD COLUMN age INT",
            "CREATE TABLE d (age NOT NULL); INSERT INTO d SELECT age FROM users; DROP TABLE d; ALTER TABLE users DROP COLUMN age",
            "NOT NULL constraint failed: d.age",
        ),
        (
            "PRAGMA ignore_check_constraints = ON; CREATE TABLE a (b CHECK (b > 0)); INSERT INTO a SELECT -count(*) FROM users",
            "",
            "after `2_x`, the database is not intact: CHECK constraint failed in a",
        ),
    ] {
        let step = Migration::sql("2_x", script);
        let step = if down.is_empty() { step } else { Migration::reversible("2_x", script, down) };
        let set = TestMigrations::of([USERS, step]).roll_back();
        if expected.is_empty() {
            set.verify_each_step_on_data();
        } else {
            let shown = message(|| set.verify_each_step_on_data());
            assert!(shown.contains(expected), "{script}: {shown}");
        }
    }
}

#[test]
fn the_way_back_is_tried_on_rows_if_the_test_asks_for_it() {
    let set = || {
        let down = "DROP TABLE notes; DELETE FROM users WHERE name IS NULL";
        TestMigrations::of([
            USERS,
            Migration::reversible("2_notes", "CREATE TABLE notes (a); CREATE TABLE b (c)", down),
        ])
    };
    set().verify_each_step_on_data();
    assert_eq!(
        message(|| set().roll_back().verify_each_step_on_data()),
        "undoing `2_notes` does not restore the schema:\nextra table `b`:\n+CREATE TABLE b (c)"
    );
}

#[test]
fn a_table_that_stays_empty_is_an_error_until_somebody_says_what_to_do() {
    let set = || {
        TestMigrations::of([
            Migration::sql("1_a", "CREATE TABLE a (b NOT NULL CHECK (b = 'an unusual ' || 'value'))"),
            Migration::sql("2_b", "UPDATE a SET b = b"),
        ])
    };
    assert_eq!(
        message(|| set().verify_each_step_on_data()),
        "tables are empty before `2_b`, so it would be tried without rows:\n  \
        `a`: 0 of 3 rows: CHECK constraint failed: b = 'an unusual ' || 'value'\n\
        insert some with `seed_before`, or accept it with `without_generated_rows`"
    );
    set().without_generated_rows("A").verify_each_step_on_data();
    set()
        .seed_before("2_b", |conn| conn.execute_batch("INSERT INTO a VALUES ('an unusual value')"))
        .verify_each_step_on_data();
}

#[test]
fn every_step_has_as_many_rows_as_the_test_asks_for() {
    TestMigrations::of([USERS, UPPER.clone()])
        .rows_per_table(40)
        .check_after("2_upper", |conn| {
            assert_rows(conn, "SELECT count(*) >= 40, count(DISTINCT name) >= 20 FROM users", &["1|1"]);
        })
        .verify_each_step_on_data();
}

#[test]
fn migrations_that_are_valid_only_together_are_one_step() {
    // The first script leaves a child without its parent table, and the second one brings it back.
    let set = || {
        TestMigrations::of([
            Migration::sql("1_a", "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a)"),
            Migration::sql("2_gone", "CREATE TABLE kept AS SELECT * FROM a; DROP TABLE a"),
            Migration::sql(
                "3_back",
                "CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a SELECT id FROM kept; DROP TABLE kept",
            ),
        ])
    };
    set().verify_each_step_on_data();
    for (shown, expected) in [
        (
            message(|| set().seed_before("3_back", |_| Ok(())).verify_each_step_on_data()),
            "`seed_before` cannot run: `3_back` is valid only together with `2_gone`; use `seed_before` with `2_gone`",
        ),
        (
            message(|| set().check_after("2_gone", |_| {}).verify_each_step_on_data()),
            "`check_after` cannot run: `2_gone` is valid only together with `3_back`; use `check_after` with `3_back`",
        ),
    ] {
        assert_eq!(shown, expected);
    }
    set().seed_before("2_gone", |_| Ok(())).check_after("3_back", |_| {}).verify_each_step_on_data();
}

/// A folder of fixtures: version 1 as a database, version 2 as a script.
fn fixtures() -> (TestMigrationBuilder, [PathBuf; 2]) {
    let folder =
        TestMigrationBuilder::new().file("README.md", "where they are from").file(".gitignore", "*-shm");
    let [first, second] = ["v1.db", "v2.sql"].map(|name| folder.path().join(name));
    let conn = rusqlite::Connection::open(&first).unwrap();
    TestMigrations::of([USERS]).run(&conn);
    conn.execute_batch("INSERT INTO users VALUES ('Ada')").unwrap();
    let database = TestDatabase::in_memory();
    let conn = database.connect();
    set().up_to("2_upper").run(&conn);
    conn.execute_batch("INSERT INTO users VALUES ('GRACE')").unwrap();
    fs::write(&second, dump(&database)).unwrap();
    (folder, [first, second])
}

/// A database as a script.
fn dump(database: &TestDatabase) -> String {
    let mut script = database.rows("SELECT sql || ';' FROM sqlite_master WHERE sql IS NOT NULL");
    for table in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'") {
        let values = database.rows(&format!(
            "SELECT group_concat('quote(\"' || name || '\")', ' || '', '' || ') FROM pragma_table_info('{table}')"
        ));
        let insert =
            format!("SELECT 'INSERT INTO {table} VALUES (' || {} || ');' FROM {table}", values.concat());
        script.extend(database.rows(&insert));
    }
    script.join("\n")
}

#[test]
fn released_versions_are_upgraded_on_a_copy() {
    let (folder, [first, _]) = fixtures();
    let before = fs::read(&first).unwrap();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (upper, notes) = (Rc::clone(&seen), Rc::clone(&seen));
    set()
        .seed_before("2_upper", |conn| conn.execute_batch("this seed does not run"))
        .check_after("1_users", |_| panic!("the fixtures have this one already"))
        .check_after("2_upper", move |conn| upper.borrow_mut().push(rows(conn, "SELECT 2, name FROM users")))
        .check_after("3_notes", move |conn| notes.borrow_mut().push(rows(conn, "SELECT 3, name FROM users")))
        .assert_every_released_version_upgrades(folder.path());
    assert_eq!(seen.borrow().concat(), ["2|ADA", "3|ADA", "3|GRACE"]);

    assert!(fs::read(&first).unwrap() == before, "the fixture was changed");
    let copy = TestDatabase::copy_of(&first);
    let runner = MigrationRunner::new([USERS, UPPER.clone()]).unwrap();
    assert_applied(&runner, &copy.connect(), &["1_users"]);
    assert_pending(&runner, &copy.connect(), &["2_upper"]);
}

#[test]
fn each_released_version_that_cannot_be_upgraded_is_named() {
    let (folder, [first, second]) = fixtures();
    // Nobody has migrated this one, so it has no records.
    fs::write(&second, "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('Grace');").unwrap();
    let shown = message(|| {
        set()
            .check_after("2_upper", |conn| assert_rows(conn, "SELECT * FROM users", &["Ada"]))
            .assert_every_released_version_upgrades(folder.path());
    });
    let begin = format!(
        "of 2 released versions, 2 cannot be upgraded:\n\n\
        {}: `SELECT * FROM users` gives other rows:\n@@ -1 +1 @@\n-Ada\n+ADA\n\n{}: migration `1_users` failed",
        first.display(),
        second.display()
    );
    assert!(shown.starts_with(&begin), "{shown}");
}

#[test]
fn a_fixture_that_differs_from_a_new_database_is_found() {
    let (folder, [first, second]) = fixtures();
    fs::remove_file(second).unwrap();
    let conn = rusqlite::Connection::open(&first).unwrap();
    conn.execute_batch("CREATE INDEX by_hand ON users (name)").unwrap();
    let only =
        |what: &str| format!("of 1 released versions, 1 cannot be upgraded:\n\n{}: {what}", first.display());
    let upgrade = || message(|| set().assert_every_released_version_upgrades(folder.path()));
    assert_eq!(
        upgrade(),
        only(
            "the schema is not that of a new database:\nextra index `by_hand`:\n+CREATE INDEX by_hand ON users (name)"
        )
    );
    conn.execute_batch(
        "PRAGMA foreign_keys = OFF; DROP INDEX by_hand; CREATE UNIQUE INDEX i ON users (name);
        CREATE TABLE pets (owner REFERENCES users (name)); INSERT INTO pets VALUES ('x')",
    )
    .unwrap();
    assert_eq!(
        upgrade(),
        only("before the upgrade, rows reference missing parents:\n  `pets` row 1 references `users`")
    );
    // The program of the test is older than the one that made the fixture.
    conn.execute_batch("DROP TABLE pets; DROP INDEX i").unwrap();
    MigrationRunner::new([USERS, UPPER.clone(), NOTES]).unwrap().run_to(&conn, Target::Latest).unwrap();
    let older = TestMigrations::of([USERS, UPPER.clone()]);
    let shown = message(|| older.assert_every_released_version_upgrades(folder.path()));
    assert!(shown.contains("3_notes"), "{shown}");
}

#[test]
fn a_folder_without_fixtures_proves_nothing() {
    let folder = TestMigrationBuilder::new().file("README.md", "");
    assert_eq!(
        message(|| set().assert_every_released_version_upgrades(folder.path())),
        format!("the folder of fixtures {} has no database and no script", folder.path().display())
    );
    let missing = folder.path().join("missing");
    assert_eq!(
        message(|| set().assert_every_released_version_upgrades(&missing)),
        format!(
            "the folder of fixtures {} cannot be read: No such file or directory (os error 2)",
            missing.display()
        )
    );
}

/// Rows that are all different let a migration pass that fails for the first user with two equal ones.
#[test]
fn a_migration_that_makes_a_column_unique_meets_equal_values() {
    const TABLE: Migration = Migration::sql("1_a", "CREATE TABLE a (b TEXT NOT NULL, c INT)");
    for up in [
        "CREATE UNIQUE INDEX i ON a (b)",
        "CREATE UNIQUE INDEX i ON a (c)",
        "CREATE UNIQUE INDEX i ON a (b, c)",
    ] {
        let shown = message(|| {
            let migrations = || TestMigrations::of([TABLE, Migration::sql("2_unique", up)]);
            migrations().verify_each_step_on_data();
            migrations().with_equal_rows().verify_each_step_on_data();
        });
        assert!(shown.contains("UNIQUE constraint failed: a."), "{up}: {shown}");
    }
    let without_equal_rows = Migration::sql(
        "2_unique",
        "DELETE FROM a WHERE rowid NOT IN (SELECT min(rowid) FROM a GROUP BY b); CREATE UNIQUE INDEX i ON a (b)",
    );
    TestMigrations::of([TABLE, without_equal_rows]).with_equal_rows().verify_each_step_on_data();
}
