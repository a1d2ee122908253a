//! Rows that respect a schema.

use rusqlite::Connection;

use crate::schema::Schema;

use super::query::definitions;
use cell::{Cell, cells};
use load::{Rows, load};
use table::Table;
use wanted::{Values, Wanted};

pub(super) mod cell;
mod checks;
mod draft;
mod draw;
pub(super) mod filled;
pub(super) mod load;
mod order;
pub(super) mod pool;
pub(super) mod table;
pub(super) mod wanted;

pub use filled::{Filled, FilledTable};

/// How many times other values are tried for a row.
const TRIES: usize = 200;

/// Inserts `rows` rows into every table. The rows are the same every time. The result says which tables could not be filled;
/// [`Filled::assert_complete`] fails if there is one.
///
/// The rows respect the types, `STRICT`, `NOT NULL`, primary keys, `UNIQUE`, generated columns and foreign keys. Foreign keys can
/// reference the same table or form a cycle. This function does not understand a `CHECK`: it tries values, among them the literals in the
/// `CHECK`, until SQLite accepts one.
///
/// Of four rows, the second has the defaults of its columns, and the third has `NULL` in each column that accepts it. If SQLite refuses that
/// row, one column gets another value, and then more. A column that a foreign key references has no `NULL`, so that it can be referenced. No row
/// repeats the values of another one.
///
/// The rows that are already in a table stay. Triggers run. If the database cannot be written, no row is inserted. A full-text
/// table whose content is another table gets no rows, because triggers insert them. If your runner has a
/// [`table_name`](crate::MigrationRunner::table_name), this function does not know it, and inserts rows into that table too.
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
    fill_tables(conn, &schema, Wanted { rows, values: Values::Distinct }, &|_| true)
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Fills the tables of a schema whose names are accepted.
///
/// # Errors
/// The database cannot be read or written.
pub(super) fn fill_tables(
    conn: &Connection,
    schema: &Schema,
    wanted: Wanted,
    is_meant: &dyn Fn(&str) -> bool,
) -> rusqlite::Result<Filled> {
    let mut tables = table::of_schema(conn, schema)?;
    if wanted.values == Values::Distinct {
        let columns = tables.iter_mut().flat_map(|table| &mut table.columns);
        columns.for_each(|column| column.values = Values::Distinct);
    }
    load(conn, &tables, &Plain { rows: wanted.rows, is_meant })
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
