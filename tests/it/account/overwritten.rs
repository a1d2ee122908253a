//! Values that a statement loses in rows that stay: the report says so, since no number of rows shows it.

use super::{Case, check};

const T: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT); INSERT INTO t VALUES (1,'Ada','36'),(2,'Bo','abc'),(3,'Cy',NULL);
    CREATE TABLE other(name TEXT, n INTEGER); INSERT INTO other VALUES ('Ada', 5);";
const NAMES: &str = "SELECT group_concat(coalesce(name, '-'), ' ') FROM t";
const AGES: &str = "SELECT group_concat(coalesce(age, '-'), ' ') FROM t";

/// A script that replaces `t` with a table that this statement fills.
fn rebuild(copy: &str) -> &'static str {
    format!("CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT, age TEXT); {copy}; DROP TABLE t; ALTER TABLE n RENAME TO t").leak()
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn a_value_that_becomes_null_is_reported() {
    check(&[
        Case(
            T,
            "UPDATE t SET name = (SELECT n FROM other WHERE other.name = t.name)",
            "~ sets `name` of `t` to NULL where it had a value, since the expression for it is NULL there; keep the old value with coalesce(..., \"name\"), or write coalesce(..., NULL) if NULL is meant",
            NAMES,
            "5 - -",
        ),
        Case(
            T,
            "UPDATE main.t AS x SET name = age || ' ' || name WHERE id > 2",
            "~ sets `name` of `t` to NULL where it had a value",
            NAMES,
            "Ada Bo -",
        ),
        Case(T, "UPDATE t SET name = date(name)", "~ `name` of `t` to NULL where it had", NAMES, "- - -"),
        Case(
            T,
            "UPDATE t SET name = CASE name WHEN 'Ada' THEN 'A' WHEN 'Bo' THEN 'B' END",
            "~ `name` of `t` to NULL where it had",
            NAMES,
            "A B -",
        ),
        Case(
            T,
            "WITH o AS (SELECT * FROM other) UPDATE t SET (name, age) = (SELECT n, n FROM o WHERE o.name = t.name)",
            "~ `name` of `t` to NULL where it had",
            NAMES,
            "5 - -",
        ),
        // In a rebuild, and in one through a new table.
        Case(
            T,
            rebuild(
                "INSERT INTO n SELECT t.id, other.name, age FROM t LEFT JOIN other ON other.name = t.name",
            ),
            "~ sets `name` of `t` to NULL where it had",
            NAMES,
            "Ada - -",
        ),
        Case(
            T,
            rebuild(
                "INSERT INTO n(id, name, age) SELECT id, name, (SELECT n FROM other WHERE other.name = t.name) FROM t",
            ),
            "~ sets `age` of `t` to NULL where it had",
            AGES,
            "5 - -",
        ),
        Case(
            T,
            "CREATE TABLE n AS SELECT id, date(name) AS name, age FROM t WHERE id > 0; DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT);
             INSERT INTO t SELECT * FROM n; DROP TABLE n",
            "~ whose column `name` had 3 values and has none now",
            NAMES,
            "- - -",
        ),
        // Columns that are joined and then go.
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, title TEXT); INSERT INTO n SELECT id, name || ' ' || age FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "~ sets `title` of `t` to NULL where one of the columns that it joins with || is NULL, and the others are lost; write coalesce(..., '') around each of these columns",
            "SELECT count(title) FROM t",
            "2",
        ),
        Case(
            T,
            "ALTER TABLE t ADD COLUMN title; UPDATE t SET title = name || age; ALTER TABLE t DROP COLUMN age; ALTER TABLE t DROP COLUMN name",
            "~ sets `title` of `t` to NULL where one",
            "SELECT count(title) FROM t",
            "2",
        ),
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, title TEXT, name TEXT); INSERT INTO n SELECT id, name || ' ' || age, name FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(title) FROM t",
            "2",
        ),
        Case(T, "ALTER TABLE t ADD COLUMN title; UPDATE t SET title = name || age", "", "SELECT count(title) FROM t", "2"),
        // It is meant, it loses nothing, or the old value is kept.
        Case(T, "UPDATE t SET name = coalesce(date(name), NULL)", "", NAMES, "- - -"),
        Case(T, "UPDATE t SET name = age, age = name", "", NAMES, "36 abc -"),
        Case(T, "UPDATE OR IGNORE t SET name = age", "~ `name` of `t` to NULL where it had", NAMES, "36 abc -"),
        Case(
            T,
            "ALTER TABLE t ADD COLUMN state TEXT DEFAULT 'none'; UPDATE t SET state = age",
            "",
            "SELECT count(state) FROM t",
            "2",
        ),
        Case(T, "UPDATE t SET name = ''; UPDATE t SET name = date(name)", "", NAMES, "- - -"),
        Case(T, "UPDATE t SET name = NULL", "", NAMES, "- - -"),
        Case(T, "UPDATE t SET name = nullif(name, 'Bo')", "", NAMES, "Ada - Cy"),
        Case(T, "UPDATE t SET name = CASE WHEN age IS NOT NULL THEN name ELSE NULL END", "", NAMES, "Ada Bo -"),
        Case(T, "UPDATE t SET name = upper(name), age = coalesce(date(age), age)", "", NAMES, "ADA BO CY"),
        Case(
            T,
            "UPDATE t SET name = (SELECT n FROM other WHERE other.name = t.name) WHERE name IN (SELECT name FROM other)",
            "",
            NAMES,
            "5 Bo Cy",
        ),
        Case(
            T,
            "ALTER TABLE t ADD COLUMN n; UPDATE t SET n = (SELECT n FROM other WHERE other.name = t.name)",
            "",
            "SELECT count(n) FROM t",
            "1",
        ),
        Case(
            T,
            rebuild("INSERT INTO n SELECT id, NULL, name FROM t; UPDATE n SET name = age"),
            "",
            NAMES,
            "Ada Bo Cy",
        ),
        // A column of the new table that the old one does not have, although the name is a text in double quotes.
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, \"full name\" TEXT); INSERT INTO n SELECT id, age FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(\"full name\") FROM t",
            "2",
        ),
        // Values of a table that stays, or of one that has no such column.
        Case(
            T,
            rebuild("INSERT INTO n SELECT * FROM t; INSERT INTO n SELECT id + 100, date(name), age FROM t AS u WHERE false; INSERT INTO n SELECT n + 100, date(name), n FROM other"),
            "",
            "SELECT count(name) FROM t",
            "3",
        ),
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, n TEXT); INSERT INTO n SELECT t.id, t.age FROM t LEFT JOIN other ON other.name = t.name; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            "SELECT count(n) FROM t",
            "2",
        ),
        // The old table stays.
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO n SELECT id, date(name) FROM t",
            "",
            "SELECT count(name) FROM n",
            "0",
        ),
    ]);
}

#[test]
fn a_text_that_is_cast_to_another_number_is_reported() {
    let int = |copy: &str| rebuild(&format!("INSERT INTO n SELECT id, name, {copy} FROM t"));
    check(&[
        Case(
            T,
            "UPDATE t SET age = CAST(age AS INTEGER)",
            "~ casts `age` of `t` to INTEGER, although some of its texts are not such numbers; correct these texts first ('abc' becomes 0), or keep them in a TEXT column",
            AGES,
            "36 0 -",
        ),
        Case(T, int("CAST(t.age AS INT)"), "~ casts `age` of `t` to INT, although", AGES, "36 0 -"),
        Case(
            T,
            "ALTER TABLE t ADD COLUMN n INTEGER; UPDATE t SET n = coalesce(CAST(age AS INTEGER), 0); ALTER TABLE t DROP COLUMN age",
            "~ casts `age` of `t` to INTEGER",
            "SELECT group_concat(n) FROM t",
            "36,0,0",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age DATE); INSERT INTO t VALUES (1,'a','2024-03-04'),(2,'b','2023-01-01')",
            "UPDATE t SET age = CAST(age AS DATE)",
            "~ casts `age` of `t` to DATE, although some of its texts are not such numbers; correct these texts first ('2023-01-01' becomes 2023)",
            AGES,
            "2024 2023",
        ),
        // The text stays, is a number, or is looked at first.
        Case(
            T,
            "ALTER TABLE t ADD COLUMN n INTEGER; UPDATE t SET n = CAST(age AS INTEGER)",
            "",
            "SELECT sum(n) FROM t",
            "36",
        ),
        Case(
            T,
            "UPDATE t SET age = CAST(age AS INTEGER) WHERE age NOT GLOB '*[^0-9]*'",
            "",
            AGES,
            "36 abc -",
        ),
        Case(
            T,
            int("CASE WHEN age GLOB '*[^0-9]*' THEN 0 ELSE CAST(age AS INTEGER) END"),
            "",
            AGES,
            "36 0 -",
        ),
        Case(T, "UPDATE t SET age = iif(age GLOB '[0-9]*', CAST(age AS INTEGER), age)", "", AGES, "36 abc -"),
        Case(
            T,
            "UPDATE t SET age = coalesce((SELECT CAST(age AS INTEGER) FROM (SELECT 1 AS age)), age)",
            "",
            AGES,
            "1 1 1",
        ),
        Case(T, "UPDATE t SET age = CAST(age AS TEXT)", "", AGES, "36 abc -"),
    ]);
}

#[test]
fn a_replace_that_leaves_columns_out_is_reported() {
    let user = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, age TEXT); INSERT INTO t VALUES (1,'Ada','36'),(2,'Bo',NULL)";
    let two = "CREATE TABLE t(a, b, name TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP, n INTEGER DEFAULT 5, PRIMARY KEY (a, b));
        INSERT INTO t VALUES (1,1,'Ada','2020',5),(1,2,'Bo','2020',7)";
    check(&[
        Case(
            T,
            "INSERT OR REPLACE INTO t(id, name) VALUES (1, 'Ida'), (9, 'Di')",
            "~ replaces rows of `t` and loses the values of `age`: REPLACE deletes a row before it adds it, and the statement does not name these columns; name all columns, or keep the row: INSERT ... ON CONFLICT ... DO UPDATE SET ...",
            AGES,
            "- abc - -",
        ),
        Case(
            T,
            "WITH o AS (SELECT 'x' AS x) REPLACE INTO main.t AS k (name, \"ID\") SELECT x, id FROM o JOIN t;",
            "~ replaces rows of `t` and loses the values of `age`",
            AGES,
            "- - -",
        ),
        Case(
            user,
            "REPLACE INTO t(name, age) VALUES ('Ada', '37')",
            "~ replaces rows of `t` and loses the values of `id`",
            "SELECT id FROM t WHERE name = 'Ada'",
            "3",
        ),
        Case(
            two,
            "REPLACE INTO t(b, a, name) VALUES (1, 1, 'Ida'), (2, 1, 'Bob')",
            "~ replaces rows of `t` and loses the values of `n`",
            "SELECT group_concat(n) FROM t",
            "5,5",
        ),
        Case(
            T,
            "REPLACE INTO t(id, name) VALUES (1, 'Ida'); REPLACE INTO t(id, name) VALUES (2, 'Bob')",
            "~ replaces rows of `t` and loses the values of `age`",
            AGES,
            "- - -",
        ),
        // All columns, no row, no value, or only a default.
        Case(T, "REPLACE INTO t(id, age, name) VALUES (1, '1', 'Ida')", "", AGES, "1 abc -"),
        Case(T, "REPLACE INTO t(id, name) VALUES (9, 'Di')", "", AGES, "36 abc - -"),
        Case(T, "REPLACE INTO t(id, name) VALUES (3, 'Ci')", "", AGES, "36 abc -"),
        Case(two, "REPLACE INTO t(b, a, name) VALUES (1, 1, 'Ida')", "", "SELECT count(*) FROM t", "2"),
        Case(
            T,
            "INSERT INTO t(id, name) VALUES (1, 'Ida') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
            "",
            AGES,
            "36 abc -",
        ),
        Case(
            "CREATE TABLE other(x)",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, name, age); INSERT INTO t VALUES (1,'Ada','36'); REPLACE INTO t(id, name) VALUES (1,'x')",
            "",
            AGES,
            "-",
        ),
    ]);
}

#[test]
fn a_rebuild_copies_values_also_where_rows_are_added_or_the_way_is_longer() {
    let person = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT); INSERT INTO t VALUES (1,'Ada','36'),(7,'Bo','40')";
    let back = |copy: &str, back: &str| -> &'static str {
        format!("{copy}; DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT); {back}; DROP TABLE bak").leak()
    };
    let create = "CREATE TABLE bak AS SELECT * FROM t";
    let twice = |first: &str, second: &str| -> &'static str {
        let columns = "id INTEGER PRIMARY KEY, name TEXT, age TEXT";
        let rebuild = |copy: &str| {
            format!("CREATE TABLE n({columns}); {copy}; DROP TABLE t; ALTER TABLE n RENAME TO t")
        };
        format!("{}; {}", rebuild(first), rebuild(second)).leak()
    };
    let (whole, part) = ("INSERT INTO n SELECT * FROM t", "INSERT INTO n(id, name) SELECT id, name FROM t");
    let emptied = "~ replaces `t`, whose column `age` had 2 values and has none now";
    let left_out =
        "~ replaces `t` and does not copy 2 values of its column `age`; copy `age` into the new table";
    check(&[
        Case(
            person,
            rebuild(
                "INSERT INTO n(id, name) SELECT id, name FROM t; INSERT INTO n(name, age) VALUES ('Guest', '1')",
            ),
            left_out,
            AGES,
            "- - 1",
        ),
        Case(
            person,
            rebuild("INSERT INTO n VALUES (9, 'Guest', '1'); INSERT INTO n(id, name) SELECT id, name FROM t"),
            left_out,
            AGES,
            "- - 1",
        ),
        Case(
            person,
            rebuild(
                "INSERT INTO n(id, name) SELECT id, name FROM t; INSERT INTO n(name, age) VALUES ('Guest', '1'); UPDATE n SET age = (SELECT age FROM t WHERE t.id = n.id) WHERE age IS NULL",
            ),
            "",
            AGES,
            "36 40 1",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT AS (name || '!') STORED); INSERT INTO t VALUES (1,'Ada'),(2,'Bo')",
            rebuild("INSERT INTO n(id, name) SELECT id, name FROM t"),
            emptied,
            AGES,
            "- -",
        ),
        // Twice in one script.
        Case(person, twice(whole, part), emptied, AGES, "- -"),
        Case(person, twice(part, whole), emptied, AGES, "- -"),
        Case(person, twice(whole, whole), "", AGES, "36 40"),
        // To another table and back.
        Case(person, back(create, "INSERT INTO t SELECT * FROM bak"), "", AGES, "36 40"),
        Case(person, back(create, "INSERT INTO t(id, name) SELECT id, name FROM bak"), emptied, AGES, "- -"),
        Case(
            person,
            back(
                "CREATE TEMP TABLE bak AS SELECT id, name, NULL AS age FROM t",
                "INSERT INTO t SELECT * FROM bak",
            ),
            emptied,
            AGES,
            "- -",
        ),
        Case(
            person,
            back(create, "INSERT INTO t(name, age) SELECT name, age FROM bak"),
            "~ replaces `t` and numbers its rows anew, so id = 7 is not the row that it was",
            AGES,
            "36 40",
        ),
        // Nothing is copied, although the number of rows is the same.
        Case(
            person,
            "DROP TABLE t; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, age TEXT); INSERT INTO t VALUES (1,'a','1'),(2,'b','2')",
            "~ replaces `t` and does not copy any of the 2 rows that it had; copy the rows into the new table",
            AGES,
            "1 2",
        ),
        Case(
            person,
            rebuild("INSERT INTO n VALUES (1,'a','1'),(7,'b','2')"),
            "~ replaces `t` and does not copy any of the 2 rows",
            AGES,
            "1 2",
        ),
    ]);
}

#[test]
fn a_rebuild_that_forgets_an_action_a_collation_or_strict_is_reported() {
    let parent = "CREATE TABLE p(id INTEGER PRIMARY KEY);";
    let child = |columns: &str| -> &'static str {
        format!("{parent} CREATE TABLE c({columns}); INSERT INTO c VALUES (NULL)").leak()
    };
    let rebuild = |columns: &str| -> &'static str {
        format!("CREATE TABLE n({columns}); INSERT INTO n SELECT * FROM c; DROP TABLE c; ALTER TABLE n RENAME TO c").leak()
    };
    let strict: &str =
        "CREATE TABLE c(a TEXT COLLATE NOCASE, b TEXT) STRICT; INSERT INTO c VALUES ('a', 'b')";
    let (count, one) = ("SELECT count(*) FROM c", "1");
    check(&[
        Case(
            child("p INTEGER REFERENCES p(id) ON DELETE CASCADE ON UPDATE SET NULL"),
            rebuild("p INTEGER REFERENCES p(id) ON UPDATE CASCADE"),
            "~ does not recreate ON DELETE CASCADE of the foreign key of `p`",
            count,
            one,
        ),
        Case(
            child("p INTEGER REFERENCES p(id) ON DELETE RESTRICT"),
            rebuild("p INTEGER REFERENCES p(id)"),
            "",
            count,
            one,
        ),
        Case(
            child("p INTEGER REFERENCES p(id) ON DELETE CASCADE"),
            rebuild("p INTEGER REFERENCES p(id) ON DELETE SET NULL"),
            "",
            count,
            one,
        ),
        Case(
            strict,
            rebuild("a TEXT, b TEXT"),
            "~ does not recreate STRICT and COLLATE NOCASE of `a`",
            count,
            one,
        ),
        Case(
            strict,
            "CREATE TABLE n(a TEXT COLLATE RTRIM, b TEXT COLLATE NOCASE) STRICT; INSERT INTO n SELECT * FROM c; DROP TABLE c; ALTER TABLE n RENAME TO c",
            "",
            count,
            one,
        ),
    ]);
}

#[test]
fn what_the_triggers_of_a_view_write_is_not_read_from_the_statement() {
    check(&[Case(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1,'Ada'); CREATE VIEW v AS SELECT * FROM t;
         CREATE TRIGGER vu INSTEAD OF UPDATE ON v BEGIN UPDATE t SET name = coalesce(new.name, name) WHERE id = new.id; END",
        "UPDATE v SET name = date(name)",
        "",
        "SELECT name FROM t",
        "Ada",
    )]);
}

#[test]
fn rows_that_are_deleted_and_put_back_in_part_are_those_that_were_set_aside() {
    let person = "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1,'Ada'),(2,'Bo');
        CREATE TABLE fresh(id INTEGER, name TEXT); INSERT INTO fresh VALUES (3,'Di'); CREATE TABLE old(id, name)";
    let back = |aside: &str, back: &str| -> &'static str { format!("{aside}; DELETE FROM t; {back}").leak() };
    let (whole, temp) = ("INSERT INTO old SELECT * FROM t", "CREATE TEMP TABLE k AS SELECT * FROM t");
    let said = "~ deletes the 2 rows of `t` and copies only 1 back";
    let (one, two) =
        ("INSERT INTO t SELECT * FROM old WHERE id = 1", "INSERT INTO t SELECT * FROM k2 LIMIT 1");
    let twice = format!("{temp}; CREATE TEMP TABLE k2 AS SELECT * FROM k");
    let gone = format!("{one}; DROP TABLE old");
    check(&[
        Case(person, back(whole, &gone), said, NAMES, "Ada"),
        Case(person, back("INSERT INTO old(id) SELECT id FROM t", one), said, NAMES, "-"),
        Case(person, back(&twice, two), said, NAMES, "Ada"),
        // Every row is in a table that stays, or the rows are others.
        Case(person, back(whole, one), "", NAMES, "Ada"),
        Case(person, back(whole, "INSERT INTO t SELECT * FROM fresh"), "", NAMES, "Di"),
        Case(person, back(temp, "INSERT INTO t SELECT * FROM fresh"), "", NAMES, "Di"),
    ]);
}
