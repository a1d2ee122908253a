//! `TestMigrations`.

use switchy_schema::test_utils::server::{assert_row_count, assert_rows, assert_schema};
use switchy_schema::test_utils::{
    TestDatabase, TestMigrations, assert_applied, assert_not_applied, assert_pending,
};
use switchy_schema::{Migration, MigrationRunner, Mysql, Postgres, Target};

use super::{Kind, message, on_servers};

const UP: &str =
    "ALTER TABLE users ADD COLUMN mail VARCHAR(40); UPDATE users SET mail = concat(name, '@example.com')";

fn set<B: Kind>() -> [Migration<B>; 2] {
    [
        Migration::reversible(
            "1_users",
            "CREATE TABLE users (name VARCHAR(40) NOT NULL)",
            "DROP TABLE users",
        ),
        Migration::reversible("2_mail", UP, "ALTER TABLE users DROP COLUMN mail"),
    ]
}

fn tested<B: Kind>(set: impl Into<Vec<Migration<B>>>) -> TestMigrations<B> {
    TestMigrations::new(MigrationRunner::for_backend(set.into()).unwrap())
}

fn insert<B: Kind>(conn: B::Conn<'_>) -> Result<(), B::Error> {
    B::run(conn, "INSERT INTO users (name) VALUES ('Ada')")
}

fn seeds_and_checks_run_on_the_way<B: Kind>() {
    let database = TestDatabase::<B>::on_server();
    let mut conn = database.connect();
    tested::<B>(set())
        .seed_before("2_mail", insert::<B>)
        .check_after("2_mail", |conn| {
            let mut conn = conn;
            let found = B::rows(&mut conn, "SELECT name, mail FROM users").unwrap();
            assert_eq!(found, ["Ada|Ada@example.com"]);
        })
        .check_undone("2_mail", |conn| {
            let mut conn = conn;
            assert_eq!(B::rows(&mut conn, "SELECT * FROM users").unwrap(), ["Ada"]);
        })
        .run(B::borrow(&mut conn));
    assert!(database.schema().is_empty());
}
on_servers! { seeds_and_checks_run_on_the_way a_run_can_end_earlier a_cycle_that_is_right_passes
a_down_script_that_leaves_something_is_shown a_down_script_that_loses_rows_is_shown
a_step_needs_rows a_schema_is_compared_with_a_file }

fn a_run_can_end_earlier<B: Kind>() {
    let database = TestDatabase::<B>::on_server();
    let mut conn = database.connect();
    tested::<B>(set()).up_to("1_users").run(B::borrow(&mut conn));
    let runner = MigrationRunner::for_backend(set::<B>()).unwrap();
    assert_applied(&runner, B::borrow(&mut conn), &["1_users"]);
    assert_pending(&runner, B::borrow(&mut conn), &["2_mail"]);
    assert_not_applied(&runner, B::borrow(&mut conn), &["2_mail"]);
    assert_eq!(
        message(|| assert_pending(&runner, B::borrow(&mut conn), &["1_users", "2_mail"])),
        "the migrations have another state:\n@@ -1,2 +1,2 @@\n-1_users pending\n+1_users applied\n 2_mail pending"
    );
}

fn a_cycle_that_is_right_passes<B: Kind>() {
    tested::<B>(set()).seed_before("2_mail", insert::<B>).verify_full_cycle();
    tested::<B>(set()).verify_cycle_after("1_users");
}

fn a_down_script_that_leaves_something_is_shown<B: Kind>() {
    let [first, _] = set::<B>();
    let up = "ALTER TABLE users ADD COLUMN mail VARCHAR(40); CREATE VIEW mails AS SELECT mail FROM users";
    let broken = Migration::reversible("2_mail", up, "DROP VIEW mails");
    let shown = message(|| tested::<B>([first, broken]).verify_full_cycle());
    assert!(
        shown.starts_with("undoing `2_mail` does not restore the schema:\nchanged table `users`:\n"),
        "{shown}"
    );
    assert!(shown.lines().any(|line| line.starts_with('+') && line.contains("mail")), "{shown}");
    assert!(!shown.contains("mails"), "{shown}");
}

fn a_down_script_that_loses_rows_is_shown<B: Kind>() {
    let [first, _] = set::<B>();
    let broken = Migration::reversible("2_mail", UP, "ALTER TABLE users DROP COLUMN mail; DELETE FROM users");
    let shown = message(|| {
        tested::<B>([first, broken]).seed_before("2_mail", insert::<B>).verify_full_cycle();
    });
    assert_eq!(
        shown,
        "undoing `2_mail` loses rows:\n  `users` had 1 rows before `2_mail` and before undoing it, and has 0 now"
    );
}

fn a_step_needs_rows<B: Kind>() {
    let shown = message(|| tested::<B>(set()).verify_each_step_on_data());
    assert_eq!(
        shown,
        "tables are empty before `2_mail`, so it would be tried without rows:\n  `users`\n\
        insert some with `seed_before`, or accept it with `without_generated_rows`"
    );
    tested::<B>(set()).without_generated_rows("users").verify_each_step_on_data();
    tested::<B>(set()).seed_before("2_mail", insert::<B>).roll_back().verify_each_step_on_data();

    let [first, _] = set::<B>();
    let fails = Migration::sql("2_unique", "INSERT INTO users VALUES (NULL)");
    let shown = message(|| {
        tested::<B>([first, fails]).seed_before("2_unique", insert::<B>).verify_each_step_on_data();
    });
    assert!(shown.contains("2_unique") && shown.to_lowercase().contains("null"), "{shown}");
}

fn a_schema_is_compared_with_a_file<B: Kind>() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.sql");
    let database = TestDatabase::<B>::on_server();
    let mut conn = database.connect();
    let runner = MigrationRunner::for_backend(set::<B>()).unwrap();
    runner.run(B::borrow(&mut conn)).unwrap();
    std::fs::write(&file, runner.dump_schema(B::borrow(&mut conn)).unwrap().to_string()).unwrap();
    tested::<B>(set()).assert_schema_file(&file);
    let shown = message(|| tested::<B>(set()).up_to("1_users").assert_schema_file(&file));
    assert!(shown.contains("\n-") && shown.contains("mail"), "{shown}");
}

#[test]
fn assertions_show_the_difference_on_postgres() {
    let Some(database) = TestDatabase::<Postgres>::if_available() else { return };
    let client = &mut database.connect();
    Postgres::on(client, "CREATE TABLE \"a.b\" (x boolean, y bytea, z int)");
    Postgres::on(client, "INSERT INTO \"a.b\" VALUES (true, '\\x00ff', NULL)");
    assert_rows(client, "SELECT * FROM \"a.b\"", &["t|\\x00ff|NULL"]);
    assert_eq!(
        message(|| assert_rows(client, "SELECT 1", &["2"])),
        "`SELECT 1` gives other rows:\n@@ -1 +1 @@\n-2\n+1"
    );
    assert_row_count(client, "a.b", 1);
    assert_eq!(message(|| assert_row_count(client, "a.b", 2)), "`a.b` has 1 rows, not 2");
    assert_eq!(
        message(|| assert_row_count(client, "c", 2)),
        "the rows of `c` cannot be counted; does the table exist?"
    );
    assert_schema(client, &["CREATE TABLE \"a.b\" (\n    x boolean,\n    y bytea,\n    z integer\n)"]);
    assert!(message(|| assert_schema(client, &[])).contains("+    x boolean,"));
    assert!(
        message(|| assert_rows(client, "SELECT nothing", &[])).contains("column \"nothing\" does not exist")
    );
}

#[test]
fn assertions_show_the_difference_on_mysql() {
    let Some(database) = TestDatabase::<Mysql>::if_available() else { return };
    let conn = &mut database.connect();
    Mysql::on(
        conn,
        "CREATE TABLE t (x boolean, y varbinary(9), z text, d decimal(5,2), b bit(9), j json, e timestamp(0) NULL)",
    );
    Mysql::on(conn, "INSERT INTO t VALUES (true, x'00ff', 'ä', 1.5, 257, '{}', NULL)");
    assert_rows(conn, "SELECT * FROM t", &["1|x'00FF'|ä|1.50|x'0101'|{}|NULL"]);
    assert_eq!(
        message(|| assert_rows(conn, "SELECT 1", &["2"])),
        "`SELECT 1` gives other rows:\n@@ -1 +1 @@\n-2\n+1"
    );
    assert_row_count(conn, "t", 1);
    assert_eq!(message(|| assert_row_count(conn, "t", 2)), "`t` has 1 rows, not 2");
    Mysql::on(conn, "DROP TABLE t");
    assert_schema(conn, &[]);
    assert!(message(|| assert_rows(conn, "SELECT nothing", &[])).contains("Unknown column 'nothing'"));
}

/// What is outside the schema in which names are looked up first belongs to the database of the test too.
#[test]
fn everything_in_a_database_of_postgres_is_compared() {
    if TestDatabase::<Postgres>::if_available().is_none() {
        return;
    }
    for (up, down, expected) in [
        ("CREATE SCHEMA s", "SELECT 1", "extra schema `s`:\n+CREATE SCHEMA s"),
        (
            "CREATE SCHEMA s; CREATE TABLE s.t (x int)",
            "DROP TABLE s.t",
            "extra schema `s`:\n+CREATE SCHEMA s",
        ),
        (
            "CREATE TYPE mood AS ENUM ('sad')",
            "SELECT 1",
            "extra type `mood`:\n+CREATE TYPE mood AS ENUM ('sad')",
        ),
        ("CREATE SEQUENCE q", "SELECT 1", "extra sequence `q`:\n+CREATE SEQUENCE q"),
        (
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "SELECT 1",
            "extra function `f()`:\n+CREATE OR REPLACE FUNCTION f()",
        ),
        (
            "CREATE INDEX i ON users (name)",
            "SELECT 1",
            "extra index `i`:\n+CREATE INDEX i ON users USING btree (name)",
        ),
        (
            "ALTER TABLE users ADD CONSTRAINT c CHECK (name <> '')",
            "SELECT 1",
            "+    CONSTRAINT c CHECK (name::text <> ''::text)",
        ),
        ("ALTER TABLE users ALTER name DROP NOT NULL", "SELECT 1", "+    name character varying(40)"),
        ("ALTER TABLE users ALTER name SET DEFAULT 'x'", "SELECT 1", "DEFAULT 'x'::character varying"),
    ] {
        let [first, _] = set::<Postgres>();
        let broken = Migration::reversible("2_it", up, down);
        let shown = message(|| tested::<Postgres>([first, broken]).verify_full_cycle());
        assert!(shown.contains(expected), "{up}:\n{shown}");
    }

    let set = [
        Migration::reversible(
            "1_s",
            "CREATE SCHEMA s; CREATE TABLE s.t (x int)",
            "DROP TABLE s.t; DROP SCHEMA s",
        ),
        Migration::reversible("2_s", "ALTER TABLE s.t ADD y int", "ALTER TABLE s.t DROP y; DELETE FROM s.t"),
    ];
    let tested = tested::<Postgres>(set);
    tested.verify_full_cycle();
    let seeded = tested.seed_before("2_s", |client| client.batch_execute("INSERT INTO s.t VALUES (1)"));
    assert!(message(|| seeded.verify_full_cycle()).contains("`s.t` had 1 rows before `2_s`"));
}

#[test]
fn everything_in_a_database_of_mysql_is_compared() {
    if TestDatabase::<Mysql>::if_available().is_none() {
        return;
    }
    for (up, expected) in [
        ("CREATE PROCEDURE p() SELECT 1", "extra procedure `p`:\n+CREATE PROCEDURE `p`()"),
        (
            "CREATE TRIGGER r BEFORE INSERT ON users FOR EACH ROW SET NEW.name = 'x'",
            "extra trigger `r`:\n+CREATE TRIGGER r BEFORE INSERT",
        ),
        ("CREATE VIEW v AS SELECT name FROM users", "extra view `v`:\n+CREATE"),
        ("CREATE INDEX i ON users (name)", "+  KEY `i` (`name`)"),
        ("ALTER TABLE users MODIFY name VARCHAR(40) NULL", "+  `name` varchar(40) DEFAULT NULL"),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (name <> '')", "+  CONSTRAINT `c` CHECK"),
    ] {
        let [first, _] = set::<Mysql>();
        let broken = Migration::reversible("2_it", up, "DO 1");
        let shown = message(|| tested::<Mysql>([first, broken]).verify_full_cycle());
        assert!(shown.contains(expected), "{up}:\n{shown}");
    }
}

#[test]
fn a_stop_that_never_comes_is_refused() {
    if TestDatabase::<Postgres>::if_available().is_none() {
        return;
    }
    let tested = tested::<Postgres>(set()).check_after("3_missing", |_| ());
    assert!(message(|| tested.verify_full_cycle()).contains("`check_after` cannot run: "));
    let mut client = TestDatabase::<Postgres>::on_server().connect();
    // The database is gone, and the connection with it.
    assert!(
        MigrationRunner::for_backend(set::<Postgres>()).unwrap().run_to(&mut client, Target::Latest).is_err()
    );
}
