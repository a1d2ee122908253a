//! The migrations of MoosicBox on [`switchy_schema`]: the functions of `moosicbox_schema`, but blocking, with `&rusqlite::Connection` and
//! `&mut postgres::Client`.
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
//! `README.md` lists the differences from `moosicbox_schema`.
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
//! | `sqlite` | the functions for SQLite |
//! | `bundled` | SQLite itself, compiled in |
//! | `postgres` | the functions for PostgreSQL |
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
