//! Exit codes on servers: what a protected environment asks about, what is refused before the first step, and what is left alone.

use std::process::{Command, Output};

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
        ("DROP TABLE crm.c;", [0, 0, 4]),
        ("DROP TABLE IF EXISTS t;", [0, 0, 4]),
        ("drop table \"t\" restrict;", [0, 0, 4]),
        ("DROP TABLE public.t, crm.c;", [0, 0, 4]),
        ("DROP TABLE t CASCADE;", [0, 0, 4]),
        ("DROP TABLE p1;", [0, 0, 4]),
        ("DROP MATERIALIZED VIEW mv;", [0, 0, 4]),
        ("TRUNCATE t, crm.c;", [0, 0, 4]),
        ("WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d;", [0, 0, 4]),
        ("ALTER TABLE t DROP COLUMN e;", [0, 0, 4]),
        ("ALTER TABLE t DROP e;", [0, 0, 4]),
        ("DROP EXTENSION citext CASCADE;", [0, 0, 4]),
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
            CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t';
            CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF parts FOR VALUES IN (1);
            CREATE MATERIALIZED VIEW mv AS SELECT * FROM t; CREATE EXTENSION citext; CREATE TABLE ci (name citext)";
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

/// A role and another database are not in the database of the migrations.
#[test]
fn production_asks_about_what_is_elsewhere_on_the_server() {
    let Some(database) = servers::postgres() else { return };
    let mut client = database.connect();
    let here: String = client.query_one("SELECT current_database()::text", &[]).unwrap().get(0);
    let [own1, victim] = [format!("{here}_own1"), format!("{here}_victim")];
    client.batch_execute(&format!("CREATE DATABASE {victim}")).unwrap();
    client
        .batch_execute(&format!("CREATE ROLE {own1}; CREATE TABLE o (a int); ALTER TABLE o OWNER TO {own1}"))
        .unwrap();
    let mut shell = shell(&postgres_url(&database), "");
    for (script, plan) in [
        (format!("DROP OWNED BY {own1};"), format!("drops all that `{own1}` owns, drops the table `o`")),
        (format!("DROP DATABASE {victim};"), format!("drops the database `{victim}` and all in it")),
        (format!("DROP ROLE {own1};"), format!("drops the role `{own1}`")),
    ] {
        shell.non_transactional("2025-01-01-000000_it", &script);
        assert_eq!(codes(&mut shell), [0, 0, 4], "{}", shell.log);
        let output = shell.command(&["plan"]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(plan.split(", ").all(|effect| said.contains(effect)), "{said}");
    }
    let left = format!(
        "SELECT count(*) FROM pg_database, pg_roles, o WHERE datname = '{victim}' AND rolname = '{own1}'"
    );
    client.query_one(&left, &[]).unwrap();
    client.batch_execute(&format!("DROP OWNED BY {own1}; DROP ROLE {own1}")).unwrap();
    client.batch_execute(&format!("DROP DATABASE {victim}")).unwrap();
}

/// `validate --strict` named nothing but the file, and `plan` had no line for what is dropped.
#[test]
fn a_plan_and_a_strict_validation_say_what_is_dropped() {
    let check = |url: &str, script: &str, effect: &str| {
        let mut shell = shell(url, script);
        assert_eq!(code(&shell.run("validate --strict")), 4, "{}", shell.log);
        assert_eq!(code(&shell.run("plan")), 0, "{}", shell.log);
        assert_eq!(shell.log.matches(effect).count(), 2, "{}", shell.log);
    };
    if let Some(database) = servers::postgres() {
        let before = "CREATE SCHEMA crm; CREATE TABLE crm.c(id int); INSERT INTO crm.c VALUES (1);";
        database.connect().batch_execute(before).unwrap();
        check(&postgres_url(&database), "DROP SCHEMA crm CASCADE;", "drops the schema `crm` and all in it");
    }
    if let Some(database) = servers::mysql() {
        let mut conn = database.connect();
        conn.query_drop("CREATE TABLE c(id int primary key)").unwrap();
        conn.query_drop("INSERT INTO c VALUES (1),(2)").unwrap();
        let url = mysql_url(&database);
        check(&url, "CREATE OR REPLACE TABLE c(id int primary key, n int);", "replaces the table `c`");
        // A comment that MariaDB runs is a statement.
        let mut shell = shell(&url, "/*M!100300 DELETE FROM c */");
        let output = shell.run("plan");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("no statement"), "{}", shell.log);
        assert!(
            shell.log.contains("deletes rows of `c`") && !shell.log.contains("changes nothing"),
            "{}",
            shell.log
        );
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
        ("DROP SCHEMA OTHER;", [0, 0, 4]),
        ("DROP TABLE c;", [0, 0, 4]),
        ("DROP TABLE IF EXISTS `c`;", [0, 0, 4]),
        ("DELETE c, d FROM c JOIN d ON d.id = c.id;", [0, 0, 4]),
        ("ALTER TABLE parts DROP PARTITION p0;", [0, 0, 4]),
        ("ALTER TABLE parts TRUNCATE PARTITION p0;", [0, 0, 4]),
        ("ALTER TABLE c DROP email;", [0, 0, 4]),
        ("DELIMITER //\nBEGIN NOT ATOMIC\n  DELETE FROM c;\nEND //\n", [0, 0, 4]),
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
            "CREATE TABLE d (id INT)",
            "CREATE TABLE parts (a INT) PARTITION BY RANGE (a) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))",
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

/// The smallest forms of such a dump, on a database with one migration applied.
#[test]
fn the_history_of_a_managed_database_stays() {
    let check = |url: &str, scripts: &[&str]| {
        let mut shell = shell(url, "CREATE TABLE t (a INT);");
        assert_eq!(code(&shell.run("migrate")), 0, "{}", shell.log);
        for script in scripts {
            shell.migration("2025-01-02-000000_it", script, None);
            let output = shell.run("migrate");
            assert!(!output.status.success(), "{}", shell.log);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("tracking table") && !said.contains("dirty"), "{script}: {said}");
            let output = shell.run("status --json");
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            let states = said["migrations"].as_array().unwrap().iter().map(|it| it["state"].clone());
            assert_eq!(states.collect::<Vec<_>>(), ["applied", "pending"], "{}", shell.log);
        }
    };
    let scripts = [
        "DROP TABLE IF EXISTS __switchy_migrations;\n",
        "DELETE FROM __switchy_migrations;\n",
        "TRUNCATE __switchy_migrations;\n",
    ];
    if let Some(database) = servers::postgres() {
        check(&postgres_url(&database), &scripts);
    }
    if let Some(database) = servers::mysql() {
        check(
            &mysql_url(&database),
            &[&scripts[..], &["DROP TABLE IF EXISTS `__switchy_migrations`;\n"]].concat(),
        );
    }
}

/// The dump as the server's own program writes it.
#[test]
fn a_real_dump_of_a_managed_database_is_refused() {
    let Some(database) = servers::mysql() else { return };
    let url = mysql_url(&database);
    let mut shell = shell(&url, "CREATE TABLE t (a INT);");
    assert_eq!(code(&shell.run("migrate")), 0, "{}", shell.log);
    let mut conn = database.connect();
    let [name, socket] = ["SELECT DATABASE()", "SELECT @@socket"]
        .map(|sql| conn.query_first::<String, _>(sql).unwrap().unwrap());
    let dump = Command::new("mariadb-dump").args(["--no-defaults", "-uroot", "-S", &socket, &name]).output();
    // A server that the tests did not start may be elsewhere.
    let Some(dump) = dump.ok().filter(|dump| dump.status.success()) else { return };
    shell.migration("2025-01-02-000000_base", &String::from_utf8(dump.stdout).unwrap(), None);
    for line in ["validate", "plan", "migrate"] {
        let output = shell.run(line);
        assert!(!output.status.success(), "{}", shell.log);
    }
    assert!(shell.log.contains("--ignore-table=DATABASE.__switchy_migrations"), "{}", shell.log);
    let recorded: u64 = conn.query_first("SELECT COUNT(*) FROM __switchy_migrations").unwrap().unwrap();
    assert_eq!(recorded, 1, "{}", shell.log);
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
