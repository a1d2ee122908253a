//! Values that get lost on their way to another column, or that rows of another table overwrite.

use super::{Case, check};

const T: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, city TEXT, body TEXT); INSERT INTO t VALUES (1,'Ulm','a'),(2,'Bonn','b'),(3,NULL,'c');
    CREATE TABLE city(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO city VALUES (1,'Ulm');";
const POST: &str = "CREATE TABLE author(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO author VALUES (1,'Ada');
    CREATE TABLE post(id INTEGER PRIMARY KEY, uuid TEXT, author_id INTEGER); INSERT INTO post VALUES (1,'x',1),(2,'y',NULL)";
const IDS: &str = "SELECT group_concat(coalesce(city_id, '-'), ' ') FROM t";
const BODIES: &str = "SELECT group_concat(coalesce(body, '-'), ' ') FROM t";

/// A script that replaces `t` with a table that this query fills.
fn rebuild(columns: &str, query: &str) -> &'static str {
    format!("CREATE TABLE n(id INTEGER PRIMARY KEY, {columns}); INSERT INTO n {query}; DROP TABLE t; ALTER TABLE n RENAME TO t").leak()
}

/// A script that fills the new column `city_id` before it drops `city`.
fn column(update: &str) -> &'static str {
    format!("ALTER TABLE t ADD COLUMN city_id; {update}; ALTER TABLE t DROP COLUMN city").leak()
}

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn a_value_that_gets_lost_on_its_way_to_another_column_is_reported() {
    let dropped = "~ drops the column `city` of `t`, and `city_id`, which is computed from it, is NULL in rows where `city` has a value; give `city_id` a value for each value of `city` first, or write coalesce(..., NULL) if NULL is meant";
    let replaced = "~ replaces `t` without its column `city`, and `city_id`, which is computed from it, is NULL in rows where `city` had a value; give `city_id` a value for each value of `city`, or";
    let replaced_by_title = "~ replaces `t` without its column `city`, and `title`, which is computed from it, is NULL in rows where `city` had a value";
    check(&[
        Case(
            T,
            column("UPDATE t SET city_id = city.id FROM city WHERE city.name = trim(city) AND t.id > 0"),
            dropped,
            IDS,
            "1 - -",
        ),
        Case(
            T,
            column("UPDATE t SET city_id = (SELECT id FROM city WHERE name = t.city)"),
            dropped,
            IDS,
            "1 - -",
        ),
        Case(
            T,
            column("UPDATE t SET city_id = city.id FROM city WHERE city.name = t.city"),
            dropped,
            IDS,
            "1 - -",
        ),
        Case(T, column("UPDATE t SET city_id = CASE city WHEN 'Ulm' THEN 7 END"), dropped, IDS, "7 - -"),
        Case(
            T,
            rebuild("city_id", "SELECT t.id, city.id FROM t LEFT JOIN city ON city.name = t.city"),
            replaced,
            IDS,
            "1 - -",
        ),
        Case(
            T,
            rebuild("city_id", "SELECT id, (SELECT id FROM city WHERE name = t.city) FROM t"),
            replaced,
            IDS,
            "1 - -",
        ),
        // In many steps.
        Case(
            T,
            column(&"UPDATE t SET city_id = (SELECT id FROM city WHERE name = t.city) WHERE id = 2;".repeat(1100)),
            dropped,
            IDS,
            "- - -",
        ),
        // Another statement finds the rest.
        Case(
            T,
            column(
                "UPDATE t SET city_id = (SELECT id FROM city WHERE name = t.city); UPDATE t SET city_id = 9 WHERE city_id IS NULL",
            ),
            "",
            IDS,
            "1 9 9",
        ),
        Case(
            T,
            "CREATE TABLE n(id INTEGER PRIMARY KEY, city_id); INSERT INTO n SELECT id, (SELECT id FROM city WHERE name = t.city) FROM t;
             UPDATE n SET city_id = 9 WHERE city_id IS NULL; DROP TABLE t; ALTER TABLE n RENAME TO t",
            "",
            IDS,
            "1 9 9",
        ),
        // Each row has a value in one of two columns, or NULL is meant, or the old column stays.
        Case(
            T,
            rebuild("city_id, other", "SELECT id, CASE city WHEN 'Ulm' THEN 1 END, CASE WHEN city <> 'Ulm' THEN city END FROM t"),
            "",
            IDS,
            "1 - -",
        ),
        Case(T, column("UPDATE t SET city_id = CASE city WHEN 'Ulm' THEN 7 ELSE NULL END"), "", IDS, "7 - -"),
        Case(T, column("UPDATE t SET city_id = coalesce((SELECT id FROM city WHERE name = t.city), 0)"), "", IDS, "1 0 0"),
        Case(
            T,
            "ALTER TABLE t ADD COLUMN city_id; UPDATE t SET city_id = (SELECT id FROM city WHERE name = t.city)",
            "",
            IDS,
            "1 - -",
        ),
        // The join uses a column of the same name, of another table.
        Case(T, rebuild("word, title", "SELECT t.id, t.body, city.name FROM t LEFT JOIN city ON city.name = t.city"), replaced_by_title, "SELECT count(title) FROM t", "1"),
        Case(
            POST,
            "CREATE TABLE n(uuid, author, title); INSERT INTO n SELECT p.uuid, a.id, a.name FROM post p LEFT JOIN author a ON a.id = p.author_id; DROP TABLE post; ALTER TABLE n RENAME TO post",
            "",
            "SELECT group_concat(coalesce(title, '-'), ' ') FROM post",
            "Ada -",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT, city TEXT); INSERT INTO t VALUES (1,'x','Ulm'),(2,'y','Bonn'); CREATE TABLE s(k TEXT, city TEXT); INSERT INTO s VALUES ('x','Ulm')",
            column("UPDATE t SET city_id = s.k FROM s WHERE s.k = t.k AND s.city <> 'city' AND t.city <> ''"),
            "",
            IDS,
            "x -",
        ),
        // A flag that is not set has nothing to move.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, city INTEGER, at TEXT); INSERT INTO t VALUES (1,1,'2020'),(2,0,'2021')",
            column("UPDATE t SET city_id = CASE WHEN city THEN at END"),
            "",
            IDS,
            "2020 -",
        ),
    ]);
}

#[test]
fn an_update_from_other_tables_is_looked_at() {
    let null = "~ sets `body` of `t` to NULL where it had a value, since the expression for it is NULL there; keep the old value with coalesce(..., \"body\"), or";
    check(&[
        Case(
            T,
            "UPDATE t SET body = x.name FROM (SELECT t.id, city.name FROM t LEFT JOIN city ON city.name = t.city) AS x WHERE x.id = t.id",
            null,
            BODIES,
            "Ulm - -",
        ),
        Case(
            T,
            "UPDATE main.t AS k SET body = r.prev FROM (SELECT id, lag(body) OVER (ORDER BY id) AS prev FROM t) AS r JOIN city WHERE r.id = k.id RETURNING id",
            null,
            BODIES,
            "- a b",
        ),
        Case(
            T,
            "UPDATE t SET body = CAST(t.body AS INTEGER) FROM city",
            "~ casts `body` of `t` to INTEGER, although some of its texts are not such numbers; correct these texts first ('a' becomes 0)",
            BODIES,
            "0 0 0",
        ),
        Case(T, "UPDATE OR IGNORE t SET body = date(body)", null, BODIES, "- - -"),
        // The row is skipped, or gets the default.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, body TEXT NOT NULL DEFAULT 'x'); INSERT INTO t VALUES (1,'a')",
            "UPDATE OR IGNORE t SET body = date(body); UPDATE OR REPLACE t SET body = date(body)",
            "",
            BODIES,
            "x",
        ),
        // Only rows that are found are changed.
        Case(T, "UPDATE t SET body = city.name FROM city WHERE city.name = t.city", "", BODIES, "Ulm b c"),
        Case(
            T,
            "UPDATE t SET body = coalesce(x.name, t.body) FROM (SELECT t.id, city.name FROM t LEFT JOIN city ON city.name = t.city) AS x WHERE x.id = t.id",
            "",
            BODIES,
            "Ulm b c",
        ),
    ]);
}

#[test]
fn a_number_that_loses_its_fraction_is_reported() {
    let t = "CREATE TABLE t(id INTEGER PRIMARY KEY, body REAL); INSERT INTO t VALUES (1,2.0),(2,19.99)";
    let said = "~ casts `body` of `t` to INTEGER, although some of these numbers have a fraction (19.99 becomes 19); write CAST(round(...) AS INTEGER) if whole numbers are meant, or keep them in a REAL column";
    let cents = "~ casts `body` of `t` times 100 to INTEGER, although some of these numbers have a fraction (1998.9999999999998 becomes 1998)";
    let sum = "SELECT CAST(sum(body) AS TEXT) FROM t";
    check(&[
        Case(t, "UPDATE t SET body = CAST(body AS INTEGER)", said, sum, "21.0"),
        Case(t, rebuild("body INTEGER", "SELECT id, CAST(body AS INTEGER) FROM t"), said, sum, "21"),
        Case(t, "UPDATE t SET body = CAST(body AS INTEGER) WHERE id = 1", "", sum, "21.99"),
        Case(t, "UPDATE t SET body = CAST(round(body) AS INTEGER)", "", sum, "22.0"),
        // 19.99 * 100 is a little less than 1999.
        Case(
            t,
            rebuild("cents INTEGER", "SELECT id, CAST(body * 100 AS INTEGER) FROM t"),
            cents,
            "SELECT sum(cents) FROM t",
            "2198",
        ),
        Case(
            t,
            rebuild("cents INTEGER", "SELECT id, CAST(round(body * 100) AS INTEGER) FROM t"),
            "",
            "SELECT sum(cents) FROM t",
            "2199",
        ),
        // 1.1 * 100 is a little more than 110, and an INTEGER has a greatest number.
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, body REAL); INSERT INTO t VALUES (1,1.1),(2,1e9 + 1.1)",
            rebuild("cents INTEGER", "SELECT id, CAST(body * 100 AS INTEGER) FROM t"),
            "",
            "SELECT group_concat(cents) FROM t",
            "110,100000000110",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, body REAL); INSERT INTO t VALUES (1,1e20)",
            "UPDATE t SET body = CAST(body AS POINT)",
            "~ casts `body` of `t` to POINT",
            "SELECT body < 1e19 FROM t",
            "1",
        ),
        Case(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, body REAL); INSERT INTO t VALUES (1,1.101)",
            rebuild("cents INTEGER", "SELECT id, CAST(body * 100 AS INTEGER) FROM t"),
            "~ casts `body` of `t` times 100 to INTEGER",
            "SELECT cents FROM t",
            "110",
        ),
        Case(
            t,
            "ALTER TABLE t ADD COLUMN cents; UPDATE t SET cents = CAST(body * 100 AS INTEGER); ALTER TABLE t DROP COLUMN body",
            cents,
            "SELECT sum(cents) FROM t",
            "2198",
        ),
    ]);
}

#[test]
fn a_row_that_is_inserted_again_keeps_its_values() {
    let t = "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT UNIQUE, body TEXT); INSERT INTO t VALUES (1,'x','a'),(2,'y','b');
        CREATE TABLE s(id INTEGER, k TEXT, b TEXT); INSERT INTO s VALUES (1,'x',NULL),(3,'z','c')";
    let said = "~ sets `body` of `t` to NULL where it had a value, since the expression for it is NULL there; keep the old value with coalesce";
    let replaced = "~ since the expression for it is NULL there; keep it with INSERT ... ON CONFLICT ... DO UPDATE SET \"body\" = coalesce(excluded.\"body\", \"body\"), or write coalesce(..., NULL) if NULL is meant";
    let upsert = |end: &str| -> &'static str {
        format!("INSERT INTO t(id, body) SELECT id, b FROM s WHERE true ON CONFLICT {end}").leak()
    };
    check(&[
        Case(t, upsert("(id) DO UPDATE SET body = excluded.body"), said, BODIES, "- b c"),
        Case(t, upsert("DO UPDATE SET body = excluded.body RETURNING id"), said, BODIES, "- b c"),
        Case(
            t,
            "INSERT INTO main.t AS q (id, k) VALUES (1,'x') ON CONFLICT (k) DO UPDATE SET k = excluded.k, body = excluded.body WHERE q.id > 0",
            said,
            BODIES,
            "- b",
        ),
        Case(t, "REPLACE INTO t SELECT * FROM s", replaced, BODIES, "- b c"),
        Case(
            t,
            "INSERT OR REPLACE INTO t(body, id, k) SELECT date(body), id, k FROM t",
            replaced,
            BODIES,
            "- -",
        ),
        // The old value is kept, no row has it, or NULL is meant.
        Case(t, upsert("(id) DO UPDATE SET body = coalesce(excluded.body, body)"), "", BODIES, "a b c"),
        Case(
            t,
            upsert("(id) DO UPDATE SET body = excluded.body WHERE excluded.body IS NOT NULL"),
            "",
            BODIES,
            "a b c",
        ),
        Case(t, upsert("DO NOTHING"), "", BODIES, "a b c"),
        Case(
            t,
            "INSERT INTO t(id, k) VALUES (9,'q') ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            "",
            BODIES,
            "a b -",
        ),
        Case(
            t,
            "INSERT INTO t(id, body) VALUES (1, NULL), (2, 'z') ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            "",
            BODIES,
            "- z",
        ),
        Case(t, "REPLACE INTO t SELECT id, k, NULL FROM t", "", BODIES, "- -"),
        Case(t, "REPLACE INTO t VALUES (1, 'x', NULL)", "", BODIES, "- b"),
    ]);
}
