//! The functions for a program without a runtime: over `&rusqlite::Connection` and `&mut postgres::Client`.
//!
//! ```
//! use rusqlite::Connection;
//!
//! let conn = Connection::open_in_memory()?;
//! moosicbox_schema::blocking::migrate_config(&conn)?;
//! moosicbox_schema::blocking::migrate_library(&conn)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::*;
#[cfg(feature = "sqlite")]
pub use self::sqlite::*;
