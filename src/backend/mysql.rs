//! [`Mysql`]: the backend over the blocking `mysql` driver, for MySQL and MariaDB.

use super::Schemas;
use crate::dialect::TableName;

mod blocker;
mod catalog;
mod client;
mod client_settings;
mod column;
mod dangling;
mod driver;
mod exchange;
mod fired;
mod foreign;
mod holder;
mod inventory;
mod locks;
mod log;
mod non_transactional;
mod outcome;
mod over;
mod query;
mod records;
mod refusals;
mod rights;
mod row_group;
mod schema;
mod script;
mod settings;
mod single_statement;
mod statement;
mod table;
mod tables;
#[cfg(feature = "test-utils")]
mod testing;
mod transactions;
mod warnings;

pub use self::over::MysqlOver;

/// MySQL and MariaDB, through `&mut mysql::Conn`.
///
/// Statements that change a schema commit implicitly. A script with such a statement therefore runs statement by statement, and its
/// record says how far it got. A script that only reads and writes rows of transactional tables is one transaction with its record.
/// Scripts are split as the `mysql` client splits them: `DELIMITER` and the bodies of routines are understood. Session settings that a
/// script changes are restored after it. The lock against concurrent runs is `GET_LOCK`. The server releases it when the session ends,
/// and each node of a cluster has its own: on a cluster, use [`Lock::Row`](crate::Lock::Row).
///
/// ```no_run
/// use switchy_schema::{Migration, MigrationRunner, Mysql};
///
/// let mut conn = mysql::Conn::new("mysql://app@localhost/app")?;
/// let runner = MigrationRunner::<Mysql>::for_backend([
///     Migration::reversible("1_users", "CREATE TABLE users (name TEXT)", "DROP TABLE users"),
/// ])?;
/// println!("{}", runner.run(&mut conn)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mysql {}

/// In MySQL, a schema is a database.
impl Schemas for Mysql {}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = TableName::LOCKS;

/// The column with the order in which rows were written.
const PLACE: &str = "place";

fn quoted(table: &TableName) -> String {
    table.quoted_in('`')
}
