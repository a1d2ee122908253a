//! Values that a script overwrites or does not copy: the report has them.

use switchy_schema::test_utils::rows;
use switchy_schema::{Migration, MigrationRunner};

use super::{Case, check, migrated};

const P: &str = "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT, phone TEXT); INSERT INTO p VALUES (1,'Ada','1'),(3,'Bo','2'),(7,'Cy',NULL);";

const PLAIN: &str = "id INTEGER PRIMARY KEY, name TEXT, phone TEXT";
const NAMES: &str = "SELECT group_concat(name, ' ') FROM p";

/// A script that replaces `p` with a table of these columns, which this statement fills.
fn rebuild(columns: &str, copy: &str) -> &'static str {
    format!("CREATE TABLE n({columns}); {copy}; DROP TABLE p; ALTER TABLE n RENAME TO p").leak()
}

#[test]
fn a_rebuild_copies_the_values_of_the_columns_that_stay() {
    let renamed_first =
        "ALTER TABLE p RENAME TO old; CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT, phone TEXT);
        INSERT INTO p(id, name) SELECT id, name FROM old; DROP TABLE old";
    let created_at = "CREATE TABLE p(id INTEGER PRIMARY KEY, at TEXT); INSERT INTO p VALUES (1,'2019-01-01'),(2,'2020-02-02')";
    let at = "id INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP";
    let phones = "SELECT group_concat(coalesce(phone, '-'), ' ') FROM p";
    let count = "SELECT count(*) FROM p";
    check(&[
        Case(
            P,
            rebuild(PLAIN, "INSERT INTO n(id, name) SELECT id, name FROM p"),
            "~ replaces `p`, whose column `phone` had 2 values and has none now; copy `phone` into the new table",
            phones,
            "- - -",
        ),
        Case(
            P,
            renamed_first,
            "~ replaces `p`, whose column `phone` had 2 values and has none now",
            phones,
            "- - -",
        ),
        Case(
            P,
            rebuild(
                "id INTEGER PRIMARY KEY, Name TEXT NOT NULL DEFAULT 'nobody', phone TEXT",
                "INSERT INTO n(id, phone) SELECT id, phone FROM p",
            ),
            "~ replaces `p`, whose column `Name` had 3 values and has only its default now",
            NAMES,
            "nobody nobody nobody",
        ),
        Case(
            created_at,
            rebuild(at, "INSERT INTO n(id) SELECT id FROM p"),
            "~ replaces `p`, whose column `at` had 2 values and has only its default now",
            "SELECT count(DISTINCT at) FROM p",
            "1",
        ),
        // Values that are copied, changed, or set afterwards; a column that had none, or only its default.
        Case(P, rebuild(PLAIN, "INSERT INTO n SELECT id, upper(name), phone FROM p"), "", NAMES, "ADA BO CY"),
        Case(
            P,
            rebuild(
                PLAIN,
                "INSERT INTO n(id, name) SELECT id, name FROM p; UPDATE n SET phone = (SELECT phone FROM p WHERE p.id = n.id)",
            ),
            "",
            phones,
            "1 2 -",
        ),
        Case(
            created_at,
            rebuild(at, "INSERT INTO n SELECT id, at FROM p"),
            "",
            "SELECT min(at) FROM p",
            "2019-01-01",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, state TEXT); INSERT INTO p VALUES (1,NULL),(2,'open')",
            rebuild(
                "id INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'open'",
                "INSERT INTO n(id) SELECT id FROM p",
            ),
            "",
            "SELECT group_concat(state, ' ') FROM p",
            "open open",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT)",
            rebuild("id INTEGER PRIMARY KEY, name TEXT", "INSERT INTO n(id) SELECT id FROM p"),
            "",
            count,
            "0",
        ),
    ]);
}

#[test]
fn a_rebuild_copies_the_numbers_of_the_rows() {
    check(&[
        Case(
            P,
            rebuild(PLAIN, "INSERT INTO n(name, phone) SELECT name, phone FROM p"),
            "~ replaces `p` and numbers its rows anew, so id = 7 is not the row that it was; copy the primary key into the new table",
            "SELECT group_concat(id, ' ') FROM p",
            "1 2 3",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1,'Ada'),(2,'Bo')",
            rebuild(
                "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT",
                "INSERT INTO n(name) SELECT name FROM p ORDER BY name DESC",
            ),
            "~ replaces `p` and numbers its rows anew, so id = 1 is not the row that it was",
            NAMES,
            "Bo Ada",
        ),
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1,'Ada'),(2,'Bo')",
            rebuild(
                "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT",
                "INSERT INTO n(name) SELECT name FROM p ORDER BY id",
            ),
            "",
            NAMES,
            "Ada Bo",
        ),
        // A statement after the rebuild does not fill the column, or does.
        Case(
            P,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT, phone TEXT); INSERT INTO n(id, name) SELECT id, name FROM p;
             DROP TABLE p; ALTER TABLE n RENAME TO p; UPDATE p SET name = upper(name)",
            "~ replaces `p`, whose column `phone` had 2 values and has none now",
            NAMES,
            "ADA BO CY",
        ),
        Case(
            P,
            "CREATE TABLE kept AS SELECT * FROM p; CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT, phone TEXT); INSERT INTO n(id, name) SELECT id, name FROM p;
             DROP TABLE p; ALTER TABLE n RENAME TO p; UPDATE p SET phone = (SELECT phone FROM kept WHERE kept.id = p.id)",
            "",
            "SELECT count(phone) FROM p",
            "2",
        ),
        // Every value is changed on purpose.
        Case(
            "CREATE TABLE p(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO p VALUES (1,'Ada'),(2,'Bo')",
            rebuild(
                "id INTEGER PRIMARY KEY, name TEXT",
                "INSERT INTO n(name) SELECT upper(name) FROM p ORDER BY id",
            ),
            "",
            NAMES,
            "ADA BO",
        ),
    ]);
}

/// SQLite takes a word, or a text in double quotes, for a text.
#[test]
fn a_default_without_quotes_is_a_text() {
    let copy = "INSERT INTO n(id, name) SELECT id, name FROM p";
    let said = "~ replaces `p`, whose column `phone` had 2 values and has only its default now";
    let phones = "SELECT group_concat(phone, ' ') FROM p";
    for (default, phone) in [("nobody", "nobody"), ("\"name\"", "name"), ("'it''s'", "it's"), ("-1", "-1")] {
        let columns = format!("id INTEGER PRIMARY KEY, name TEXT, phone TEXT DEFAULT {default}");
        check(&[Case(P, rebuild(&columns, copy), said, phones, [phone; 3].join(" ").leak())]);
    }
}

#[test]
fn the_report_has_what_statements_overwrite_and_delete() {
    let view = "CREATE VIEW v AS SELECT * FROM p; CREATE TABLE log(n); INSERT INTO log VALUES (1),(2);
        CREATE TRIGGER vd INSTEAD OF DELETE ON v BEGIN DELETE FROM p WHERE id = old.id; END;";
    for (more, script, said) in [
        ("", "UPDATE p SET phone = NULL", "updated 3 rows of `p`"),
        ("", "UPDATE p SET phone = NULL WHERE id = 2", ""),
        (
            "",
            "DELETE FROM p WHERE id = 3; UPDATE p SET name = ''",
            "deleted 1 row of `p`, updated 2 rows of `p`",
        ),
        (
            "",
            "INSERT OR REPLACE INTO p(id, name) VALUES (7, 'Ida'), (9, 'Di')",
            "inserted or changed 2 rows of `p`",
        ),
        (
            "",
            "INSERT INTO p(id, name) VALUES (1, 'x') ON CONFLICT(id) DO UPDATE SET name = 'x'",
            "inserted or changed 1 row of `p`",
        ),
        ("", "INSERT INTO p(name) VALUES ('Di')", ""),
        ("", "ALTER TABLE p DROP COLUMN phone", "dropped the column `phone` of `p`"),
        ("", "CREATE TABLE q(a, b); ALTER TABLE q DROP COLUMN b; UPDATE q SET a = 1", ""),
        (
            "CREATE TABLE log(t); INSERT INTO log VALUES (1); CREATE TRIGGER tr AFTER UPDATE ON p BEGIN UPDATE log SET t = NULL; INSERT INTO log VALUES (2); END",
            "UPDATE p SET name = 'x' WHERE id = 7",
            "changed rows of `log` through triggers or foreign keys, updated 1 row of `p`",
        ),
        (
            "CREATE TABLE log(t); CREATE TRIGGER tr AFTER UPDATE ON p BEGIN INSERT INTO log VALUES (2); END",
            "UPDATE p SET name = 'x' WHERE id = 7",
            "updated 1 row of `p`",
        ),
        (
            "CREATE VIEW w AS SELECT * FROM p; CREATE TRIGGER tr INSTEAD OF UPDATE ON w BEGIN UPDATE p SET phone = NULL; END",
            "UPDATE w SET name = 'x'",
            "changed rows of `p` through triggers or foreign keys",
        ),
        (
            "CREATE TABLE log(id INTEGER PRIMARY KEY); INSERT INTO log VALUES (1),(2); CREATE TRIGGER tr AFTER INSERT ON log BEGIN DELETE FROM log WHERE id < new.id - 1; END",
            "INSERT INTO log VALUES (3)",
            "changed rows of `log` through triggers or foreign keys",
        ),
        (view, "DELETE FROM v WHERE id < 7", "deleted 2 rows of `p`"),
        (
            view,
            "INSERT INTO p(name) VALUES ('Di'); DELETE FROM v WHERE id < 7; DELETE FROM v WHERE id = 7; DELETE FROM p",
            "deleted 4 rows of `p`",
        ),
        (view, "DELETE FROM v WHERE id = 100", ""),
        (
            view,
            "DELETE FROM v WHERE id = 1; DELETE FROM v WHERE id = 3; UPDATE p SET name = ''",
            "deleted 2 rows of `p`, updated 1 row of `p`",
        ),
    ] {
        let conn = migrated(&format!("{P} {more}"));
        let report = MigrationRunner::new([Migration::sql("1_it", script)]).unwrap().run(&conn).unwrap();
        assert_eq!(report.applied[0].account.to_string(), said, "{script}");
        assert_eq!(report.notes, [], "{script}");
        for table in &report.applied[0].account.tables {
            let Some(after) = table.rows_after else { continue };
            assert_eq!(
                rows(&conn, &format!("SELECT count(*) FROM {}", table.table)),
                [after.to_string()],
                "{script}"
            );
        }
    }
}
