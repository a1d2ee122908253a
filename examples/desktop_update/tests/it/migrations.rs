//! The migrations of the application, as its authors test them.

use desktop_update::{Trouble, Version};
use switchy_schema::test_utils::{
    TestDatabase, TestMigrations, assert_column, assert_row_count, assert_rows,
};

/// The migrations of the newest version.
fn migrations() -> TestMigrations {
    TestMigrations::of(Version::Three.migrations(Trouble::None))
}

#[test]
fn every_tag_of_a_note_becomes_a_tag_of_its_own_and_empty_notes_go() {
    migrations()
        .seed_before("2026-03-01-090000_tags", |conn| {
            conn.execute_batch(
                "INSERT INTO note (text, tag) VALUES ('soap', 'shop'), ('run', 'sport'), ('', 'nothing')",
            )
        })
        .check_after("2026-03-01-090000_tags", |conn| {
            assert_rows(conn, "SELECT name FROM tag ORDER BY name", &["nothing", "people", "shop", "sport"]);
            assert_row_count(conn, "note", 7);
        })
        .check_after("2026-03-01-091500_no_empty_notes", |conn| assert_row_count(conn, "note", 5))
        .check_after("2026-06-02-100000_number_tags", |conn| {
            assert_column(conn, "tag", "number", "INTEGER");
            assert_rows(conn, "SELECT count(*), count(DISTINCT number) FROM tag", &["4|4"]);
        })
        .run(&TestDatabase::in_memory().connect());
}

#[test]
fn each_migration_runs_on_rows() {
    migrations().verify_each_step_on_data();
}

#[test]
fn the_file_of_every_released_version_can_be_opened() {
    migrations()
        .check_after("2026-06-02-100000_number_tags", |conn| {
            assert_rows(conn, "SELECT text FROM note WHERE text LIKE 'mine:%'", &["mine: a letter"]);
        })
        .assert_every_released_version_upgrades("tests/fixtures");
}

#[test]
fn the_schema_is_the_one_that_was_reviewed() {
    migrations().assert_schema_file("tests/schema.sql");
}
