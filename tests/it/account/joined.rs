//! Copies whose number of rows does not show what they lost.

use super::{Case, check};

const P: &str = "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1,'Ada'),(2,'Bo');
    CREATE TABLE tag(p INTEGER, t TEXT); INSERT INTO tag VALUES (1,'x'),(1,'y');";
const COUNT: &str = "SELECT count(*) FROM p";

/// A script that replaces `p` with a table that this statement fills.
fn rebuild(columns: &str, copy: &str) -> &'static str {
    format!("CREATE TABLE n({columns}); {copy}; DROP TABLE p; ALTER TABLE n RENAME TO p").leak()
}

#[test]
fn a_join_that_loses_some_rows_and_multiplies_others_is_noticed() {
    let named = "CREATE TABLE p(name TEXT); INSERT INTO p VALUES ('Ada'),('Bo'); CREATE TABLE tag(p TEXT, t TEXT); INSERT INTO tag VALUES ('Ada','x'),('Ada','y')";
    let multiplied = "~ replaces `p`, which had 2 rows, with a table of 3 rows, since the join in the copy repeats some rows; join on a key of the other table";
    check(&[
        Case(
            P,
            rebuild(
                "id INTEGER PRIMARY KEY, p INTEGER, name TEXT, t TEXT",
                "INSERT INTO n(p, name, t) SELECT p.id, p.name, t FROM p JOIN tag ON tag.p = p.id",
            ),
            "! it replaces `p`, which had 2 rows, with a table of 2 rows; id = 2 is missing",
            COUNT,
            "2",
        ),
        Case(
            named,
            rebuild("name TEXT, t TEXT", "INSERT INTO n SELECT p.name, t FROM p, tag WHERE tag.p = p.name"),
            "! with a table of 2 rows; name = 'Bo' is missing",
            COUNT,
            "2",
        ),
        Case(
            named,
            rebuild(
                "name TEXT, t TEXT",
                "INSERT INTO n SELECT p.name, t FROM p LEFT JOIN tag ON tag.p = p.name",
            ),
            multiplied,
            COUNT,
            "3",
        ),
        // Each row is there once, in whatever form.
        Case(
            P,
            rebuild(
                "id INTEGER PRIMARY KEY, name TEXT, t TEXT",
                "INSERT INTO n SELECT p.id, upper(p.name), max(t) FROM p LEFT JOIN tag ON tag.p = p.id GROUP BY p.id",
            ),
            "",
            COUNT,
            "2",
        ),
        Case(
            P,
            rebuild(
                "key TEXT, name TEXT, t TEXT",
                "INSERT INTO n SELECT p.id, p.name, q.t FROM p LEFT JOIN (SELECT p, min(t) AS t FROM tag GROUP BY p) AS q ON q.p = p.id",
            ),
            "",
            COUNT,
            "2",
        ),
    ]);
}

/// As many rows as before are no proof, since the script adds some of its own.
#[test]
fn a_row_that_is_added_does_not_make_up_for_one_that_is_lost() {
    let named = "CREATE TABLE p(name TEXT PRIMARY KEY); INSERT INTO p VALUES ('Bo'),('bo')";
    let view = format!("{P} CREATE VIEW v AS SELECT * FROM p WHERE id = 1").leak();
    check(&[
        Case(
            named,
            rebuild(
                "name TEXT COLLATE NOCASE PRIMARY KEY",
                "INSERT OR REPLACE INTO n SELECT * FROM p; INSERT INTO n VALUES ('admin')",
            ),
            "! it replaces `p`, which had 2 rows, with a table of 2 rows; name = 'Bo' is missing",
            COUNT,
            "2",
        ),
        Case(
            view,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT * FROM v; INSERT INTO n VALUES (9,'admin');
             DROP VIEW v; DROP TABLE p; ALTER TABLE n RENAME TO p",
            "! `p`, which had 2 rows, with a table of 2 rows; id = 2 is missing",
            COUNT,
            "2",
        ),
        Case(
            P,
            rebuild(
                "id INTEGER PRIMARY KEY, name TEXT",
                "INSERT INTO n SELECT * FROM p; INSERT INTO n VALUES (9,'admin')",
            ),
            "",
            COUNT,
            "3",
        ),
        // The keys are others.
        Case(
            P,
            rebuild(
                "id INTEGER PRIMARY KEY, name TEXT",
                "INSERT INTO n SELECT id + 100, name FROM p; INSERT INTO n VALUES (1,'admin')",
            ),
            "",
            COUNT,
            "3",
        ),
    ]);
}

/// A row that the copy leaves out is gone with its table, although no table takes its name.
#[test]
fn a_row_that_a_copy_leaves_out_is_noticed_when_its_table_is_dropped() {
    let two = "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1,'Ada'),(2,'Bo');
        CREATE TABLE q(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO q VALUES (2,'Cy'),(3,'Di')";
    let said =
        "~ drops `q`, although the copy into `p` left out 1 row of it; copy these rows under another key";
    check(&[
        Case(two, "INSERT OR IGNORE INTO p SELECT * FROM q; DROP TABLE q", said, COUNT, "3"),
        Case(
            two,
            "INSERT INTO p(name, id) SELECT name, id FROM q WHERE true ON CONFLICT DO NOTHING; DROP TABLE q",
            said,
            COUNT,
            "3",
        ),
        Case(
            two,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK (name <> 'Di')); INSERT OR IGNORE INTO n SELECT * FROM q; DROP TABLE q",
            "~ drops `q`, although the copy into `n` left out 1 row of it",
            "SELECT count(*) FROM n",
            "1",
        ),
        // A table that was there has another row with the key.
        Case(
            two,
            "INSERT OR IGNORE INTO q SELECT * FROM p; DROP TABLE p; ALTER TABLE q RENAME TO p",
            "~ drops `p`, although the copy into `q` left out 1 row of it",
            COUNT,
            "3",
        ),
        // Every value is there, the table stays, or its author leaves rows out.
        Case(
            two,
            "CREATE TABLE names(name TEXT UNIQUE); INSERT OR IGNORE INTO names SELECT name FROM q UNION ALL SELECT name FROM q; DROP TABLE q",
            "",
            "SELECT count(*) FROM names",
            "2",
        ),
        Case(
            two,
            "INSERT OR IGNORE INTO p SELECT id, coalesce(name, '') AS name FROM q; DROP TABLE q",
            said,
            COUNT,
            "3",
        ),
        Case(two, "INSERT OR IGNORE INTO p SELECT * FROM q", "", COUNT, "3"),
        Case(
            two,
            "CREATE TABLE names(name TEXT UNIQUE); INSERT OR IGNORE INTO names SELECT name FROM q EXCEPT SELECT 'Di'; DROP TABLE q",
            "",
            "SELECT count(*) FROM names",
            "1",
        ),
        Case(
            two,
            "UPDATE q SET name = 'Cy'; CREATE TABLE names(name TEXT UNIQUE, at TEXT);
            INSERT OR IGNORE INTO names SELECT name, strftime('%f', 'now') FROM q; DROP TABLE q",
            "",
            "SELECT count(*) FROM names",
            "1",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, kind TEXT, color TEXT); INSERT INTO p VALUES (1,'a','red'),(2,'a','blue')",
            "CREATE TABLE kind(id INTEGER PRIMARY KEY, name TEXT UNIQUE, color TEXT); INSERT OR IGNORE INTO kind(name, color) SELECT kind, color FROM p;
            CREATE TABLE n(id INTEGER PRIMARY KEY, kind INTEGER, color TEXT);
            INSERT INTO n SELECT p.id, kind.id, p.color FROM p JOIN kind ON kind.name = p.kind; DROP TABLE p; ALTER TABLE n RENAME TO p",
            "",
            "SELECT count(*) FROM kind",
            "1",
        ),
        Case(two, "INSERT OR IGNORE INTO p SELECT * FROM q WHERE id = 3; DROP TABLE q", "", COUNT, "3"),
    ]);
}

/// The rows that a script writes itself are not those that were there, whether their keys are others or the same.
#[test]
fn a_table_that_is_written_anew_may_have_other_keys() {
    let kinds = "CREATE TABLE p(id TEXT PRIMARY KEY, name TEXT); INSERT INTO p VALUES ('UK','a'),('HO','b')";
    let anew = "~ replaces `p` and does not copy any of the 2 rows that it had";
    check(&[
        Case(
            kinds,
            rebuild("id TEXT PRIMARY KEY, name TEXT", "INSERT INTO n VALUES ('GB','a'),('NL','b')"),
            anew,
            COUNT,
            "2",
        ),
        Case(
            kinds,
            rebuild("id TEXT PRIMARY KEY, name TEXT", "INSERT INTO n VALUES ('UK','a'),('HO','b')"),
            anew,
            COUNT,
            "2",
        ),
    ]);
}

#[test]
fn rows_that_are_deleted_and_put_back_in_part_are_noticed() {
    let back = |create: &str, back: &str| -> &'static str {
        format!("{create} AS SELECT * FROM p; DELETE FROM p; {back}; DROP TABLE k").leak()
    };
    let said = "~ deletes the 2 rows of `p` and copies only 1 back; copy every row back";
    check(&[
        Case(P, back("CREATE TEMP TABLE k", "INSERT INTO p SELECT * FROM k WHERE id = 2"), said, COUNT, "1"),
        Case(P, back("CREATE TABLE k", "INSERT INTO p SELECT * FROM k LIMIT 1"), said, COUNT, "1"),
        Case(P, back("CREATE TEMP TABLE k", "INSERT INTO p SELECT * FROM k"), "", COUNT, "2"),
        // It is filled anew, from other rows.
        Case(P, "DELETE FROM p; INSERT INTO p(name) SELECT DISTINCT p FROM tag", "", COUNT, "1"),
        Case(P, "CREATE TEMP TABLE k AS SELECT * FROM p; DELETE FROM p", "", COUNT, "0"),
    ]);
}
