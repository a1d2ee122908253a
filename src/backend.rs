//! What the engine needs from a database: [`Backend`], in four parts.
//!
//! | part | what it is | must be written |
//! |---|---|---|
//! | [`Driver`] | the connection, its transactions, the scripts that run on it | yes |
//! | [`Records`] | the tracking table and its log | yes |
//! | [`Locks`] | the database's own locks | no: the default has none |
//! | [`Catalog`] | what else the database holds | no: the default knows nothing |
//!
//! A small backend implements the first two parts, and adds `impl Locks for Toy {}` and `impl Catalog for Toy {}`; it is then a
//! [`Backend`].
//! `examples/custom_backend.rs` is a complete example. `test_utils::conformance` (feature `test-utils`) checks a backend.

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod foreign;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod last_row;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod non_transactional;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod own_tables;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "test-utils", any(feature = "postgres", feature = "mysql")))]
mod programs;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod refused;
#[cfg(any(feature = "sqlite", feature = "mysql"))]
mod row_count;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod script_faults;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server_forecast;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod server_ledger;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server_transactions;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod statements;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod table;
#[cfg(feature = "test-utils")]
mod testing;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod transaction_fit;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod transaction_rules;

mod catalog;
mod client_part;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod client_rows;
mod clock;
mod driver;
mod faults;
mod locks;
mod records;
mod retry;
mod script;
mod session;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod set_back;
mod tracking_table;

pub use self::catalog::{
    Catalog, CopyObserver, ForecastRequest, Measure, Prepare, RanSteps, RehearsalPlace, RehearsalRequest,
    Rehearsed, Replayed, Source,
};
pub use self::client_part::ClientPart;
#[cfg(feature = "test-utils")]
pub(crate) use self::clock::utc;
pub use self::clock::utc_now;
pub(crate) use self::driver::interruptible;
pub use self::driver::{Driver, Progress, atomically};
pub(crate) use self::faults::changes_tracking_table;
pub use self::locks::{Blocker, LockAttempt, Locks};
#[cfg(feature = "mysql")]
pub use self::mysql::{Mysql, MysqlOver};
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresOver};
pub use self::records::Records;
pub(crate) use self::records::Witness;
pub(crate) use self::retry::patiently;
pub(crate) use self::script::Listener;
pub use self::script::{Scope, Script};
pub use self::session::Session;
#[cfg(feature = "sqlite")]
pub(crate) use self::sqlite::snapshot;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Sqlite, SqliteOver};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use self::statements::{Statements, Texts};
#[cfg(feature = "test-utils")]
pub use self::testing::{ServerCommands, TestConnection, TestDriver, TestServer};
pub use self::tracking_table::{TableForm, TrackingTable};

pub use crate::account::{Execution, StepFinding};
pub use crate::cancel::{Interrupted, Interrupter};
pub use crate::dangling::{Dangling, KeyValues};
pub use crate::effect::{FailureCause, Forecast, PlannedScript, QuotedText, Sample, Trust, Unparented};
pub use crate::fault::Fault;
pub use crate::foreign::{Cell, ForeignTable};
pub use crate::history::Head;
pub use crate::impact::{DataState, Measured};
pub use crate::notice::Notices;
pub use crate::progress::{ScriptProgress, StatementOutcome};
pub use crate::refusal::Refusal;
pub use crate::schema::{Definition, Schema};
pub use crate::touched::{Touch, Touched};
pub use crate::transaction_fit::{TransactionConflict, TransactionFit};

/// A database that the engine can migrate. Every type that implements the four parts is a backend.
///
/// The type is a *marker* without values: the connection keeps the type of its driver, and the call is `runner.run(&conn)`.
pub trait Backend: Driver + Records + Locks + Catalog {}

impl<B: Driver + Records + Locks + Catalog> Backend for B {}

/// A backend whose tables are in schemas, so that [`MigrationRunner::schema`](crate::MigrationRunner::schema) can name one.
pub trait Schemas: Backend {}
