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
    let multiplied = "~ replaces `p`, which had 2 rows, with a table of 3 rows, since the join of its copy gives some rows several times; join on a key of the other table";
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
