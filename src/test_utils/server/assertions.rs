//! Assertions about a database on a server. What a failure shows is the difference.

use std::path::Path;

use crate::backend::{TestConnection, TestDriver};
use crate::test_utils::assertions::{difference, difference_of_rows, printable, require};
use crate::test_utils::backend::TestBackend;
use crate::test_utils::golden;

/// The result of a query: one string for each row, with the values separated by `|`, as the server writes them.
///
/// NULL is written as `NULL`. PostgreSQL writes `t` for true and `\x00ff` for a `bytea`. MySQL writes `1` for true; a blob is written as
/// `x'00FF'`.
///
/// # Panics
/// If the query fails.
#[track_caller]
pub fn rows<C: TestConnection>(conn: &mut C, sql: &str) -> Vec<String> {
    C::Backend::rows(&mut C::Backend::borrow(conn), sql)
        .unwrap_or_else(|fault| panic!("{}", printable(&format!("the query `{sql}` fails: {fault}"))))
}

/// Asserts that a query gives exactly these rows, in this order. Write the values of a row with `|` between them, as [`rows`] does.
///
/// # Panics
/// If the query fails or gives other rows.
#[track_caller]
pub fn assert_rows<C: TestConnection>(conn: &mut C, sql: &str, expected: &[&str]) {
    let found = rows(conn, sql);
    require!(found == expected, "`{sql}` gives other rows:\n{}", difference_of_rows(expected, &found));
}

/// Asserts that a table has this many rows. On PostgreSQL, a table in another schema is written `schema.table`.
///
/// # Panics
/// If the number is another one, or if there is no such table.
#[track_caller]
pub fn assert_row_count<C: TestConnection>(conn: &mut C, table: &str, expected: u64) {
    match C::Backend::count(&mut C::Backend::borrow(conn), table) {
        Some(found) => require!(found == expected, "`{table}` has {found} rows, not {expected}"),
        None => panic!(
            "{}",
            printable(&format!("the rows of `{table}` cannot be counted; does the table exist?"))
        ),
    }
}

/// The definitions of everything in the database: tables with their columns and constraints, indexes, views, triggers, routines,
/// sequences, types, on PostgreSQL in all schemas. Those of the engine and of the server are left out.
///
/// # Panics
/// If the database cannot be read.
#[track_caller]
pub fn schema<C: TestConnection<Backend: TestBackend>>(conn: &mut C) -> Vec<String> {
    C::Backend::schema_lines(conn)
}

/// Asserts that the database has exactly these definitions, as [`schema`] returns them.
///
/// # Panics
/// If the definitions differ.
#[track_caller]
pub fn assert_schema<C: TestConnection<Backend: TestBackend>>(conn: &mut C, expected: &[&str]) {
    let found = schema(conn);
    require!(
        found == expected,
        "the schema is another one:\n{}",
        difference(&expected.join("\n"), &found.join("\n"))
    );
}

/// Asserts that the schema of a database is the same as the text in a file, as
/// [`assert_schema_file`](crate::test_utils::assert_schema_file) does for SQLite.
///
/// # Panics
/// If the texts differ, or if the file cannot be read.
#[track_caller]
pub fn assert_schema_file<C: TestConnection<Backend: TestBackend>>(conn: &mut C, path: impl AsRef<Path>) {
    let schema = C::Backend::whole_schema(conn);
    if let Err(message) = golden::compare(path.as_ref(), &schema.to_string()) {
        panic!("{message}");
    }
}
