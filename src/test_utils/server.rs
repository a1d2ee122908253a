//! PostgreSQL, MySQL and MariaDB: whether there is a server, and assertions about a database on it.
//!
//! [`TestDatabase::on_server`](super::TestDatabase::on_server) creates a database.
//! [`TestMigrations::for_backend`](super::TestMigrations::for_backend) tests migrations.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")] {
//! use switchy_schema::test_utils::server::assert_rows;
//! use switchy_schema::test_utils::{TestDatabase, TestMigrations};
//! use switchy_schema::{Migration, Postgres};
//!
//! # fn test() {
//! // Without a server, the test prints this and ends.
//! let Some(database) = TestDatabase::<Postgres>::if_available() else { return };
//!
//! TestMigrations::<Postgres>::for_backend([
//!     Migration::sql("1_users", "CREATE TABLE users (name text)"),
//!     Migration::sql("2_upper", "UPDATE users SET name = upper(name)"),
//! ])
//! .seed_before("2_upper", |client| client.batch_execute("INSERT INTO users VALUES ('Ada')"))
//! .check_after("2_upper", |client| assert_rows(client, "SELECT name FROM users", &["ADA"]))
//! .run(&mut database.connect());
//! # }
//! # }
//! ```

mod assertions;
mod database;
mod origin;
#[doc(hidden)]
pub mod process;

pub use assertions::{assert_row_count, assert_rows, assert_schema, assert_schema_file, rows, schema};
pub use database::ServerDatabase;
pub use origin::is_available;
