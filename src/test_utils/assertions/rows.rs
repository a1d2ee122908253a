//! Rows.

use rusqlite::Connection;

use super::objects::table_exists;
use super::text::{difference_of_rows, printable, require};
use crate::dialect::quote;
use crate::printable::Printable;
use crate::test_utils::query::{rows, try_rows};

/// How many rows a message shows at most.
const SHOWN: usize = 10;

/// Asserts that a query gives exactly these rows, in this order. Write the values of a row with `|` between them, as
/// [`rows`](crate::test_utils::rows()) does: `1` for an integer, `1.0` for a real number, `x'00FF'` for a blob, `NULL` for NULL.
///
/// ```
/// # use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::assert_rows;
///
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch("CREATE TABLE users (name, age); INSERT INTO users VALUES ('Ada', 36), ('Grace', NULL)").unwrap();
/// assert_rows(&conn, "SELECT * FROM users ORDER BY name", &["Ada|36", "Grace|NULL"]);
/// ```
///
/// # Panics
/// If the query fails or gives other rows.
#[track_caller]
pub fn assert_rows(conn: &Connection, sql: &str, expected: &[&str]) {
    let found = rows(conn, sql);
    require!(found == expected, "`{sql}` gives other rows:\n{}", difference_of_rows(expected, &found));
}

/// Asserts that a table has this many rows.
///
/// # Panics
/// If the number is another one. The message shows the first rows.
#[track_caller]
pub fn assert_row_count(conn: &Connection, table: &str, expected: usize) {
    let (found, shown) = counted(conn, table);
    require!(found == expected, "`{table}` has {found} rows, not {expected}{shown}");
}

/// Asserts that a table has at least this many rows.
///
/// # Panics
/// If the table has fewer rows. The message shows them.
#[track_caller]
pub fn assert_row_count_at_least(conn: &Connection, table: &str, expected: usize) {
    let (found, shown) = counted(conn, table);
    require!(found >= expected, "`{table}` has {found} rows, not at least {expected}{shown}");
}

/// Asserts that every foreign key references a row that exists. It does not matter whether the connection enforces foreign keys.
///
/// # Panics
/// If the referenced row of a foreign key is missing. The message has the table and the row.
#[track_caller]
pub fn assert_foreign_keys_intact(conn: &Connection) {
    match dangling_rows(conn) {
        Ok(None) => {}
        Ok(Some(message)) => panic!("{}", printable(&message)),
        Err(error) => panic!("the foreign keys cannot be checked: {error}"),
    }
}

/// What is wrong with the references; `None` if nothing is.
pub(crate) fn dangling_rows(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let found = try_rows(
        conn,
        "SELECT '`' || \"table\" || '` row ' || coalesce(rowid, 'without rowid') || ' references `' || parent || '`'
        FROM pragma_foreign_key_check",
    )?;
    Ok((!found.is_empty()).then(|| format!("rows reference missing parents:{}", list(&found))))
}

/// The number of rows of a table, and the first ones for a message.
#[track_caller]
fn counted(conn: &Connection, table: &str) -> (usize, String) {
    table_exists(conn, table);
    let found = rows(conn, &format!("SELECT * FROM main.{}", quote(table)));
    let shown = if found.is_empty() { String::new() } else { format!(":{}", list(&found)) };
    (found.len(), shown)
}

fn list(rows: &[String]) -> String {
    let mut lines: Vec<String> =
        rows.iter().take(SHOWN).map(|row| format!("\n  {}", Printable(row))).collect();
    if rows.len() > SHOWN {
        lines.push(format!("\n  and {} more", rows.len() - SHOWN));
    }
    lines.concat()
}
