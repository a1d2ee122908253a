//! Tables, indexes, triggers and views.

use rusqlite::Connection;

use super::text::{difference, missing, printable, quoted, require, tokens};
use crate::sql::same_name;
use crate::test_utils::query::definitions;

/// What `sqlite_master` calls an object, and the word for several.
type Kind = (&'static str, &'static str);

const TABLE: Kind = ("table", "tables");
const INDEX: Kind = ("index", "indexes");
const TRIGGER: Kind = ("trigger", "triggers");
const VIEW: Kind = ("view", "views");

/// Asserts that a table exists.
///
/// # Panics
/// If it does not exist. The message has the most similar name and all tables of the application.
#[track_caller]
pub fn assert_table_exists(conn: &Connection, table: &str) {
    exists(conn, TABLE, table);
}

/// Asserts that no table has this name.
///
/// # Panics
/// If the table exists.
#[track_caller]
pub fn assert_table_not_exists(conn: &Connection, table: &str) {
    not_exists(conn, TABLE, table);
}

/// Asserts that an index has exactly these columns of a table, in this order. For a column in descending order, write `"date DESC"`.
///
/// `UNIQUE`, `WHERE`, expressions and collations are not compared. [`assert_definition`] compares the whole index.
///
/// ```
/// # use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::assert_index;
///
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch("CREATE TABLE notes (tag, date); CREATE INDEX newest ON notes (tag, date DESC)").unwrap();
/// assert_index(&conn, "newest", "notes", &["tag", "date DESC"]);
/// ```
///
/// # Panics
/// If the index does not exist, or has another table or other columns.
#[track_caller]
pub fn assert_index(conn: &Connection, index: &str, table: &str, columns: &[&str]) {
    exists(conn, INDEX, index);
    let key = index_columns(conn, index);
    let of: String = read(conn.query_row(
        "SELECT tbl_name FROM main.sqlite_master WHERE type = 'index' AND name = ?1 COLLATE NOCASE",
        [index],
        |row| row.get(0),
    ));
    let (expected, found) =
        (format!("{table} ({})", columns.join(", ")), format!("{of} ({})", key.join(", ")));
    require!(
        same_name(&expected, &found),
        "the index `{index}` is another one:\n{}",
        difference(&expected, &found)
    );
}

/// Asserts that no index has this name.
///
/// # Panics
/// If the index exists.
#[track_caller]
pub fn assert_index_not_exists(conn: &Connection, index: &str) {
    not_exists(conn, INDEX, index);
}

/// Asserts that SQLite refuses a second row with the same values in these columns. The table must have a primary key, a `UNIQUE`
/// constraint or a unique index of exactly these columns. Their order does not matter. A unique index with `WHERE` does not count.
///
/// SQLite accepts any number of rows with NULL in one of these columns, unless the column is `NOT NULL`.
///
/// # Panics
/// If the columns are not unique. The message lists the columns that are.
#[track_caller]
pub fn assert_unique(conn: &Connection, table: &str, columns: &[&str]) {
    exists(conn, TABLE, table);
    let sorted = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names
    };
    let keys = unique_keys(conn, table);
    let columns: Vec<String> = columns.iter().map(|&column| column.to_owned()).collect();
    let shown: Vec<String> = keys.iter().map(|key| format!("({})", key.join(", "))).collect();
    let known =
        if shown.is_empty() { "nothing is".to_owned() } else { format!("unique: {}", shown.join(", ")) };
    require!(
        keys.iter().any(|key| sorted(key) == sorted(&columns)),
        "({}) of `{table}` is not unique; {known}",
        columns.join(", ")
    );
}

/// Asserts that a trigger exists and belongs to this table or view.
///
/// # Panics
/// If the trigger does not exist, or belongs to another table.
#[track_caller]
pub fn assert_trigger(conn: &Connection, trigger: &str, table: &str) {
    exists(conn, TRIGGER, trigger);
    let of: String = read(conn.query_row(
        "SELECT tbl_name FROM main.sqlite_master WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE",
        [trigger],
        |row| row.get(0),
    ));
    require!(same_name(&of, table), "the trigger `{trigger}` belongs to `{of}`, not to `{table}`");
}

/// Asserts that no trigger has this name.
///
/// # Panics
/// If the trigger exists.
#[track_caller]
pub fn assert_trigger_not_exists(conn: &Connection, trigger: &str) {
    not_exists(conn, TRIGGER, trigger);
}

/// Asserts that a view exists and can be read. A view can exist after its table was dropped, and then a query of it fails.
///
/// # Panics
/// If the view does not exist or cannot be read.
#[track_caller]
pub fn assert_view(conn: &Connection, view: &str) {
    exists(conn, VIEW, view);
    let sql = format!("SELECT * FROM main.{}", crate::dialect::quote(view));
    if let Err(error) = conn.prepare(&sql) {
        panic!("{}", printable(&format!("the view `{view}` cannot be read: {error}")));
    }
}

/// Asserts that no view has this name.
///
/// # Panics
/// If the view exists.
#[track_caller]
pub fn assert_view_not_exists(conn: &Connection, view: &str) {
    not_exists(conn, VIEW, view);
}

/// Asserts that a table, index, trigger or view has exactly this definition. Comments, white space, the case of words and the quotes of
/// names are not compared.
///
/// ```
/// # use switchy_schema::rusqlite::Connection;
/// use switchy_schema::test_utils::assert_definition;
///
/// let conn = Connection::open_in_memory().unwrap();
/// conn.execute_batch("CREATE TABLE notes (text, gone); CREATE UNIQUE INDEX kept ON notes (text) WHERE NOT gone").unwrap();
/// assert_definition(&conn, "kept", "create unique index kept on notes(text) where not gone");
/// ```
///
/// # Panics
/// If nothing has this name, or its definition differs.
#[track_caller]
pub fn assert_definition(conn: &Connection, name: &str, sql: &str) {
    let schema = definitions(conn);
    let named: Vec<_> = schema.definitions().iter().filter(|it| it.is_named(name)).collect();
    let Some(first) = named.first() else {
        let all: Vec<String> = schema.definitions().iter().map(|it| it.name.clone()).collect();
        panic!("{}", missing("object", "objects", name, &all))
    };
    let expected = without_noise(sql);
    require!(
        named.iter().any(|it| without_noise(&it.sql) == expected),
        "the {} `{name}` is defined in another way:\n{}",
        first.kind,
        difference(sql.trim_end_matches(';'), &first.sql)
    );
}

/// The tokens of a statement without `IF NOT EXISTS` and without a semicolon at its end, which SQLite does not store.
fn without_noise(sql: &str) -> Vec<String> {
    let mut tokens = tokens(sql);
    if let Some(at) = tokens.windows(3).take(4).position(|words| words == ["if", "not", "exists"]) {
        tokens.drain(at..at + 3);
    }
    if tokens.last().is_some_and(|last| last == ";") {
        tokens.pop();
    }
    tokens
}

#[track_caller]
pub(super) fn exists(conn: &Connection, kind: Kind, name: &str) {
    let names = names(conn, kind);
    require!(is_there(conn, kind, name), "{}", missing(kind.0, kind.1, name, &names));
}

#[track_caller]
pub(super) fn table_exists(conn: &Connection, table: &str) {
    exists(conn, TABLE, table);
}

#[track_caller]
fn not_exists(conn: &Connection, kind: Kind, name: &str) {
    let names = names(conn, kind);
    let others =
        if names.is_empty() { String::new() } else { format!("\nthe {}: {}", kind.1, quoted(&names)) };
    require!(!is_there(conn, kind, name), "the {} `{name}` exists{others}", kind.0);
}

/// Whether an object exists, whoever made it: the application, the engine or SQLite.
#[track_caller]
fn is_there(conn: &Connection, kind: Kind, name: &str) -> bool {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = ?1 AND name = ?2 COLLATE NOCASE)";
    read(conn.query_row(sql, [kind.0, name], |row| row.get(0)))
}

/// The names of the objects of a kind, except the engine's and SQLite's.
#[track_caller]
fn names(conn: &Connection, kind: Kind) -> Vec<String> {
    let schema = definitions(conn);
    schema.definitions().iter().filter(|it| it.kind == kind.0).map(|it| it.name.clone()).collect()
}

/// The columns of an index, as `CREATE INDEX` would have them.
#[track_caller]
fn index_columns(conn: &Connection, index: &str) -> Vec<String> {
    let read_all = || {
        conn.prepare("SELECT name, \"desc\" FROM pragma_index_xinfo(?1, 'main') WHERE key ORDER BY seqno")?
            .query_map([index], |row| {
                let name: Option<String> = row.get(0)?;
                let name = name.unwrap_or_else(|| "an expression".to_owned());
                Ok(if row.get(1)? { format!("{name} DESC") } else { name })
            })?
            .collect()
    };
    read(read_all())
}

/// The groups of columns of a table whose values are unique.
#[track_caller]
fn unique_keys(conn: &Connection, table: &str) -> Vec<Vec<String>> {
    let texts = |sql: &str| -> rusqlite::Result<Vec<String>> {
        conn.prepare(sql)?.query_map([table], |row| row.get(0))?.collect()
    };
    let primary = "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0 ORDER BY pk";
    let indexes = "SELECT name FROM pragma_index_list(?1, 'main') WHERE \"unique\" AND NOT partial AND origin <> 'pk' ORDER BY seq";
    let mut keys = vec![read(texts(primary))];
    let columns = |index: &String| -> Vec<String> {
        let columns = index_columns(conn, index).into_iter();
        columns.map(|column| column.trim_end_matches(" DESC").to_owned()).collect()
    };
    keys.extend(read(texts(indexes)).iter().map(columns));
    keys.retain(|key| !key.is_empty());
    keys
}

#[track_caller]
pub(super) fn read<T>(result: rusqlite::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{}", printable(&format!("the schema cannot be read: {error}"))))
}
