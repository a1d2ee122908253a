//! What the text of a script shows to be impossible is refused before the first step, and the history of a server cannot be lost.
//!
//! A dump of a managed database begins with `DROP TABLE IF EXISTS __switchy_migrations`. On MySQL it was sent, the whole history was gone,
//! and the error said that the step was marked dirty, which nothing was (since the first release, as with node-db-migrate and dbmate).

use mysql::prelude::Queryable;
use switchy_schema::{
    Atomicity, Backend, ErrorKind, Migration, MigrationError, MigrationRunner, Mysql, Postgres, ProblemKind,
    Remedy, Target,
};

use crate::servers;
use crate::{mysql as my, postgres as pg};

/// A migration that is applied, and one that is tried.
fn set<B: Backend>(script: &str, atomicity: Atomicity) -> Vec<Migration<B>> {
    let it = Migration::from_scripts("2_it", script.to_owned(), None);
    let it = if atomicity == Atomicity::Transaction { it } else { it.outside_transaction() };
    vec![Migration::sql("1_before", "CREATE TABLE before_it (a INT)"), it]
}

fn runner<B: Backend>(script: &str) -> MigrationRunner<B> {
    MigrationRunner::for_backend(set(script, Atomicity::Transaction)).unwrap()
}

fn before<B: Backend>() -> MigrationRunner<B> {
    let mut set = set("", Atomicity::Transaction);
    set.truncate(1);
    MigrationRunner::for_backend(set).unwrap()
}

/// The single problem of a refused run.
fn refused(error: &MigrationError, script: &str) -> String {
    assert_eq!(error.kind(), ErrorKind::Refused, "{script}: {error}");
    let [problem] = error.problems() else { panic!("{script}: {error}") };
    assert_eq!(problem.kind, ProblemKind::Fails, "{script}: {error}");
    problem.to_string()
}

#[test]
fn mysql_keeps_the_history_whatever_a_script_names() {
    let scripts = [
        "DROP TABLE IF EXISTS `__switchy_migrations`",
        "DROP TABLE t, __switchy_migrations",
        "drop /* x */ table -- y\n  __SWITCHY_MIGRATIONS",
        "/*!40000 DROP TABLE IF EXISTS `__switchy_migrations` */",
        "/*M!100000 DROP */ TABLE __switchy_migrations",
        "SET sql_mode = 'ANSI_QUOTES'; DROP TABLE \"__switchy_migrations\"",
        "DROP TABLE HERE.__switchy_migrations",
        "DROP TABLE `HERE`.`__switchy_migrations`",
        "USE mysql; DROP TABLE HERE.__switchy_migrations",
        "USE HERE; DROP TABLE __switchy_migrations",
        "TRUNCATE TABLE __switchy_migrations",
        "TRUNCATE __switchy_migrations_log",
        "RENAME TABLE t TO u, __switchy_migrations TO other",
        "RENAME TABLE t TO __switchy_migrations",
        "ALTER TABLE __switchy_migrations DROP COLUMN basis",
        "ALTER TABLE __switchy_migrations RENAME TO other",
        "ALTER TABLE t RENAME TO __switchy_migrations",
        "CREATE OR REPLACE TABLE __switchy_migrations (a INT)",
        "CREATE TABLE __switchy_migrations (a INT)",
        "CREATE TABLE u (a INT); DELETE FROM __switchy_migrations",
        "CREATE TABLE u (a INT); INSERT INTO __switchy_migrations (name) VALUES ('3_x')",
        "CREATE TABLE u (a INT); UPDATE __switchy_migrations SET name = 'x'",
        "DROP TABLE __switchy_locks",
        "DROP DATABASE HERE",
        "drop schema if exists `HERE`",
        "DROP DATABASE HERE; CREATE DATABASE HERE; USE HERE; CREATE TABLE u (a INT)",
        "CREATE OR REPLACE DATABASE HERE",
        "PREPARE s FROM 'DROP TABLE __switchy_migrations'; EXECUTE s",
        "EXECUTE IMMEDIATE 'DROP DATABASE HERE'",
        "SET STATEMENT max_statement_time = 9 FOR DROP TABLE __switchy_migrations",
        "BEGIN NOT ATOMIC DROP TABLE __switchy_migrations; END",
        "CREATE TRIGGER tr BEFORE INSERT ON __switchy_migrations FOR EACH ROW SET new.name = 'x'",
        "CREATE EVENT e ON SCHEDULE AT CURRENT_TIMESTAMP DO DROP TABLE __switchy_migrations",
        "CREATE TEMPORARY TABLE __switchy_migrations LIKE t",
    ];
    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    let here = my::rows(&mut conn, "SELECT DATABASE()").remove(0);
    conn.query_drop("CREATE TABLE t (a INT)").unwrap();
    before::<Mysql>().run(&mut conn).unwrap();
    for script in scripts {
        let script = &script.replace("HERE", &here);
        let runner = runner::<Mysql>(script);
        let error = runner.run(&mut conn).unwrap_err();
        let said = refused(&error, script);
        assert!(said.contains("tracking table") && said.contains("leave that"), "{script}: {said}");
        // A plan and a validation say the same, and nothing was done.
        let plan = runner.plan(&mut conn, Target::Latest).unwrap();
        assert_eq!(plan.failing_step().map(|step| step.id.as_str()), Some("2_it"), "{script}: {plan}");
        let found = runner.validate(&mut conn).unwrap();
        assert_eq!(found.iter().filter(|it| it.kind == ProblemKind::Fails).count(), 1, "{script}: {found:?}");
        assert_eq!(my::rows(&mut conn, "SELECT name FROM __switchy_migrations"), ["1_before"], "{script}");
        let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ('t', 'u')";
        assert_eq!(my::rows(&mut conn, tables), ["t"], "{script}");
    }
    let said = runner::<Mysql>(scripts[0]).run(&mut conn).unwrap_err().to_string();
    assert!(
        said.contains("it changes the tracking table `__switchy_migrations`; leave that table to the engine"),
        "{said}"
    );
    assert!(said.contains("--ignore-table=DATABASE.__switchy_migrations"), "{said}");
}

#[test]
fn a_table_with_such_a_name_elsewhere_is_not_the_engines() {
    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    let here = my::rows(&mut conn, "SELECT DATABASE()").remove(0);
    let other = format!("{here}_other");
    conn.query_drop(format!("CREATE DATABASE {other}; ")).unwrap();
    let scripts = [
        format!("CREATE TABLE {other}.__switchy_migrations (a INT); DROP TABLE {other}.__switchy_migrations"),
        format!("USE {other}; CREATE TABLE __switchy_migrations (a INT); DROP TABLE __switchy_migrations"),
        "CREATE TABLE __switchy_migrations_copy AS SELECT * FROM __switchy_migrations".to_owned(),
        "CREATE VIEW done AS SELECT name FROM __switchy_migrations".to_owned(),
        "CREATE TABLE IF NOT EXISTS __switchy_migrations (a INT)".to_owned(),
        "DROP TEMPORARY TABLE IF EXISTS __switchy_migrations".to_owned(),
        "INSERT INTO before_it SELECT 1 FROM __switchy_migrations; -- DROP TABLE __switchy_migrations"
            .to_owned(),
        format!("DROP DATABASE {other}"),
    ];
    before::<Mysql>().run(&mut conn).unwrap();
    for script in scripts {
        let it = Migration::from_scripts("2_it", script.clone(), None);
        let set = vec![Migration::sql("1_before", "CREATE TABLE before_it (a INT)"), it];
        let runner = MigrationRunner::<Mysql>::for_backend(set).unwrap();
        runner.run(&mut conn).unwrap_or_else(|error| panic!("{script}: {error}"));
        conn.query_drop("DELETE FROM __switchy_migrations WHERE name = '2_it'").unwrap();
        conn.query_drop("UPDATE __switchy_migrations SET basis = NULL").unwrap();
    }
}

/// What a routine or a prepared statement does is not in the script.
#[test]
fn mysql_notices_after_a_statement_that_the_history_is_gone() {
    let gone = "what it did stays, and the tracking table no longer has its record";
    let rows = [
        ("CALL p()", "DROP TABLE __switchy_migrations", gone),
        ("CREATE TABLE u (a INT); CALL p()", "DROP TABLE __switchy_migrations", gone),
        ("CREATE TABLE u (a INT); CALL p()", "DELETE FROM __switchy_migrations", gone),
        (
            "CREATE TABLE u (a INT); CALL p()",
            "DELETE FROM __switchy_migrations WHERE name = '1_before'",
            "marked dirty",
        ),
        (
            "SET @s = CONCAT('DROP TABLE __switchy', '_migrations'); PREPARE s FROM @s; EXECUTE s",
            "SELECT 1",
            gone,
        ),
        ("SET @s = CONCAT('DROP DATABASE ', DATABASE()); EXECUTE IMMEDIATE @s", "SELECT 1", gone),
    ];
    for (script, body, left) in rows {
        let Some(database) = servers::mysql() else { return };
        let mut conn = database.connect();
        before::<Mysql>().run(&mut conn).unwrap();
        conn.query_drop(format!("CREATE PROCEDURE p() {body}")).unwrap();
        let script = format!("{script}; CREATE TABLE not_reached (a INT)");
        let error = runner::<Mysql>(&script).run(&mut conn).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("it changes the tracking table"), "{script}: {said}");
        assert!(said.contains(left), "{script}: {said}");
        if left == gone {
            assert!(!said.contains("dirty") && !said.contains("Retry"), "{script}: {said}");
            assert!(error.remedy().unwrap().singles().contains(&&Remedy::Baseline), "{script}: {said}");
        } else {
            let dirty = "SELECT name FROM __switchy_migrations WHERE dirty <> 0";
            assert_eq!(my::rows(&mut conn, dirty), ["2_it"], "{script}");
        }
        let there = "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'not_reached'";
        assert_eq!(my::rows(&mut conn, there), ["0"], "{script}");
    }
}

#[test]
fn a_routine_that_leaves_the_history_alone_runs() {
    let Some(database) = servers::mysql() else { return };
    let mut conn = database.connect();
    before::<Mysql>().run(&mut conn).unwrap();
    conn.query_drop("CREATE PROCEDURE p() CREATE TABLE u (a INT)").unwrap();
    let it = runner::<Mysql>(
        "CALL p(); BEGIN NOT ATOMIC INSERT INTO u VALUES (1); END; EXECUTE IMMEDIATE 'INSERT INTO u VALUES (2)'",
    );
    it.run(&mut conn).unwrap();
    assert_eq!(my::rows(&mut conn, "SELECT a FROM u ORDER BY a"), ["1", "2"]);
}

#[test]
fn postgres_refuses_such_scripts_before_they_run() {
    let scripts = [
        "DROP TABLE IF EXISTS public.__switchy_migrations",
        "DROP TABLE \"__switchy_migrations\" CASCADE",
        "SET search_path = public; DROP TABLE __switchy_migrations",
        "TRUNCATE __switchy_migrations, t",
        "ALTER TABLE ONLY public.__switchy_migrations DROP COLUMN basis",
        "ALTER TABLE __switchy_migrations SET SCHEMA other",
        "DROP TABLE __switchy_migrations_log",
        "CREATE TABLE public.__switchy_migrations (a int)",
        "DROP SCHEMA other, public CASCADE",
        "ALTER SCHEMA public RENAME TO x",
        "CREATE RULE r AS ON INSERT TO __switchy_migrations DO INSTEAD NOTHING",
        "CREATE TRIGGER tr BEFORE INSERT ON __switchy_migrations FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE TEMP TABLE __switchy_migrations (a int)",
    ];
    pg::with(|_, client| {
        client.batch_execute("CREATE SCHEMA other; CREATE TABLE t (a int)").unwrap();
        before::<Postgres>().run(&mut *client).unwrap();
        for script in scripts {
            for atomicity in [Atomicity::Transaction, Atomicity::NonTransactional] {
                let runner = MigrationRunner::<Postgres>::for_backend(set(script, atomicity)).unwrap();
                let said = refused(&runner.run(&mut *client).unwrap_err(), script);
                assert!(said.contains("tracking table") && said.contains("leave that"), "{script}: {said}");
            }
        }
        for script in [
            "CREATE TABLE other.__switchy_migrations (a int); DROP TABLE other.__switchy_migrations",
            "ALTER TABLE __switchy_migrations OWNER TO CURRENT_USER",
            "CREATE VIEW done AS SELECT name FROM __switchy_migrations",
            "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
            CREATE TRIGGER seen AFTER INSERT ON __switchy_migrations FOR EACH ROW EXECUTE FUNCTION seen()",
            "DROP SCHEMA other CASCADE",
        ] {
            runner::<Postgres>(script).run(&mut *client).unwrap_or_else(|error| panic!("{script}: {error}"));
            let again = "DELETE FROM __switchy_migrations WHERE name = '2_it'; UPDATE __switchy_migrations SET basis = NULL";
            client.batch_execute(again).unwrap();
        }
    });
}

#[test]
fn what_only_a_client_can_run_is_refused_before_the_first_step() {
    let postgres = [
        ("COPY t FROM stdin;\n1\n\\.\n", "1:1", "write the rows as INSERT statements"),
        ("SELECT 1;\ncopy t (a) from STDIN with (format csv);", "2:1", "write the rows as INSERT statements"),
        ("SELECT 1; COPY (SELECT 1) TO STDOUT", "1:11", "TO STDOUT"),
        ("\\set x 1", "1:1", "`\\set` is a command of psql"),
        ("SELECT 'CREATE TABLE x()' \\gexec", "1:27", "`\\gexec` is a command of psql"),
        ("SELECT 1;\n\\copy t from x", "2:1", "`\\copy` is a command of psql"),
        (
            "CREATE TABLE x (a int); CREATE INDEX CONCURRENTLY i ON x (a)",
            "1:25",
            "cannot run in a transaction",
        ),
        ("CREATE TABLE x (a int); DROP INDEX CONCURRENTLY i", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); REINDEX TABLE CONCURRENTLY x", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); VACUUM x", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); CREATE DATABASE y", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); DROP DATABASE y", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); CREATE TABLESPACE y LOCATION '/y'", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); DROP TABLESPACE y", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); ALTER SYSTEM SET work_mem = '1MB'", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); ALTER DATABASE y SET TABLESPACE z", "1:25", "cannot run in a transaction"),
        ("CREATE TABLE x (a int); DISCARD ALL", "1:25", "cannot run in a transaction"),
        (
            "CREATE TABLE x (a int); CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
            "1:25",
            "cannot run in a transaction",
        ),
        ("CREATE TABLE x (a int); COMMIT; CREATE TABLE y (a int)", "1:25", "would end the transaction"),
        ("BEGIN; CREATE TABLE x (a int)", "1:1", "does not end it"),
    ];
    pg::with(|_, client| {
        client.batch_execute("CREATE TABLE t (a int)").unwrap();
        for (script, place, said) in postgres {
            let runner = runner::<Postgres>(script);
            let error = runner.run(&mut *client).unwrap_err();
            check(&error, script, place, said);
            let none =
                "SELECT to_regclass('before_it') IS NULL AND to_regclass('__switchy_migrations') IS NULL";
            assert_eq!(pg::rows(client, none), ["t"], "{script}: an earlier step ran");
            found(&runner.validate(&mut *client).unwrap(), script);
            found(&runner.validate_source(), script);
        }
    });
    let mysql = [
        ("SOURCE x.sql;", "1:1", "`SOURCE` is a command of the mysql client"),
        ("SELECT 1;\n\\! ls", "2:1", "`\\!` is a command of the mysql client"),
        ("SELECT 1\\G", "1:9", "end the statement with its delimiter"),
        ("SELECT 1;\nsystem ls;", "2:1", "`system` is a command of the mysql client"),
        (
            "CREATE TABLE x (a INT);\nLOAD DATA LOCAL INFILE 'x' INTO TABLE t",
            "2:1",
            "it reads a file of the client",
        ),
        ("DELIMITER", "1:1", "DELIMITER is not followed by a delimiter"),
        ("CREATE TABLE x (a INT); XA START 'x'", "1:25", "several databases"),
        ("CREATE TABLE x (a INT); SELECT ROW_COUNT()", "1:25", "how many rows"),
        ("INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)", "1:27", "would end the transaction"),
    ];
    my::with(|_, conn| {
        conn.query_drop("CREATE TABLE t (a INT)").unwrap();
        for (script, place, said) in mysql {
            let runner = runner::<Mysql>(script);
            let error = runner.run(&mut *conn).unwrap_err();
            check(&error, script, place, said);
            assert_eq!(my::rows(conn, "SHOW TABLES"), ["t"], "{script}: an earlier step ran");
            found(&runner.validate(&mut *conn).unwrap(), script);
            found(&runner.validate_source(), script);
        }
    });
}

fn check(error: &MigrationError, script: &str, place: &str, said: &str) {
    assert_eq!(error.kind(), ErrorKind::Refused, "{script}: {error}");
    assert_eq!(error.location().unwrap().position.unwrap().to_string(), place, "{script}: {error}");
    assert!(error.to_string().contains(said), "{script}: {error}");
    assert!(error.report().applied.is_empty(), "{script}");
}

fn found(problems: &[switchy_schema::Problem], script: &str) {
    let kinds = [ProblemKind::Fails, ProblemKind::NotInTransaction];
    assert!(problems.iter().any(|problem| kinds.contains(&problem.kind)), "{script}: {problems:?}");
}

/// All refusals of a plan are listed, also those of a down script in a validation.
#[test]
fn a_validation_lists_every_refusal() {
    let set = vec![
        Migration::reversible("1_a", "\\set x 1", "COPY a TO STDOUT"),
        Migration::reversible("2_b", "SELECT 1", "\\copy a from b"),
    ];
    let runner = MigrationRunner::<Postgres>::for_backend(set).unwrap();
    let found = runner.validate_source();
    let fails: Vec<String> =
        found.iter().filter(|it| it.kind == ProblemKind::Fails).map(|it| it.migration.to_string()).collect();
    assert_eq!(fails, ["1_a", "2_b", "1_a"].map(str::to_owned).as_slice(), "{found:?}");
}
