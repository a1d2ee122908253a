//! Each assertion accepts what is there, and shows what differs.

use rusqlite::Connection;
use switchy_schema::test_utils::{
    TestMigrationBuilder, assert_applied, assert_column, assert_column_exists, assert_column_not_exists,
    assert_definition, assert_foreign_keys_intact, assert_index, assert_index_not_exists, assert_not_applied,
    assert_pending, assert_row_count, assert_row_count_at_least, assert_rows, assert_table_exists,
    assert_table_not_exists, assert_trigger, assert_trigger_not_exists, assert_unique, assert_view,
    assert_view_not_exists,
};
use switchy_schema::{Migration, MigrationRunner, Target};

use super::{made, message};

const SCHEMA: &str = "
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL DEFAULT 'no one',
        email VARCHAR(40) UNIQUE,
        age INT DEFAULT (1 + 1),
        initial TEXT AS (substr(name, 1, 1)),
        anything
    );
    CREATE TABLE \"odd table\" (\"odd column\" TEXT, other, PRIMARY KEY (\"odd column\", other)) WITHOUT ROWID;
    CREATE TABLE pets (owner INTEGER REFERENCES users, name TEXT);
    CREATE INDEX pets_by_name ON pets (name, owner DESC);
    CREATE UNIQUE INDEX one_name ON users (name COLLATE NOCASE) WHERE age > 3;
    CREATE INDEX lower_name ON users (lower(name));
    CREATE TRIGGER renamed AFTER UPDATE OF name ON users BEGIN SELECT 1; END;
    CREATE VIEW old AS SELECT * FROM users WHERE age > 90;
    CREATE TABLE gone (a);
    CREATE VIEW broken AS SELECT a FROM gone;
    DROP TABLE gone;
    INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Grace');";

#[test]
fn what_is_there_is_accepted() {
    let conn = made(SCHEMA);
    assert_table_exists(&conn, "USERS");
    assert_table_exists(&conn, "odd table");
    assert_table_not_exists(&conn, "old");
    for (column, definition) in [
        ("id", "INTEGER PRIMARY KEY"),
        ("ID", "integer primary key"),
        ("name", "TEXT NOT NULL DEFAULT 'no one'"),
        ("name", "TEXT DEFAULT 'no one' /* a comment */ NOT NULL"),
        ("email", "VARCHAR (40)"),
        ("age", "INT DEFAULT (1+1)"),
        ("anything", ""),
    ] {
        assert_column(&conn, "users", column, definition);
    }
    assert_column(&conn, "odd table", "odd column", "TEXT NOT NULL PRIMARY KEY");
    assert_column_exists(&conn, "users", "initial");
    assert_column_not_exists(&conn, "users", "e-mail");
    assert_index(&conn, "pets_by_name", "pets", &["name", "owner DESC"]);
    assert_index_not_exists(&conn, "renamed");
    for (table, columns) in
        [("users", &["id"][..]), ("users", &["EMAIL"]), ("odd table", &["other", "odd column"])]
    {
        assert_unique(&conn, table, columns);
    }
    assert_trigger(&conn, "renamed", "users");
    assert_trigger_not_exists(&conn, "old");
    assert_view(&conn, "old");
    assert_view_not_exists(&conn, "users");
    assert_definition(
        &conn,
        "OLD",
        "create view if not exists old as\n  select * from \"users\" where age>90;",
    );
    assert_row_count(&conn, "users", 2);
    assert_row_count_at_least(&conn, "users", 2);
    assert_rows(&conn, "SELECT name, email FROM users", &["Ada|NULL", "Grace|NULL"]);
    assert_rows(&conn, "SELECT 1 FROM pets", &[]);
    assert_foreign_keys_intact(&conn);
}

type Assertion = fn(&Connection);

/// What is asserted of `SCHEMA`, and the message.
const DIFFERENCES: [(Assertion, &str); 32] = [
    (
        |conn| assert_table_exists(conn, "user"),
        "there is no table `user`; did you mean `users`?\nthe tables: `odd table`, `pets`, `users`",
    ),
    (
        |conn| assert_table_exists(conn, "old"),
        "there is no table `old`\nthe tables: `odd table`, `pets`, `users`",
    ),
    (
        |conn| assert_table_not_exists(conn, "Pets"),
        "the table `Pets` exists\nthe tables: `odd table`, `pets`, `users`",
    ),
    (
        |conn| assert_column(conn, "users", "name", "TEXT NOT NULL DEFAULT 'no One'"),
        "the column `name` of `users` is another one:\n@@ -1 +1 @@\n\
            -TEXT NOT NULL DEFAULT 'no One'\n+TEXT NOT NULL DEFAULT 'no one'",
    ),
    (
        |conn| assert_column(conn, "users", "name", "TEXT DEFAULT 'no one'"),
        "the column `name` of `users` is another one:\n@@ -1 +1 @@\n\
            -TEXT DEFAULT 'no one'\n+TEXT NOT NULL DEFAULT 'no one'",
    ),
    (
        |conn| assert_column(conn, "users", "email", "TEXT"),
        "the column `email` of `users` is another one:\n@@ -1 +1 @@\n-TEXT\n+VARCHAR(40)",
    ),
    (
        |conn| assert_column(conn, "users", "age", "INT"),
        "the column `age` of `users` is another one:\n@@ -1 +1 @@\n-INT\n+INT DEFAULT 1 + 1",
    ),
    (
        |conn| assert_column(conn, "users", "id", "INTEGER"),
        "the column `id` of `users` is another one:\n@@ -1 +1 @@\n-INTEGER\n+INTEGER PRIMARY KEY",
    ),
    (
        |conn| assert_column(conn, "users", "initial", "TEXT"),
        "the column `initial` of `users` is another one:\n@@ -1 +1 @@\n-TEXT\n+TEXT GENERATED",
    ),
    (
        |conn| assert_column(conn, "users", "anything", "TEXT"),
        "the column `anything` of `users` is another one:\n@@ -1 +0,0 @@\n-TEXT",
    ),
    (
        |conn| assert_column(conn, "users", "email", "VARCHAR(40) UNIQUE"),
        "`assert_column` compares type, NOT NULL, DEFAULT and PRIMARY KEY, but `VARCHAR(40) UNIQUE` has something else; \
            use `assert_definition`",
    ),
    (
        |conn| assert_column(conn, "users", "email", "TEXT, other INT"),
        "`TEXT, other INT` does not define one column",
    ),
    (
        |conn| assert_column(conn, "users", "email", "TEXT NOT"),
        "`TEXT NOT` does not define a column: near \")\": syntax error in CREATE TABLE a (\"email\" TEXT NOT) at offset 32",
    ),
    (
        |conn| assert_column(conn, "users", "emial", "TEXT"),
        "there is no column `emial`; did you mean `email`?\n\
            the columns of `users`: `id`, `name`, `email`, `age`, `initial`, `anything`",
    ),
    (
        |conn| assert_column_exists(conn, "pets", "id"),
        "there is no column `id`\nthe columns of `pets`: `owner`, `name`",
    ),
    (|conn| assert_column_not_exists(conn, "users", "AGE"), "`users` has a column `age`: INT DEFAULT 1 + 1"),
    (
        |conn| assert_column_not_exists(conn, "user", "age"),
        "there is no table `user`; did you mean `users`?\nthe tables: `odd table`, `pets`, `users`",
    ),
    (
        |conn| assert_index(conn, "pets_by_name", "pets", &["name"]),
        "the index `pets_by_name` is another one:\n@@ -1 +1 @@\n-pets (name)\n+pets (name, owner DESC)",
    ),
    (
        |conn| assert_index(conn, "lower_name", "pets", &["name"]),
        "the index `lower_name` is another one:\n@@ -1 +1 @@\n-pets (name)\n+users (an expression)",
    ),
    (
        |conn| assert_index(conn, "pets_by_owner", "pets", &["owner"]),
        "there is no index `pets_by_owner`; did you mean `pets_by_name`?\nthe indexes: `pets_by_name`, `lower_name`, `one_name`",
    ),
    (
        |conn| assert_index_not_exists(conn, "one_name"),
        "the index `one_name` exists\nthe indexes: `pets_by_name`, `lower_name`, `one_name`",
    ),
    (
        |conn| assert_unique(conn, "users", &["name"]),
        "(name) of `users` is not unique; unique: (id), (email)",
    ),
    (
        |conn| assert_unique(conn, "pets", &["owner", "name"]),
        "(owner, name) of `pets` is not unique; nothing is",
    ),
    (
        |conn| assert_trigger(conn, "renamed", "pets"),
        "the trigger `renamed` belongs to `users`, not to `pets`",
    ),
    (|conn| assert_view(conn, "broken"), "the view `broken` cannot be read: no such table: main.gone"),
    (|conn| assert_view_not_exists(conn, "old"), "the view `old` exists\nthe views: `broken`, `old`"),
    (
        |conn| {
            assert_definition(conn, "one_name", "CREATE UNIQUE INDEX one_name ON users (name) WHERE age > 3");
        },
        "the index `one_name` is defined in another way:\n@@ -1 +1 @@\n\
            -CREATE UNIQUE INDEX one_name ON users (name) WHERE age > 3\n\
            +CREATE UNIQUE INDEX one_name ON users (name COLLATE NOCASE) WHERE age > 3",
    ),
    (
        |conn| assert_row_count(conn, "users", 3),
        "`users` has 2 rows, not 3:\n  1|Ada|NULL|2|A|NULL\n  2|Grace|NULL|2|G|NULL",
    ),
    (|conn| assert_row_count_at_least(conn, "pets", 1), "`pets` has 0 rows, not at least 1"),
    (
        |conn| assert_rows(conn, "SELECT id, name FROM users", &["1|Ada", "3|Linus"]),
        "`SELECT id, name FROM users` gives other rows:\n@@ -1,2 +1,2 @@\n 1|Ada\n-3|Linus\n+2|Grace",
    ),
    (
        |conn| assert_rows(conn, "SELECT nme FROM users", &[]),
        "the query `SELECT nme FROM users` fails: no such column: nme in SELECT nme FROM users at offset 7",
    ),
    (
        |conn| {
            conn.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO pets VALUES (9, 'Rex')").unwrap();
            assert_foreign_keys_intact(conn);
        },
        "rows reference missing parents:\n  `pets` row 1 references `users`",
    ),
];

#[test]
fn what_differs_is_shown() {
    let conn = made(SCHEMA);
    for (assertion, expected) in DIFFERENCES {
        assert_eq!(message(|| assertion(&conn)), expected);
    }
}

#[test]
fn a_message_about_many_rows_is_short() {
    let conn = made("CREATE TABLE a (b)");
    assert_eq!(message(|| assert_table_exists(&made(""), "a")), "there is no table `a`; there are no tables");
    conn.execute_batch(
        "WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 12) INSERT INTO a SELECT n FROM n",
    )
    .unwrap();
    let shown = message(|| assert_row_count(&conn, "a", 1));
    assert!(shown.ends_with("\n  9\n  10\n  and 2 more"), "{shown}");
}

#[test]
fn the_state_of_migrations_is_asserted_and_shown() {
    let set = TestMigrationBuilder::new()
        .migration("1_a", "CREATE TABLE a (b)")
        .migration("2_c", "CREATE TABLE c (d)")
        .migration("3_e", "CREATE TABLE e (f)")
        .metadata("3_e", "environments = [\"staging\"]");
    let (runner, conn) = (set.runner(), made(""));
    assert_not_applied(&runner, &conn, &["1_a", "2_c", "3_e"]);
    runner.run_to(&conn, Target::Steps(1)).unwrap();
    assert_applied(&runner, &conn, &["1_a"]);
    // A transaction dereferences to its connection.
    assert_pending(&runner, &conn.unchecked_transaction().unwrap(), &["2_c"]);
    assert_not_applied(&runner, &conn, &["2_c", "3_e"]);
    for (shown, expected) in [
        (
            message(|| assert_applied(&runner, &conn, &["1_a", "2_c"])),
            "the migrations have another state:\n@@ -1,2 +1,2 @@\n 1_a applied\n-2_c applied\n+2_c pending",
        ),
        (
            message(|| assert_pending(&runner, &conn, &["3_e"])),
            "the migrations have another state:\n@@ -1 +1 @@\n-3_e pending\n+3_e for another environment",
        ),
        (
            message(|| assert_not_applied(&runner, &conn, &["1_a"])),
            "the migrations have another state:\n@@ -1 +1 @@\n-1_a not applied\n+1_a applied",
        ),
        (
            message(|| assert_not_applied(&runner, &conn, &["4_g"])),
            "neither the set nor the database knows `4_g`",
        ),
    ] {
        assert_eq!(shown, expected);
    }
    // The record of a newer program counts as applied.
    let older = MigrationRunner::new([Migration::sql("0_z", "")]).unwrap();
    assert_applied(&older, &conn, &["1_a"]);
}

#[test]
fn values_of_different_kinds_are_different_rows() {
    let conn =
        made("CREATE TABLE a (b); INSERT INTO a VALUES (1), (1.0), (x'00ff'), (x''), (1e300), ('x|y')");
    assert_rows(&conn, "SELECT b FROM a", &["1", "1.0", "x'00FF'", "x''", "1e300", "x|y"]);
    let shown = message(|| assert_rows(&conn, "SELECT x'0102'", &["x'0103'"]));
    assert_eq!(shown, "`SELECT x'0102'` gives other rows:\n@@ -1 +1 @@\n-x'0103'\n+x'0102'");
}

#[test]
fn a_default_that_is_a_text_is_not_the_word() {
    let conn = made("CREATE TABLE a (b TEXT DEFAULT \"CURRENT_TIMESTAMP\", c TEXT DEFAULT \"Ada\")");
    assert_column(&conn, "a", "c", "TEXT DEFAULT \"Ada\"");
    for (column, expected) in [("b", "TEXT DEFAULT CURRENT_TIMESTAMP"), ("c", "TEXT DEFAULT \"ada\"")] {
        let shown = message(|| assert_column(&conn, "a", column, expected));
        assert!(shown.starts_with(&format!("the column `{column}` of `a` is another one")), "{shown}");
    }
}

#[test]
fn the_tables_of_the_engine_and_the_indexes_of_sqlite_exist() {
    let conn = made("CREATE TABLE a (b UNIQUE); CREATE TABLE __switchy_migrations (c)");
    assert_table_exists(&conn, "__switchy_migrations");
    assert_index(&conn, "sqlite_autoindex_a_1", "a", &["b"]);
    assert_eq!(
        message(|| assert_table_not_exists(&conn, "__switchy_migrations")),
        "the table `__switchy_migrations` exists\nthe tables: `a`"
    );
}

#[test]
fn a_message_about_a_file_that_is_no_database_has_words_only() {
    let folder = TestMigrationBuilder::new().file("a/text.sql", "x".repeat(200)).file("b/c/d", "");
    let conn = Connection::open(folder.path().join("a/text.sql")).unwrap();
    for shown in [
        message(|| assert_table_exists(&conn, "a")),
        message(|| assert_table_not_exists(&conn, "a")),
        message(|| assert_definition(&conn, "a", "CREATE TABLE a (b)")),
        message(|| switchy_schema::test_utils::assert_schema_file(&conn, "schema.sql")),
        message(|| drop(switchy_schema::test_utils::fill(&conn, 1))),
        message(|| drop(switchy_schema::test_utils::strategies::data(&conn, 1))),
    ] {
        assert!(shown.starts_with("the schema cannot be read: file is not a database"), "{shown}");
    }
    let twice = TestMigrationBuilder::new().migration("1_a", "").file("1_a.sql", "");
    let shown = message(|| drop(twice.runner()));
    assert!(shown.contains("1_a") && !shown.contains("{ "), "{shown}");
}

#[test]
fn what_a_terminal_would_obey_is_escaped_and_a_row_is_one_line() {
    const BAD: &str = "\u{1b}]0;x\u{7}\u{202e}";
    let conn = made(&format!(
        "CREATE TABLE \"t{BAD}\" (b); INSERT INTO \"t{BAD}\" VALUES ('{BAD}' || char(10) || 'y')"
    ));
    let query = format!("SELECT * FROM \"t{BAD}\"");
    for shown in [
        message(|| assert_rows(&conn, &query, &["a"])),
        message(|| assert_rows(&conn, &format!("SELECT \"{BAD}"), &[])),
        message(|| assert_row_count(&conn, &format!("t{BAD}"), 2)),
        message(|| assert_table_exists(&conn, "other")),
        message(|| assert_table_not_exists(&conn, &format!("t{BAD}"))),
        message(|| assert_column(&conn, &format!("t{BAD}"), "b", "TEXT")),
        message(|| assert_index(&conn, BAD, &format!("t{BAD}"), &["b"])),
        message(|| assert_definition(&conn, &format!("t{BAD}"), &format!("CREATE TABLE a (\"{BAD}\")"))),
    ] {
        assert!(shown.contains("\\u{1b}]0;x\\u{7}\\u{202e}"), "{shown:?}");
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown:?}");
    }
    let shown = message(|| assert_rows(&conn, &query, &["a"]));
    assert!(shown.ends_with("-a\n+\\u{1b}]0;x\\u{7}\\u{202e}\\ny"), "{shown}");
    let shown = message(|| assert_rows(&conn, "SELECT char(10)", &["\\n"]));
    assert!(shown.ends_with("-\"\\\\n\"\n+\"\\n\""), "{shown}");
    let shown = switchy_schema::test_utils::fill(&conn, 1).to_string();
    assert_eq!(shown, "`t\\u{1b}]0;x\\u{7}\\u{202e}`: 1 rows");
}
