//! The migrations of MoosicBox on [`switchy_schema`]: the functions that `moosicbox_schema` has, blocking, over
//! `&rusqlite::Connection` and `&mut postgres::Client`.
//!
//! ```
//! use rusqlite::Connection;
//!
//! let conn = Connection::open_in_memory()?;
//! moosicbox_schema::migrate_config(&conn)?;
//! moosicbox_schema::migrate_library(&conn)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `README.md` says what is as it was and what is not.
//!
//! # Environment variables
//!
//! * `MOOSICBOX_SKIP_MIGRATION_EXECUTION=1` records what is pending, and runs nothing.
//! * `MOOSICBOX_DROP_MIGRATIONS_TABLE=1` drops the tracking table first.
//!
//! # Features
//!
//! | feature | what it gives |
//! |---|---|
//! | `sqlite` | the functions over SQLite |
//! | `bundled` | SQLite itself, compiled in |
//! | `postgres` | the functions over PostgreSQL |
//!
//! All are on by default.

mod environment;
mod error;
mod migrations;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

pub use switchy_schema;

pub use crate::error::MigrateError;
pub use crate::migrations::{Migrations, TABLE};
#[cfg(feature = "postgres")]
pub use crate::postgres::*;
#[cfg(feature = "sqlite")]
pub use crate::sqlite::*;

#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
