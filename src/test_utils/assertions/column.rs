//! Columns.

use rusqlite::Connection;

use super::objects::{read, table_exists};
use super::text::{difference, missing, printable, require, tokens_of_column as tokens};
use crate::dialect::quote;
use crate::sql::same_name;

/// Asserts the type, `NOT NULL`, `DEFAULT` and `PRIMARY KEY` of a column. Write them as in `CREATE TABLE`, such as
/// `"TEXT NOT NULL DEFAULT ''"`. A column that is part of the primary key needs `PRIMARY KEY`.
///
/// `CHECK`, `COLLATE`, `REFERENCES`, `UNIQUE` and everything else is not compared. [`assert_definition`](super::assert_definition) compares the
/// whole table.
///
/// ```
/// # use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::assert_column;
///
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name text NOT NULL DEFAULT 'nobody')").unwrap();
/// assert_column(&conn, "users", "id", "INTEGER PRIMARY KEY");
/// assert_column(&conn, "users", "name", "TEXT DEFAULT 'nobody' NOT NULL");
/// ```
///
/// # Panics
/// If the table or the column does not exist, or the column differs. If `definition` has something that is not compared.
#[track_caller]
pub fn assert_column(conn: &Connection, table: &str, column: &str, definition: &str) {
    let found = existing(conn, table, column);
    let expected = understood(column, definition);
    require!(
        tokens(&expected) == tokens(&found),
        "the column `{column}` of `{table}` is another one:\n{}",
        difference(&expected, &found)
    );
}

/// Asserts that a table has a column.
///
/// # Panics
/// If the table or the column does not exist. The message has the most similar name and all columns.
#[track_caller]
pub fn assert_column_exists(conn: &Connection, table: &str, column: &str) {
    existing(conn, table, column);
}

/// Asserts that a table exists and does not have this column.
///
/// # Panics
/// If the table does not exist, or has the column.
#[track_caller]
pub fn assert_column_not_exists(conn: &Connection, table: &str, column: &str) {
    table_exists(conn, table);
    let columns = read(columns(conn, table));
    let found = columns.iter().find(|(name, _)| same_name(name, column));
    if let Some((name, definition)) = found {
        panic!("{}", printable(&format!("`{table}` has a column `{name}`: {definition}")));
    }
}

/// The definition of a column that must exist.
#[track_caller]
fn existing(conn: &Connection, table: &str, column: &str) -> String {
    table_exists(conn, table);
    let columns = read(columns(conn, table));
    let found = columns.iter().find(|(name, _)| same_name(name, column));
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    found.map_or_else(
        || panic!("{}", missing("column", &format!("columns of `{table}`"), column, &names)),
        |(_, definition)| definition.clone(),
    )
}

/// A definition as SQLite understands it.
#[track_caller]
fn understood(column: &str, definition: &str) -> String {
    let try_it = || -> rusqlite::Result<Vec<(String, String)>> {
        let scratch = Connection::open_in_memory()?;
        scratch.execute_batch(&format!("CREATE TABLE a ({} {definition})", quote(column)))?;
        columns(&scratch, "a")
    };
    let columns = try_it().unwrap_or_else(|error| panic!("`{definition}` does not define a column: {error}"));
    let [(_, understood)] = &columns[..] else { panic!("`{definition}` does not define one column") };
    let sorted = |sql: &str| {
        let mut tokens = tokens(sql);
        // SQLite keeps a default without the parentheses around it.
        tokens.retain(|token| token != "(" && token != ")");
        tokens.sort();
        tokens
    };
    require!(
        sorted(definition) == sorted(understood),
        "`assert_column` compares type, NOT NULL, DEFAULT and PRIMARY KEY, but `{definition}` has something else; \
        use `assert_definition`"
    );
    understood.clone()
}

/// The columns of a table, each with its definition.
fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk > 0, hidden IN (2, 3) FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
    let mut statement = conn.prepare(sql)?;
    let columns = statement.query_map([table], |row| {
        let mut parts: Vec<String> = vec![row.get(1)?];
        let flags = [(2, "NOT NULL"), (4, "PRIMARY KEY"), (5, "GENERATED")];
        for (index, word) in flags {
            if row.get(index)? {
                parts.push(word.to_owned());
            }
        }
        parts.extend(row.get::<_, Option<String>>(3)?.map(|default| format!("DEFAULT {default}")));
        parts.retain(|part| !part.is_empty());
        Ok((row.get(0)?, parts.join(" ")))
    })?;
    columns.collect()
}
