//! Schema migrations for databases that live inside an application: blocking, built on `rusqlite`.
//!
//! An application calls [`MigrationRunner::run`] at every start. Almost always nothing is pending, and the call is one
//! `SELECT`. When something is pending, each migration is applied with its record in one transaction, completely or not at
//! all, and no user loses a row.
//!
//! ```
//! use include_dir::{Dir, include_dir};
//! use rusqlite::Connection;
//! use switchy_schema::{MigrationRunner, Report};
//!
//! static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/migrations");
//!
//! pub fn migrate(conn: &Connection) -> switchy_schema::Result<Report> {
//!     MigrationRunner::new_embedded(&MIGRATIONS)?.run(conn)
//! }
//!
//! let conn = Connection::open_in_memory()?;
//! println!("{}", migrate(&conn)?);
//! assert!(migrate(&conn)?.is_up_to_date());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to look
//!
//! * The migrations folder: [`layout`]. Other sources of migrations: [`MigrationSource`]. A single migration: [`Migration`].
//! * What a run would do: [`MigrationRunner::plan`]. Where it should end: [`Target`].
//! * The state of a database: [`MigrationRunner::status`], [`MigrationRunner::pending`], [`MigrationRunner::history`]; without its
//!   migrations: [`MigrationState`].
//! * Rolling back: [`MigrationRunner::rollback`], [`MigrationRunner::downgrade`]. What is allowed: [`Policy`],
//!   [`MigrationRunner::confirm`]. Correcting the tracking table: [`Recovery`].
//! * What went wrong: [`MigrationError`], [`Problem`]. What to do then: [`Remedy`], `RECOVERY.md`.
//! * Trying a run on a copy: [`MigrationRunner::rehearse`]. A copy from before a run, and restoring it: `Snapshot`.
//! * Comparing the schema: [`MigrationRunner::drift`]. Ending a run from another thread: [`CancelToken`].
//! * Migrating from another tool: `docs/adopt.md`. Testing your migrations: `docs/testing.md`.
//! * Other databases: [`Backend`]. Servers: `docs/servers.md`.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `sqlite` | yes | the SQLite backend |
//! | `bundled` | yes | SQLite itself, compiled in |
//! | `embedded` | yes | `EmbeddedMigrations`, a folder inside the program |
//! | `diff` | yes | the changed lines in an error about a changed script |
//! | `build` | | `build`, for build scripts: checks, orders and hashes a folder when the program is built |
//! | `directory` | | `DirectoryMigrations`, a folder read at run time |
//! | `code` | | `CodeMigration` and `CodeMigrations` |
//! | `remote` | | `RemoteMigrations`, a folder behind a URL, and `Manifest` |
//! | `all-discovery` | | all sources of migrations: `embedded`, `directory`, `code` and `remote` |
//! | `postgres` | | the PostgreSQL backend, over the blocking `postgres` driver |
//! | `mysql` | | the MySQL and MariaDB backend, over the blocking `mysql` driver |
//! | `adopt` | | adopting databases that another tool migrated: `MigrationRunner::plan_adoption` |
//! | `validation` | | `MigrationRunner::validate`, `validate_source`, `examine` and `prove_reversible` |
//! | `serde` | | `serde::Serialize` for [`Impact`] and what it contains |
//! | `test-utils` | | `test_utils`, with which applications test their migrations |
//! | `proptest` | | `test_utils::strategies`, rows for property tests |

#![cfg_attr(docsrs, feature(doc_cfg))]
// An offset may be of another text, or out of a driver's error. `sql::part` takes any.
#![cfg_attr(not(test), warn(clippy::string_slice))]

// Vocabulary.
mod checksum;
mod dialect;
mod diff;
mod direction;
mod doubt;
mod id;
mod printable;
mod sql;

// Facts.
mod account;
mod cancel;
mod dangling;
mod drift;
mod effect;
mod error;
mod fault;
mod foreign;
mod history;
mod impact;
mod location;
mod log_entry;
mod notice;
#[cfg(feature = "adopt")]
mod objection;
mod placeholder;
mod problem;
mod progress;
mod refusal;
mod remedy;
mod report;
mod schema;
mod script_options;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only SQLite has snapshots"))]
mod snapshot;
mod step;
mod stored;
mod stored_limits;
mod touched;
mod transaction_fit;

// The port and its adapters.
pub mod backend;

// Definitions.
mod discovery;
mod migration;

// Reasoning.
#[cfg(feature = "adopt")]
mod adopt;
mod approval;
mod graph;
mod plan;
mod policy;
mod recovery;
mod status;
mod target;
#[cfg(feature = "validation")]
mod validation;

// Acting.
mod event;
mod execute;
mod hooks;
mod lock;
mod rehearsal;

// Front.
#[cfg(feature = "build")]
pub mod build;
mod runner;
mod state;
#[cfg(feature = "test-utils")]
pub mod test_utils;

pub use crate::account::{Account, ColumnChange, Fate, SchemaObject, TableChange};
#[cfg(feature = "adopt")]
pub use crate::adopt::{Adopt, Adopted, Adoption, Finding, Proof, Tool, UnknownTool};
pub use crate::backend::Backend;
#[cfg(feature = "mysql")]
pub use crate::backend::{Mysql, MysqlOver};
#[cfg(feature = "postgres")]
pub use crate::backend::{Postgres, PostgresOver};
#[cfg(feature = "sqlite")]
pub use crate::backend::{Sqlite, SqliteOver};
pub use crate::cancel::CancelToken;
pub use crate::checksum::{Checksum, ParseChecksumError};
pub use crate::dialect::{Dialect, InvalidTableName, TableName};
pub use crate::direction::Direction;
#[cfg(feature = "directory")]
pub use crate::discovery::DirectoryMigrations;
#[cfg(feature = "embedded")]
pub use crate::discovery::EmbeddedMigrations;
#[cfg(any(feature = "directory", feature = "build", feature = "remote"))]
pub use crate::discovery::Links;
#[cfg(any(feature = "embedded", feature = "directory", feature = "remote", feature = "build"))]
pub use crate::discovery::layout;
#[cfg(feature = "code")]
pub use crate::discovery::{CodeMigration, CodeMigrations};
pub use crate::discovery::{Combined, CompiledMigrations, MigrationSource};
#[cfg(feature = "remote")]
pub use crate::discovery::{Manifest, ManifestFile, RemoteMigrations};
pub use crate::doubt::Doubt;
pub use crate::drift::{Drift, DriftReason};
pub use crate::effect::{Effect, EffectKind, Evidence};
pub use crate::error::{ErrorKind, MigrationError, Result};
pub use crate::event::Event;
pub use crate::fault::{BoxError, FaultKind};
pub use crate::history::{Dirty, History, HistoryDigest, Record};
pub use crate::hooks::Hooks;
pub use crate::id::MigrationId;
pub use crate::impact::{ColumnImpact, RowCounts, StepImpact, TableImpact};
pub use crate::location::{Excerpt, Location};
pub use crate::lock::Lock;
pub use crate::log_entry::{LogEntry, LogEntryKind, Signature};
pub use crate::migration::{Meta, Migration, Origin, Unread};
pub use crate::notice::{Notice, Severity};
#[cfg(feature = "adopt")]
pub use crate::objection::Objection;
pub use crate::placeholder::{Placeholder, Replacement, Secrecy, ValueForm};
pub use crate::plan::{Plan, TransactionMode};
pub use crate::policy::Policy;
pub use crate::printable::Printable;
pub use crate::problem::{Problem, ProblemKind, Verdict};
pub use crate::recovery::Recovery;
pub use crate::rehearsal::{Impact, Rehearsal};
pub use crate::remedy::Remedy;
pub use crate::report::{Applied, Baselined, Report, Together};
pub use crate::runner::MigrationRunner;
pub use crate::schema::{Definition, Schema, SchemaChange};
pub use crate::script_options::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};
pub use crate::snapshot::{
    AfterFailure, PlannedSnapshot, Restored, Snapshot, SnapshotContent, SnapshotInfo, SnapshotKind,
    SnapshotSettings,
};
pub use crate::sql::Position;
pub use crate::state::MigrationState;
pub use crate::status::{Entry, State, Status};
pub use crate::step::Step;
pub use crate::stored::{StoredDown, StoredScript};
pub use crate::stored_limits::StoredLimits;
pub use crate::target::Target;

#[cfg(feature = "mysql")]
pub use mysql;
#[cfg(feature = "postgres")]
pub use postgres;
#[cfg(feature = "sqlite")]
pub use rusqlite;

/// The items that [`embedded!`] needs.
#[doc(hidden)]
pub mod compiled {
    pub use crate::dialect::Dialect;
    pub use crate::discovery::CompiledMigrations;
    pub use crate::discovery::compiled::{Compiled, CompiledPlaceholder, FORMAT, Set};
    pub use crate::migration::Unread;
    pub use crate::placeholder::{Replacement, Secrecy, ValueForm};
    pub use crate::script_options::{Atomicity, Cascade, DataLoss, DownPart, ForeignKeys, RebuildLoss};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// One of the guide's examples uses a remote folder.
#[cfg(all(doctest, feature = "remote"))]
#[doc = include_str!("../RECOVERY.md")]
struct RecoveryGuide;

#[cfg(all(doctest, feature = "test-utils"))]
#[doc = include_str!("../docs/testing.md")]
struct TestingGuide;

#[cfg(all(doctest, feature = "adopt"))]
#[doc = include_str!("../docs/adopt.md")]
struct AdoptionGuide;
