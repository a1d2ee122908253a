//! Rows that respect a schema.

use rusqlite::Connection;

use crate::schema::Schema;

use super::query::definitions;
use cell::{Cell, cells};
use load::{Rows, load};
use table::Table;

pub(super) mod cell;
mod checks;
mod draft;
mod draw;
pub(super) mod filled;
pub(super) mod load;
mod order;
pub(super) mod pool;
pub(super) mod table;

pub use filled::{Filled, FilledTable};

/// How many rows are tried until one is accepted.
const TRIES: usize = 200;

/// Inserts `rows` rows into every table of the application, the same ones every time, and says which tables it could not fill.
///
/// The rows respect what SQLite enforces: types and `STRICT`, `NOT NULL`, primary keys and `UNIQUE`, foreign keys, also to the same table
/// and in cycles, and generated columns. A `CHECK` is not understood: values are tried, among them the literals in it, until SQLite
/// accepts one. In one row of three, columns are `NULL` where they may be; in another one, columns have their default.
///
/// Rows are added to those that are there. Triggers run. All of it is one savepoint. Rows of a full-text table that takes its content from
/// another table come from triggers, so they are not inserted.
///
/// ```
/// use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::{assert_foreign_keys_intact, fill};
///
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch(
///     "CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
///     CREATE TABLE books (author INTEGER NOT NULL REFERENCES authors, state TEXT CHECK (state IN ('lent', 'here')));
///     CREATE TABLE impossible (number INTEGER NOT NULL CHECK (number > number))",
/// )
/// .unwrap();
///
/// let filled = fill(&conn, 3);
/// assert_foreign_keys_intact(&conn);
/// assert_eq!(
///     filled.to_string(),
///     "`authors`: 3 rows\n`books`: 3 rows\n\
///     `impossible`: 0 of 3 rows: CHECK constraint failed: number > number"
/// );
/// ```
///
/// # Panics
/// If the database cannot be read or written, or if a trigger ends the transaction.
#[track_caller]
pub fn fill(conn: &Connection, rows: usize) -> Filled {
    let schema = definitions(conn);
    fill_tables(conn, &schema, rows, &|_| true).unwrap_or_else(|error| panic!("{error}"))
}

/// Fills the tables of a schema whose names are accepted.
///
/// # Errors
/// The database cannot be read or written.
pub(super) fn fill_tables(
    conn: &Connection,
    schema: &Schema,
    rows: usize,
    is_meant: &dyn Fn(&str) -> bool,
) -> rusqlite::Result<Filled> {
    let tables = table::of_schema(conn, schema)?;
    load(conn, &tables, &Plain { rows, is_meant })
}

/// The same rows every time.
struct Plain<'a> {
    rows: usize,
    is_meant: &'a dyn Fn(&str) -> bool,
}

impl Rows for Plain<'_> {
    fn count(&self, table: &Table) -> usize {
        if (self.is_meant)(&table.name) { self.rows } else { 0 }
    }

    fn cells(&self, table: &Table, number: usize, _: usize, attempt: usize) -> Option<Vec<Cell>> {
        (attempt < TRIES).then(|| cells(table, number, attempt))
    }
}
