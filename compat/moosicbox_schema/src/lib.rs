//! The migrations of MoosicBox on [`switchy_schema`]: the `migrate_...` functions of `moosicbox_schema`, with their signatures, on
//! `&dyn Database`; and [blocking] ones, with `&rusqlite::Connection` and `&mut postgres::Client`.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let db = switchy_database_connection::init_sqlite_sqlx(None).await?;
//! moosicbox_schema::migrate_config(&*db).await?;
//! moosicbox_schema::migrate_library(&*db).await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `README.md` lists the differences from the published crate.
//!
//! # Environment variables
//!
//! * `MOOSICBOX_SKIP_MIGRATION_EXECUTION=1` records the pending migrations without running them.
//! * `MOOSICBOX_DROP_MIGRATIONS_TABLE=1` drops the tracking table first.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `sqlite` | the functions for SQLite, and the driver `sqlite-sqlx` |
//! | `postgres` | the functions for PostgreSQL, and the driver `postgres-raw` |
//!
//! | `fail-on-warnings` | nothing: packages of MoosicBox name it |
//!
//! The first two are on by default, and one of them is needed. The application enables other drivers in `switchy_database`.

pub mod blocking;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod either;
mod environment;
mod error;
mod migrations;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use switchy_database;
pub use switchy_schema;
pub use switchy_schema_database;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use crate::either::{migrate_config, migrate_library, migrate_library_until};
pub use crate::error::MigrateError;
pub use crate::migrations::{Migrations, TABLE};
#[cfg(feature = "postgres")]
pub use crate::postgres::*;
#[cfg(feature = "sqlite")]
pub use crate::sqlite::*;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
