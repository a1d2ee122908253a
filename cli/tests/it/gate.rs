//! Exit codes on servers: what a protected environment asks about, what is refused before the first step, and what is left alone.

use std::process::Output;

use mysql::prelude::Queryable;

use crate::on_servers::{mysql_url, postgres_url};
use crate::servers;
use crate::shell::Shell;

/// A folder with one migration for the database of this address.
fn shell(url: &str, script: &str) -> Shell {
    let mut shell = Shell::new();
    shell.hide(url);
    shell.set("SWITCHY_DATABASE_URL", url);
    shell.migration("2025-01-01-000000_it", script, None);
    shell
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// The exit codes of `validate`, `plan` and `--env production migrate`, with nobody to ask.
fn codes(shell: &mut Shell) -> [i32; 3] {
    ["validate", "plan", "--env production migrate"].map(|line| code(&shell.run(line)))
}

#[test]
fn production_asks_about_everything_that_postgres_would_take_away() {
    for (script, expected) in [
        ("DROP SCHEMA crm CASCADE;", [0, 0, 4]),
        ("DROP TYPE mood CASCADE;", [0, 0, 4]),
        ("DROP DOMAIN mail CASCADE;", [0, 0, 4]),
        ("MERGE INTO t USING crm.c ON t.id = c.id WHEN MATCHED THEN DELETE;", [0, 0, 4]),
        ("EXPLAIN ANALYZE DELETE FROM t;", [0, 0, 4]),
        ("DO $$ BEGIN DROP TABLE t; END $$;", [0, 0, 4]),
        ("CALL p();", [0, 0, 4]),
        ("ALTER TABLE t ALTER e TYPE varchar(1) USING '';", [0, 0, 4]),
        ("TRUNCATE t CASCADE;", [0, 0, 4]),
        ("DROP VIEW IF EXISTS nov;", [0, 0, 0]),
        ("UPDATE t SET id = 3;", [0, 0, 0]),
        ("COPY t FROM stdin;\n1\n\\.\n", [4, 1, 1]),
        ("\\set x 1\n", [4, 1, 1]),
        ("SELECT 1 \\gexec\n", [4, 1, 1]),
        ("CREATE TABLE x (a int); VACUUM x;", [4, 4, 4]),
        ("CREATE TABLE x (a int); CREATE INDEX CONCURRENTLY i ON x (a);", [4, 4, 4]),
        ("CREATE TABLE x (a int); CREATE DATABASE y;", [4, 4, 4]),
        ("BEGIN;\nCREATE TABLE x (a int);\nCOMMIT;\n", [0, 0, 0]),
        ("CREATE TABLE x (a int); COMMIT; CREATE TABLE y (a int);", [4, 4, 4]),
        ("DROP TABLE IF EXISTS __switchy_migrations;", [4, 1, 1]),
    ] {
        let Some(database) = servers::postgres() else { return };
        let before = "CREATE SCHEMA crm; CREATE TABLE crm.c (id int); INSERT INTO crm.c VALUES (1);
            CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN mail AS text;
            CREATE TABLE t (id int, m mood, e mail); INSERT INTO t VALUES (1, 'a', 'x');
            CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t'";
        database.connect().batch_execute(before).unwrap();
        let mut shell = shell(&postgres_url(&database), script);
        assert_eq!(codes(&mut shell), expected, "{}", shell.log);
        if expected[2] == 4 {
            let rows: i64 =
                database.connect().query_one("SELECT count(*) FROM crm.c, t", &[]).unwrap().get(0);
            assert_eq!(rows, 1, "{}", shell.log);
        }
    }
}

#[test]
fn what_was_confirmed_is_carried_out() {
    if let Some(database) = servers::postgres() {
        let before = "CREATE SCHEMA crm; CREATE TABLE crm.c (id int)";
        database.connect().batch_execute(before).unwrap();
        let mut shell = shell(&postgres_url(&database), "DROP SCHEMA crm CASCADE;");
        assert_eq!(codes(&mut shell), [0, 0, 4], "{}", shell.log);
        assert_eq!(code(&shell.run("--env production migrate --yes")), 0, "{}", shell.log);
    }
    if let Some(database) = servers::mysql() {
        database.connect().query_drop("CREATE TABLE c (id INT)").unwrap();
        let mut shell = shell(
            &mysql_url(&database),
            "ALTER TABLE c MODIFY id TINYINT; BEGIN NOT ATOMIC DELETE FROM c; END;",
        );
        assert_eq!(codes(&mut shell), [0, 0, 4], "{}", shell.log);
        assert_eq!(code(&shell.run("--env production migrate --yes")), 0, "{}", shell.log);
    }
}

#[test]
fn production_asks_about_everything_that_mariadb_would_take_away() {
    for (script, expected) in [
        ("CREATE OR REPLACE TABLE c (id INT PRIMARY KEY, n INT);", [0, 0, 4]),
        ("DROP DATABASE OTHER;", [0, 0, 4]),
        ("DROP SCHEMA IF EXISTS OTHER;", [0, 0, 4]),
        ("/*!40000 TRUNCATE c */;", [0, 0, 4]),
        ("ALTER TABLE c MODIFY email VARCHAR(1);", [0, 0, 4]),
        ("SET @s = 'DELETE FROM c'; PREPARE s FROM @s; EXECUTE s;", [0, 0, 4]),
        ("REPLACE INTO c VALUES (1, 'y');", [0, 0, 0]),
        ("DROP VIEW IF EXISTS nov;", [0, 0, 0]),
        ("SOURCE x;", [4, 1, 1]),
        ("\\! ls", [4, 1, 1]),
        ("SELECT 1\\G", [4, 1, 1]),
        ("LOAD DATA LOCAL INFILE 'x' INTO TABLE c;", [4, 1, 1]),
        ("DROP TABLE IF EXISTS `__switchy_migrations`;", [4, 1, 1]),
        ("DROP DATABASE HERE; CREATE DATABASE HERE; USE HERE; CREATE TABLE u (a INT);", [4, 1, 1]),
    ] {
        let Some(database) = servers::mysql() else { return };
        let mut conn = database.connect();
        let here: String = conn.query_first("SELECT DATABASE()").unwrap().unwrap();
        let other = format!("{here}_other");
        for statement in [
            "CREATE TABLE c (id INT PRIMARY KEY, email VARCHAR(255))",
            "INSERT INTO c VALUES (1, 'x'), (2, 'y')",
            &format!("CREATE DATABASE {other}"),
            &format!("CREATE TABLE {other}.t (a INT)"),
        ] {
            conn.query_drop(statement).unwrap();
        }
        let script = script.replace("OTHER", &other).replace("HERE", &here);
        let mut shell = shell(&mysql_url(&database), &script);
        assert_eq!(codes(&mut shell), expected, "{}", shell.log);
        let rows: u64 = conn.query_first("SELECT COUNT(*) FROM c").unwrap().unwrap();
        assert_eq!(rows, 2, "{}", shell.log);
        conn.query_drop(format!("DROP DATABASE IF EXISTS {other}")).unwrap();
    }
}

/// A dump of a managed database has the tracking table, and a run of it lost the history of all others.
#[test]
fn a_dump_of_a_managed_database_is_refused_and_leaves_the_history_alone() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = shell(&url, "CREATE TABLE t (a INT);");
    assert_eq!(code(&shell.run("migrate")), 0, "{}", shell.log);
    let dump = "/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `__switchy_migrations`;\n\
        /*!40101 SET @saved_cs_client = @@character_set_client */;\nCREATE TABLE `__switchy_migrations` (\n  `place` int\n);\n\
        LOCK TABLES `__switchy_migrations` WRITE;\nINSERT INTO `__switchy_migrations` VALUES (1);\nUNLOCK TABLES;\n";
    shell.migration("2025-01-02-000000_base", dump, None);
    let output = shell.run("migrate");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("it changes the tracking table `__switchy_migrations`; leave that table to the engine"),
        "{said}"
    );
    assert!(said.contains("--ignore-table=DATABASE.__switchy_migrations"), "{said}");
    assert!(!said.contains("dirty"), "{said}");
    let output = shell.run("status --json");
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(status.contains("\"applied\"") && status.contains("\"pending\""), "{status}");
    shell.remove("migrations/2025-01-02-000000_base");
    assert_eq!(code(&shell.run("migrate")), 0, "{}", shell.log);
}

/// Without a database, each one that the set is for is looked at.
#[test]
fn a_set_for_several_databases_is_validated_for_each() {
    let mut shell = Shell::new();
    shell.write(
        "migrations/2025-01-01-000000_a/up.sqlite.sql",
        "CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT);",
    );
    shell.write("migrations/2025-01-01-000000_a/up.postgres.sql", "\\set x 1\n");
    shell.write("migrations/2025-01-01-000000_a/up.mysql.sql", "SOURCE x;\n");
    let output = shell.run("validate");
    assert_eq!(code(&output), 4, "{}", shell.log);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("`\\set` is a command of psql and not SQL (on PostgreSQL)"), "{text}");
    assert!(text.contains("`SOURCE` is a command of the mysql client and not SQL (on MySQL)"), "{text}");
    shell.write("migrations/2025-01-01-000000_a/up.postgres.sql", "CREATE TABLE a (b int);");
    shell.write("migrations/2025-01-01-000000_a/up.mysql.sql", "CREATE TABLE a (b INT);");
    assert_eq!(code(&shell.run("validate")), 0, "{}", shell.log);
}
