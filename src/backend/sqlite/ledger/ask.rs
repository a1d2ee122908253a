//! What the ledger asks the database.

use rusqlite::{Connection, OptionalExtension};

use crate::backend::sqlite::fault::known;
use crate::backend::sqlite::query::{has_row, value};
use crate::dialect::quote;
use crate::sql::{Token, Tokens, has_word};

/// The number of rows of a table; `None` if it cannot be counted, for example without a collation of the application.
pub(in crate::backend::sqlite) fn count(conn: &Connection, table: &str) -> rusqlite::Result<Option<u64>> {
    let table = quote(table);
    let read = |hint: &str| value(conn, &format!("SELECT count(*) FROM main.{table}{hint}"), &[]);
    // SQLite counts the smallest index, which may need that collation.
    Ok(known(read("").or_else(|_| read(" NOT INDEXED")))?.map(i64::unsigned_abs))
}

/// A table that has rows of its own.
pub(super) struct Holder {
    /// Its name, as the schema spells it.
    pub(super) name: String,
    /// Whether it is a virtual table, whose rows may be an index of rows that another table has.
    pub(super) is_virtual: bool,
}

/// The table of this name in `main`, if it has rows of its own. A virtual table has some if its module is one of SQLite's that store rows.
pub(super) fn holder(conn: &Connection, table: &str) -> rusqlite::Result<Option<Holder>> {
    let sql = "SELECT name, rootpage = 0, sql FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
    let found = conn.query_row(sql, [table], |row| {
        let holder = Holder { name: row.get(0)?, is_virtual: row.get(1)? };
        let stores = !holder.is_virtual || stores_rows(&row.get::<_, String>(2)?);
        Ok(stores.then_some(holder))
    });
    Ok(found.optional()?.flatten())
}

/// Whether a virtual table stores rows. The text of a full-text table with the option `content` is elsewhere.
fn stores_rows(sql: &str) -> bool {
    let mut tokens = Tokens::new(sql);
    tokens.find(|token| token.is("using"));
    let stores = tokens
        .next()
        .is_some_and(|module| module.is_any(&["fts3", "fts4", "fts5", "geopoly", "rtree", "rtree_i32"]));
    let tokens: Vec<Token<'_>> = tokens.collect();
    stores && !tokens.windows(2).any(|pair| pair[0].is("content") && pair[1] == Token::Mark(b'='))
}

/// The default of a column, as the schema has it.
pub(super) fn default_of(conn: &Connection, table: &str, column: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT dflt_value FROM pragma_table_info(?1, 'main') WHERE name = ?2 COLLATE NOCASE";
    Ok(value::<Option<String>>(conn, sql, &[table, column]).optional()?.flatten())
}

/// Whether `main` has an object of a kind and a name.
pub(super) fn exists(conn: &Connection, kind: &str, name: &str) -> rusqlite::Result<bool> {
    // SQLite finds a table and an index by their names, and the others only by reading the whole schema.
    let sql = match kind {
        "table" => "SELECT 1 FROM pragma_table_info(?1, 'main')",
        "index" => "SELECT 1 FROM pragma_index_xinfo(?1, 'main')",
        "view" => "SELECT 1 FROM main.sqlite_master WHERE type = 'view' AND name = ?1 COLLATE NOCASE",
        _ => "SELECT 1 FROM main.sqlite_master WHERE type = 'trigger' AND name = ?1 COLLATE NOCASE",
    };
    has_row(conn, sql, &[name])
}

/// Whether a statement, or the definition of its table, replaces rows.
pub(super) fn replaces(conn: &Connection, own: &str, table: &str) -> rusqlite::Result<bool> {
    if has_word(own, &["replace"]) {
        return Ok(true);
    }
    let sql =
        "SELECT EXISTS (SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE
        AND instr(lower(sql), 'replace') > 0)";
    value(conn, sql, &[table])
}

/// The number of unique keys of a table: unique indexes, and the row number if it is a column.
pub(super) fn unique_keys(conn: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM pragma_index_list(?1, 'main') WHERE \"unique\")
        + (NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')
           AND EXISTS (SELECT 1 FROM pragma_table_info(?1, 'main') WHERE pk > 0))";
    value(conn, sql, &[table]).map(|keys: i64| u64::try_from(keys).unwrap_or_default())
}

/// Which results of the only row of a query are true; `NULL` is not. `None` if they cannot be evaluated, for example without a function of the
/// application.
pub(super) fn truths(conn: &Connection, query: &str) -> rusqlite::Result<Option<Vec<bool>>> {
    let is_true = |row: &rusqlite::Row<'_>, place| Ok(row.get::<_, Option<bool>>(place)?.unwrap_or_default());
    let read =
        |row: &rusqlite::Row<'_>| (0..row.as_ref().column_count()).map(|place| is_true(row, place)).collect();
    known(conn.query_row(query, [], read))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::successor::{compare, elsewhere};
    use super::{count, stores_rows};

    #[test]
    fn a_virtual_table_that_stores_rows_is_found() {
        let rows = [
            ("CREATE VIRTUAL TABLE f USING fts5(title, content)", true),
            ("CREATE VIRTUAL TABLE f USING FTS5(title, content = 'note')", false),
            ("CREATE VIRTUAL TABLE f USING fts4(content=\"\", title)", false),
            ("create virtual table \"using\" using rtree(id, a, b)", true),
            ("CREATE VIRTUAL TABLE f USING fts5vocab(docs, row)", false),
            ("CREATE VIRTUAL TABLE f USING csv(content)", false),
        ];
        for (sql, expected) in rows {
            assert_eq!(stores_rows(sql), expected, "{sql}");
        }
    }

    /// Nonsense instead of the page of `old`.
    #[test]
    fn what_cannot_be_read_is_an_error_and_what_cannot_be_known_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch(
            "PRAGMA page_size = 4096; CREATE TABLE old (id INTEGER PRIMARY KEY); CREATE TABLE new (id INTEGER PRIMARY KEY);
            CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO old VALUES (1), (2); INSERT INTO new VALUES (1)",
        )
        .unwrap();
        let key = ["id".to_owned()];
        assert_eq!(compare(&conn, ["old", "new"], &key, [Some(2), Some(0)]).unwrap().unwrap().lost, 1);
        drop(conn);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4096..8192].fill(0xff);
        std::fs::write(&path, bytes).unwrap();

        let conn = Connection::open(&path).unwrap();
        assert!(count(&conn, "old").is_err());
        assert!(compare(&conn, ["old", "new"], &key, [Some(2), Some(0)]).is_err());
        assert!(elsewhere(&conn, ["old", "new"], &["other"], &key).is_err());
        assert_eq!(count(&conn, "new").unwrap(), Some(1));
        assert_eq!(count(&conn, "missing").unwrap(), None);
        assert!(compare(&conn, ["new", "missing"], &key, [Some(1), Some(0)]).unwrap().is_none());
        assert_eq!(elsewhere(&conn, ["new", "missing"], &["other"], &key).unwrap(), 0);
    }
}
