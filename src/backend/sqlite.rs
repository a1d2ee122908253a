//! [`Sqlite`]: the backend over `rusqlite`.

use crate::backend::locks::Locks;
use crate::dialect::{TableName, qualified};

mod afterwards;
mod attached;
mod beside;
mod bounded;
mod catalog;
mod client;
mod columns;
mod copying;
mod cursor;
mod dangling;
mod driver;
mod explain;
mod fault;
mod file_settings;
mod forecast;
mod foreign;
mod functions;
mod hidden;
mod keys;
mod ledger;
mod likeness;
mod log;
mod over;
mod pragmas;
mod query;
mod query_only;
mod reach;
mod records;
mod refusals;
mod rehearsal;
mod schema;
mod scratch;
mod script;
mod secrecy;
mod settings;
pub(crate) mod snapshot;
mod table;
mod target;
mod tracker;
mod transactions;
mod tripwire;

pub use self::over::SqliteOver;

use self::fault::{fault, message};

/// SQLite, through `&rusqlite::Connection`. It is the default of [`MigrationRunner`](crate::MigrationRunner).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sqlite {}

impl Locks for Sqlite {}

/// The table as SQL names it. Without the schema, the name could refer to a table of an attached or of the temporary database.
fn in_main(table: &TableName) -> String {
    qualified("main", table.as_str())
}
