//! Rows for property tests, as strategies of `proptest`.
//!
//! ```
//! use proptest::prelude::*;
//! use switchy_schema::test_utils::{TestDatabase, TestMigrationBuilder, strategies::data};
//! use switchy_schema::Target;
//!
//! let set = TestMigrationBuilder::new()
//!     .migration("1_users", "CREATE TABLE users (name TEXT NOT NULL, age INTEGER CHECK (age >= 0))")
//!     .migration("2_upper", "UPDATE users SET name = upper(name)");
//! let runner = set.runner();
//! let first = TestDatabase::in_memory();
//! runner.run_to(&first.connect(), Target::Steps(1)).unwrap();
//!
//! // Under `proptest!` it is `data in data(&first.connect(), 0..5)`.
//! let strategy = data(&first.connect(), 0..5);
//! proptest!(ProptestConfig { cases: 8, ..Default::default() }, |(data in strategy)| {
//!     let database = TestDatabase::in_memory();
//!     let conn = database.connect();
//!     runner.run_to(&conn, Target::Steps(1)).unwrap();
//!     data.insert(&conn);
//!     let before = database.rows("SELECT upper(name), age FROM users");
//!     runner.run(&conn).unwrap();
//!     assert_eq!(database.rows("SELECT * FROM users"), before);
//! });
//! ```

use std::fmt;
use std::sync::Arc;

use proptest::collection::{SizeRange, vec};
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::generate::Filled;
use super::generate::cell::Cell;
use super::generate::load::{Rows, load};
use super::generate::pool::Kind;
use super::generate::table::{Column, Role, Table, of_schema};
use super::query::definitions;

/// Rows for all tables of a schema. Its Debug shows the rows, so a property test that fails shows them too.
#[derive(Clone)]
pub struct Data {
    tables: Arc<Vec<Table>>,
    /// The rows of each table.
    rows: Vec<Vec<Vec<Cell>>>,
}

/// A strategy that makes rows for every table of a database. The database is only read. `rows` is the number of rows for each table.
///
/// A value is an arbitrary one of the declared type, an unusual one, `NULL`, or the default. If a `CHECK` restricts one column, only values
/// that it accepts are made. A foreign key references any row of the parent.
///
/// # Panics
/// If the database cannot be read.
#[track_caller]
pub fn data(conn: &Connection, rows: impl Into<SizeRange>) -> BoxedStrategy<Data> {
    let schema = definitions(conn);
    let tables =
        of_schema(conn, &schema).unwrap_or_else(|error| panic!("the tables cannot be read: {error}"));
    let tables = Arc::new(tables);
    let size = rows.into();
    let of_table = |table: &Table| {
        let row: Vec<BoxedStrategy<Cell>> = table.columns.iter().map(cell).collect();
        vec(row, size.clone())
    };
    let all: Vec<_> = tables.iter().map(of_table).collect();
    all.prop_map(move |rows| Data { tables: Arc::clone(&tables), rows }).boxed()
}

impl Data {
    /// Inserts the rows into a database with the same schema. The result says how many of them SQLite accepted. A row that violates a
    /// constraint, such as `UNIQUE` or a `CHECK` of several columns, is left out.
    ///
    /// # Panics
    /// If the database cannot be written, or if a trigger ends the transaction.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "the rows are what the caller wants")]
    pub fn insert(&self, conn: &Connection) -> Filled {
        load(conn, &self.tables, self).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Rows for Data {
    fn count(&self, table: &Table) -> usize {
        self.of(table).len()
    }

    fn cells(&self, table: &Table, number: usize, row: usize, attempt: usize) -> Option<Vec<Cell>> {
        let rows = self.of(table);
        // A row that others of a cycle need is one of these too, if there are any.
        let cells = rows.get(row).or_else(|| rows.get(number % rows.len().max(1)));
        cells.filter(|_| attempt == 0).cloned()
    }
}

impl Data {
    fn of(&self, table: &Table) -> &[Vec<Cell>] {
        let place = self.tables.iter().position(|known| known.name == table.name);
        place.map_or(&[], |place| &self.rows[place])
    }
}

fn cell(column: &Column) -> BoxedStrategy<Cell> {
    let mut choices = vec![(8, filled(column))];
    if column.is_nullable {
        choices.push((2, Just(Cell::Null).boxed()));
    }
    if column.has_default || column.role == Role::Rowid {
        choices.push((4, Just(Cell::Default).boxed()));
    }
    proptest::strategy::Union::new_weighted(choices).boxed()
}

fn filled(column: &Column) -> BoxedStrategy<Cell> {
    if column.role == Role::Reference {
        return (0_usize..1000).prop_map(Cell::Parent).boxed();
    }
    let known = select(column.pool.clone()).prop_map(Cell::Value);
    // An arbitrary number can be the greatest, after which SQLite has no next one.
    if column.is_checked || column.role == Role::Rowid {
        return known.boxed();
    }
    let text = vec(any::<char>().prop_filter("a text ends at NUL", |char| *char != '\0'), 0..20);
    let arbitrary = match column.kind {
        Kind::Integer => any::<i64>().prop_map(Value::Integer).boxed(),
        Kind::Real => proptest::num::f64::NORMAL.prop_map(Value::Real).boxed(),
        Kind::Blob => vec(any::<u8>(), 0..20).prop_map(Value::Blob).boxed(),
        Kind::Text | Kind::Any => text.prop_map(|chars| Value::Text(chars.into_iter().collect())).boxed(),
        Kind::Boolean | Kind::Time | Kind::Json => return known.boxed(),
    };
    prop_oneof![arbitrary.prop_map(Cell::Value), known].boxed()
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (table, rows) in self.tables.iter().zip(&self.rows) {
            map.entry(&table.name, rows);
        }
        map.finish()
    }
}
