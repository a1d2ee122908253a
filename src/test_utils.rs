//! Tools for the tests of your migrations. A test fails with a panic. `docs/testing.md` is a guide.
//!
//! * [`TestMigrations`] runs your migrations. The test inserts rows before a migration and checks the result after it. See also
//!   [`verify_full_cycle`], [`verify_each_step_on_data`] and [`assert_every_released_version_upgrades`].
//! * [`TestDatabase`] is a database in a temporary file or in memory, or a copy of a database file; or a database on a server.
//! * [`TestMigrationBuilder`] is a temporary folder of migrations that the test writes.
//! * [`assert_rows`], [`assert_column`] and similar functions compare the content of a database. A failure shows the difference.
//! * [`fill`] inserts rows into every table. With the feature `proptest`, [`strategies`] makes rows for property tests.
//! * [`server`] is for PostgreSQL and MySQL. [`TestDatabase::on_server`] creates a database there.
//! * [`conformance`] tests a backend that you write.
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
mod backend;
mod builder;
pub mod conformance;
mod database;
mod generate;
mod golden;
mod migrations;
mod panics;
mod place;
mod query;
pub mod server;
mod sqlite;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use assertions::{
    assert_applied, assert_column, assert_column_exists, assert_column_not_exists, assert_definition,
    assert_foreign_keys_intact, assert_index, assert_index_not_exists, assert_not_applied, assert_pending,
    assert_row_count, assert_row_count_at_least, assert_rows, assert_table_exists, assert_table_not_exists,
    assert_trigger, assert_trigger_not_exists, assert_unique, assert_view, assert_view_not_exists,
};
pub use backend::{Loaded, TestBackend};
pub use builder::TestMigrationBuilder;
pub use database::TestDatabase;
pub use generate::{Filled, FilledTable, fill};
pub use golden::assert_schema_file;
pub use migrations::TestMigrations;
pub use place::Place;
pub use query::{rows, schema};
