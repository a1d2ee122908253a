//! A test that would prove nothing fails, and says why.

use std::cell::Cell;
use std::rc::Rc;

use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, TestMigrations};
use switchy_schema::{DirectoryMigrations, Migration};

use super::message;

const A: Migration = Migration::reversible("1_a", "CREATE TABLE a (b)", "DROP TABLE a");
const C: Migration = Migration::reversible("2_c", "CREATE TABLE c (d)", "DROP TABLE c");

#[test]
fn a_set_without_migrations_is_refused() {
    let folder = TestMigrationBuilder::new();
    let set = || TestMigrations::of(DirectoryMigrations::from_path(folder.path()));
    let expected = "the set has no migration that a new database gets, so there is nothing to test; \
        are the folder and the environment the right ones?";
    assert_eq!(message(|| set().verify_full_cycle()), expected);
    assert_eq!(message(|| set().verify_each_step_on_data()), expected);
    let released = TestMigrationBuilder::new().file("v1.sql", "CREATE TABLE a (b)");
    assert_eq!(message(|| set().assert_every_released_version_upgrades(released.path())), expected);
    assert_eq!(message(|| set().assert_schema_file(folder.path().join("schema"))), expected);
}

#[test]
fn a_cycle_that_undoes_nothing_is_refused() {
    assert_eq!(
        message(|| TestMigrations::of([A, C]).verify_cycle_after("2_c")),
        "no migration follows `2_c`, so the cycle would undo nothing"
    );
    assert_eq!(
        message(|| TestMigrations::of([A, C]).check_undone("1_a", |_| {}).verify_cycle_after("1_a")),
        "`check_undone` cannot run: the cycle does not undo `1_a`"
    );
}

#[test]
fn a_check_of_the_way_back_runs_on_generated_rows_too() {
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    TestMigrations::of([A, C])
        .check_undone("2_c", move |_| count.set(count.get() + 1))
        .verify_each_step_on_data();
    assert_eq!(seen.get(), 1);
    let without_down = Migration::sql("3_e", "CREATE TABLE e (f)");
    assert_eq!(
        message(|| TestMigrations::of([A, without_down.clone()])
            .check_undone("3_e", |_| {})
            .verify_each_step_on_data()),
        "`check_undone` cannot run: `3_e` has no way back; write a down script"
    );
}

#[test]
fn a_table_without_generated_rows_must_exist_at_some_step() {
    assert_eq!(
        message(|| TestMigrations::of([A, C]).without_generated_rows("aa").verify_each_step_on_data()),
        "`without_generated_rows` names the table `aa`, which no step finds; correct the name, or remove it"
    );
}

#[test]
fn the_way_back_must_keep_the_rows() {
    let down = "DROP TABLE c; DELETE FROM a WHERE b IS NULL";
    let loses = || TestMigrations::of([A, Migration::reversible("2_c", "CREATE TABLE c (d)", down)]);
    let expected = |before, now| {
        format!(
            "undoing `2_c` loses rows:\n  `a` had {before} rows before `2_c` and before undoing it, and has {now} now"
        )
    };
    assert_eq!(message(|| loses().roll_back().verify_each_step_on_data()), expected(3, 2));
    loses().roll_back().without_generated_rows("a").verify_each_step_on_data();
    let seeded =
        || loses().seed_before("2_c", |conn| conn.execute_batch("INSERT INTO a VALUES (1), (2), (NULL)"));
    assert_eq!(message(|| seeded().verify_full_cycle()), expected(3, 2));
    // What the way up has deleted or added is not a loss of the way back.
    for (up, down) in [
        ("DELETE FROM a WHERE b IS NULL", "SELECT 1"),
        ("INSERT INTO a VALUES ('x')", "DELETE FROM a WHERE b = 'x'"),
        ("INSERT INTO a VALUES ('x')", "SELECT 1"),
    ] {
        let set = || TestMigrations::of([A, Migration::reversible("2_c", up, down)]);
        set().roll_back().verify_each_step_on_data();
        set()
            .seed_before("2_c", |conn| conn.execute_batch("INSERT INTO a VALUES (NULL)"))
            .verify_full_cycle();
    }
}

/// What a test says about one fixture.
fn said_of(name: &str, content: &[u8]) -> String {
    let folder = TestMigrationBuilder::new().file(name, content);
    let shown = message(|| TestMigrations::of([A]).assert_every_released_version_upgrades(folder.path()));
    shown.replace(&folder.path().display().to_string(), "")
}

#[test]
fn a_fixture_that_is_empty_or_cut_off_is_refused() {
    const EMPTY: &str = "the fixture has no table, so no released version left it";
    let only = |what: &str| format!("of 1 released versions, 1 cannot be upgraded:\n\n{what}");
    assert_eq!(said_of("v1.db", b""), only(&format!("/v1.db: {EMPTY}")));
    assert_eq!(said_of("v1.sql", b"-- nothing"), only(&format!("/v1.sql: {EMPTY}")));
    assert_eq!(
        said_of("v1.sql", b"BEGIN TRANSACTION; CREATE TABLE a (b); INSERT INTO a VALUES (1);"),
        only(
            "/v1.sql: the fixture /v1.sql cannot be copied: the script ends inside a transaction, so nothing of it \
            would be kept; is its end missing?"
        )
    );
}

#[test]
fn a_fixture_in_a_folder_of_its_own_is_upgraded_too() {
    let folder = TestMigrationBuilder::new()
        .file("v1.sql", "CREATE TABLE x (y)")
        .file("v2/notes.sql", "CREATE TABLE x (y); CREATE TABLE by_hand (z)")
        .file(".git/v3.sql", "this is no fixture");
    let shown = message(|| TestMigrations::of([A]).assert_every_released_version_upgrades(folder.path()));
    let shown = shown.replace('\\', "/");
    assert!(shown.starts_with("of 2 released versions, 2 cannot be upgraded:"), "{shown}");
    assert!(shown.contains("v2/notes.sql: "), "{shown}");
}

#[cfg(unix)]
#[test]
fn a_fixture_that_a_link_does_not_find_is_refused() {
    let database = TestDatabase::new();
    let folder = TestMigrationBuilder::new().file("v1.sql", "CREATE TABLE x (y)");
    std::os::unix::fs::symlink(database.path(), folder.path().join("v2.db")).unwrap();
    let shown = message(|| TestMigrations::of([A]).assert_every_released_version_upgrades(folder.path()));
    assert!(shown.contains("/v2.db cannot be copied: No such file or directory"), "{shown}");
}

#[test]
fn a_check_of_released_versions_with_a_wrong_name_is_refused() {
    let folder = TestMigrationBuilder::new();
    let released = rusqlite::Connection::open(folder.path().join("v1.db")).unwrap();
    TestMigrations::of([A]).run(&released);
    let set = TestMigrations::of([A, C]).check_after("2_d", |_| {});
    let shown = message(|| set.assert_every_released_version_upgrades(folder.path()));
    assert!(shown.starts_with("`check_after` cannot run: there is no migration `2_d`"), "{shown}");
}
