//! Rows of full-text and R*Tree tables, which the module of the table stores.

use super::{Case, check};

const COUNT: &str = "SELECT count(*) FROM f";

#[test]
fn a_virtual_table_that_is_rebuilt_keeps_its_rows() {
    let f = "CREATE VIRTUAL TABLE f USING fts5(body, title); INSERT INTO f(rowid, body, title) VALUES (1,'a','x'),(2,'b','y')";
    let set_aside = "CREATE TEMP TABLE k(id, body); INSERT INTO k SELECT rowid, body FROM f LIMIT 1; DROP TABLE f;
        CREATE VIRTUAL TABLE f USING fts5(body, tokenize='porter'); INSERT INTO f(rowid, body) SELECT id, body FROM k";
    check(&[
        Case(
            f,
            "CREATE VIRTUAL TABLE n USING fts5(body, title, tag); INSERT INTO n(body, title) SELECT body, title FROM f WHERE title = 'x'; DROP TABLE f; ALTER TABLE n RENAME TO f",
            "! it replaces `f`, which had 2 rows, with a table of 1 row",
            COUNT,
            "2",
        ),
        Case(f, set_aside, "! it replaces `f`, which had 2 rows, with a table of 1 row", COUNT, "2"),
        Case(
            f,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO n SELECT rowid, body FROM f WHERE rowid > 1; DROP TABLE f; ALTER TABLE n RENAME TO f",
            "! `f`, which had 2 rows, with a table of 1 row",
            COUNT,
            "2",
        ),
        Case(
            "CREATE VIRTUAL TABLE f USING rtree(id, a, b); INSERT INTO f VALUES (1,0,1),(2,0,2)",
            "CREATE VIRTUAL TABLE n USING rtree(id, a, b); INSERT INTO n SELECT * FROM f WHERE id = 1; DROP TABLE f; ALTER TABLE n RENAME TO f",
            "! `f`, which had 2 rows, with a table of 1 row",
            COUNT,
            "2",
        ),
        Case(
            f,
            "CREATE VIRTUAL TABLE n USING fts5(body, title, tag); INSERT INTO n(rowid, body) SELECT rowid, body FROM f; DROP TABLE f; ALTER TABLE n RENAME TO f",
            "~ replaces `f`, whose column `title` had 2 values and has none now",
            COUNT,
            "2",
        ),
        Case(
            f,
            "CREATE VIRTUAL TABLE n USING fts5(body, title, tag); INSERT INTO n(rowid, body, title) SELECT rowid, body, title FROM f; DROP TABLE f; ALTER TABLE n RENAME TO f",
            "",
            COUNT,
            "2",
        ),
        // It is an index of the rows of another table, which has one row less.
        Case(
            f,
            "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO note VALUES (1,'a'); DROP TABLE f;
             CREATE VIRTUAL TABLE f USING fts5(body, tokenize='porter'); INSERT INTO f(rowid, body) SELECT id, body FROM note",
            "",
            COUNT,
            "1",
        ),
        Case(
            "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT); INSERT INTO note VALUES (1,'a'),(2,'b');
             CREATE VIRTUAL TABLE f USING fts5(body, content='note', content_rowid='id'); INSERT INTO f(f) VALUES ('rebuild')",
            "DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(body, content='note', content_rowid='id', tokenize='porter'); INSERT INTO f(f) VALUES ('rebuild')",
            "",
            COUNT,
            "2",
        ),
    ]);
}
