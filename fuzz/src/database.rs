//! What the targets with a database share: a small database, and its content as text.

use switchy_schema::rusqlite::Connection;
use switchy_schema::rusqlite::types::Value;
use switchy_schema::{Migration, MigrationRunner};

/// The first migration: tables with rows, and something of each kind that refers to them.
pub const BASE: &str = "CREATE TABLE a (b INTEGER PRIMARY KEY, c TEXT UNIQUE);
CREATE TABLE p (id INTEGER PRIMARY KEY);
CREATE TABLE k (p REFERENCES p (id) ON DELETE CASCADE);
CREATE VIEW v AS SELECT c FROM a;
CREATE INDEX i ON k (p);
CREATE TRIGGER t AFTER DELETE ON a BEGIN DELETE FROM k WHERE p = old.b; END;
INSERT INTO a VALUES (1, 'x'), (2, NULL);
INSERT INTO p VALUES (1), (2);
INSERT INTO k VALUES (1), (2), (NULL);";

/// A runner for the first migration and others.
pub fn runner(others: impl IntoIterator<Item = Migration>) -> MigrationRunner {
    let set: Vec<Migration> = [Migration::sql("1_base", BASE)].into_iter().chain(others).collect();
    MigrationRunner::new(set).expect("a set")
}

/// The schema and all rows, one text for each; a table that cannot be read is its error.
pub fn content(conn: &Connection) -> Vec<String> {
    let schema = rows(conn, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name");
    let names = rows(
        conn,
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual')",
    );
    let mut content = schema;
    for name in names {
        let name = name.trim_start_matches("Text(\"").trim_end_matches("\")").replace('"', "\"\"");
        content.extend(rows(conn, &format!("SELECT '{}', * FROM \"{name}\"", name.replace('\'', "''"))));
    }
    content.extend(rows(conn, "SELECT * FROM pragma_user_version, pragma_application_id"));
    content
}

fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    let read = || -> Result<Vec<String>, switchy_schema::rusqlite::Error> {
        let mut statement = conn.prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next()? {
            let values: Result<Vec<Value>, _> = (0..columns).map(|column| row.get(column)).collect();
            texts.push(values.map_or_else(
                |error| error.to_string(),
                |values| values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join("|"),
            ));
        }
        Ok(texts)
    };
    read().unwrap_or_else(|error| vec![format!("{sql}: {error}")])
}

/// The texts that only one of two contents has.
pub fn difference<'a>(one: &'a [String], other: &'a [String]) -> Vec<&'a String> {
    let only = |one: &'a [String], other: &'a [String]| {
        one.iter().filter(|row| !other.contains(row)).collect::<Vec<_>>()
    };
    [only(one, other), only(other, one)].concat()
}

/// Whether a script may reach what is outside of its database, or take more time and memory than an input may.
pub fn is_unbounded(script: &str) -> bool {
    let script = script.to_ascii_lowercase();
    let words = [
        "with",
        "attach",
        "vacuum",
        "blob",
        "printf",
        "format",
        "load_extension",
        "heap",
        "replace(",
        "hex",
        "directory",
        "mmap",
        "page_size",
        "cache_size",
        "recursive",
        "zero",
        "fts",
        "rtree",
        "group_concat",
        "string_agg",
        "json",
    ];
    words.iter().any(|word| script.contains(word))
}
