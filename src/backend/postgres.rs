//! [`Postgres`]: the backend over the blocking `postgres` driver.

use super::Schemas;
use crate::dialect::TableName;

mod bodies;
mod callers;
mod catalog;
mod client;
mod dangling;
mod deletions;
mod dependents;
mod driver;
mod estimate;
mod fired;
mod foreign;
mod inventory;
mod locks;
mod log;
mod non_transactional;
mod notices;
mod outcome;
mod over;
mod query;
mod quiet;
mod records;
mod refusals;
mod rehearsal;
mod replay;
mod rights;
mod schema;
mod script;
mod settings;
mod table;
mod tables;
#[cfg(feature = "test-utils")]
mod testing;
mod transactions;

pub use self::over::PostgresOver;

use self::query::{execute, fault, query};

/// PostgreSQL, through `&mut postgres::Client`.
///
/// Scripts run statement by statement, so that an error has its line and column. Session settings that a script changes (`search_path`, a
/// role) are restored after it. The lock against concurrent runs is an advisory lock, which the server releases when the session ends.
///
/// ```no_run
/// use postgres::{Client, NoTls};
/// use switchy_schema::{Migration, MigrationRunner, Postgres};
///
/// let mut client = Client::connect("host=localhost user=app", NoTls)?;
/// let runner = MigrationRunner::<Postgres>::for_backend([
///     Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users"),
/// ])?;
/// println!("{}", runner.run(&mut client)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postgres {}

impl Schemas for Postgres {}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = TableName::LOCKS;

/// The column with the order in which rows were written.
const PLACE: &str = "place";
