//! Databases and folders of migrations for tests, and what a test of your migrations needs: running them with data, assertions, and rows.
//! Everything here panics on failure. `docs/testing.md` is a guide.
//!
//! * [`TestDatabase`]: a temporary file, a database in memory, or a copy of a fixture.
//! * [`TestMigrations`]: runs your set, with data before a migration and checks after it; [`verify_full_cycle`],
//!   [`verify_each_step_on_data`], [`assert_every_released_version_upgrades`].
//! * [`TestMigrationBuilder`]: a set that the test writes itself.
//! * [`assert_rows`], [`assert_column`] and similar functions: what a database contains, with a diff on failure.
//! * [`fill`]: rows in every table. With the feature `proptest`, [`strategies`] has them for property tests.
//! * [`conformance`]: the tests for a backend of your own.
//!
//! # A migration keeps the rows
//!
//! ```
//! use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, TestMigrations, assert_rows};
//!
//! let set = TestMigrationBuilder::new()
//!     .migration("1_users", "CREATE TABLE users (name TEXT)")
//!     .migration("2_upper", "UPDATE users SET name = upper(name)");
//! let database = TestDatabase::new();
//!
//! TestMigrations::of(&set)
//!     .seed_before("2_upper", |conn| conn.execute_batch("INSERT INTO users VALUES ('Ada')"))
//!     .check_after("2_upper", |conn| assert_rows(conn, "SELECT name FROM users", &["ADA"]))
//!     .run(&database.connect());
//! ```
//!
//! [`verify_full_cycle`]: TestMigrations::verify_full_cycle
//! [`verify_each_step_on_data`]: TestMigrations::verify_each_step_on_data
//! [`assert_every_released_version_upgrades`]: TestMigrations::assert_every_released_version_upgrades

#![allow(clippy::expect_used, reason = "tests panic on failure")]

mod assertions;
mod builder;
pub mod conformance;
mod database;
mod generate;
mod golden;
mod migrations;
mod panics;
mod query;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use assertions::{
    assert_applied, assert_column, assert_column_exists, assert_column_not_exists, assert_definition,
    assert_foreign_keys_intact, assert_index, assert_index_not_exists, assert_not_applied, assert_pending,
    assert_row_count, assert_row_count_at_least, assert_rows, assert_table_exists, assert_table_not_exists,
    assert_trigger, assert_trigger_not_exists, assert_unique, assert_view, assert_view_not_exists,
};
pub use builder::TestMigrationBuilder;
pub use database::TestDatabase;
pub use generate::{Filled, FilledTable, fill};
pub use golden::assert_schema_file;
pub use migrations::TestMigrations;
pub use query::{rows, schema};
