//! [`Mysql`]: the backend over the blocking `mysql` driver, for MySQL and MariaDB.

use super::Schemas;
use crate::dialect::TableName;

mod catalog;
mod driver;
mod exchange;
mod foreign;
mod locks;
mod log;
mod non_transactional;
mod outcome;
mod query;
mod records;
mod script;
mod settings;
mod single_statement;
mod table;
mod transactions;

/// MySQL and MariaDB, through `&mut mysql::Conn`.
///
/// Statements that change a schema commit by themselves here, so a script that has one runs statement by statement, and its record says
/// how far it came; a script that only reads and writes rows of transactional tables is one transaction with its record. Scripts
/// are cut as the `mysql` client cuts them: `DELIMITER` and the bodies of routines are understood. What a script sets on the
/// session is set back after it. The lock against concurrent runs is `GET_LOCK`, which the server frees with the session and which
/// each node of a cluster has for itself: there, use [`Lock::Row`](crate::Lock::Row).
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

/// A schema is a database here.
impl Schemas for Mysql {}

/// The table whose rows [`Lock::Row`](crate::Lock::Row) locks, one for each tracking table.
const LOCKS: &str = "__switchy_locks";

/// The column that says in which order rows were written.
const PLACE: &str = "place";

fn quoted(table: &TableName) -> String {
    table.quoted_in('`')
}
