//! What a step leaves unusable on a server: functions and indexes on PostgreSQL, views and foreign keys on MySQL.

use ::mysql::prelude::Queryable;
use switchy_schema::{
    Migration, MigrationRunner, Mysql, Postgres, ProblemKind, Recovery, Signature, TransactionMode,
};

use crate::{mysql, postgres};

fn on_postgres(scripts: &[&str]) -> MigrationRunner<Postgres> {
    let step = |(number, script): (i32, &&str)| {
        Migration::from_scripts(format!("{number}_it"), (*script).to_owned(), None)
    };
    MigrationRunner::for_backend((1..).zip(scripts).map(step).collect::<Vec<_>>()).unwrap()
}

fn outside(script: &str) -> MigrationRunner<Postgres> {
    let step = Migration::from_scripts("1_it", script.to_owned(), None);
    MigrationRunner::for_backend(vec![step.outside_transaction()]).unwrap()
}

fn on_mysql(script: &str) -> MigrationRunner<Mysql> {
    MigrationRunner::for_backend(vec![Migration::from_scripts("1_it", script.to_owned(), None)]).unwrap()
}

const WITH_FUNCTION: &str =
    "CREATE TABLE p (id INT, n INT); CREATE TABLE q (id INT); CREATE TABLE r (id INT);
    CREATE FUNCTION total(above INT) RETURNS bigint LANGUAGE sql AS 'SELECT sum(n) FROM p WHERE n > above';
    CREATE FUNCTION highest() RETURNS int LANGUAGE sql AS 'SELECT max(id) FROM r';
    CREATE FUNCTION body() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT max(n) FROM p); END';
    SET check_function_bodies = off;
    CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS 'SELECT nothing FROM nowhere';
    RESET check_function_bodies";

#[test]
fn postgres_refuses_a_step_that_leaves_a_function_unusable() {
    let unusable = "it leaves the function `total(integer)` unusable: column \"n\" does not exist";
    let gone = "it leaves the function `total(integer)` unusable: relation \"p\" does not exist";
    let again =
        "CREATE OR REPLACE FUNCTION total(above INT) RETURNS bigint LANGUAGE sql AS 'SELECT sum(m) FROM p'";
    let repaired = format!("ALTER TABLE p RENAME n TO m; {again}");
    // It repairs one function and leaves another one unusable.
    let beside = "ALTER TABLE r RENAME id TO key;
        CREATE OR REPLACE FUNCTION total(above INT) RETURNS bigint LANGUAGE sql AS 'SELECT sum(id) FROM p'";
    let rows: [(&[&str], &str); 10] = [
        (&["ALTER TABLE p DROP COLUMN n"], unusable),
        (&["ALTER TABLE p RENAME n TO m"], unusable),
        (&["DROP TABLE p"], gone),
        (&["ALTER TABLE p RENAME TO p2"], gone),
        (&["DO $$ BEGIN DROP TABLE p; END $$"], gone),
        (&["ALTER TABLE p ALTER n TYPE bigint; ALTER TABLE q RENAME id TO key; DROP TABLE q"], ""),
        (&[&repaired], ""),
        (&["ALTER TABLE p RENAME n TO m", again], ""),
        (
            &["ALTER TABLE p DROP COLUMN n", beside],
            "it leaves the function `highest()` unusable: column \"id\" does not exist",
        ),
        (&["DROP FUNCTION total(int); DROP TABLE p"], ""),
    ];
    for (scripts, refused) in rows {
        postgres::with(|_, client| {
            client.batch_execute(WITH_FUNCTION).unwrap();
            match on_postgres(scripts).run(client) {
                Ok(report) => {
                    assert_eq!(refused, "", "{scripts:?} is not refused");
                    assert_eq!(report.together.len(), scripts.len() - 1, "{report}");
                }
                Err(error) => {
                    let said = error.to_string();
                    assert!(!refused.is_empty() && said.contains(refused), "{scripts:?}\n{said}");
                    assert!(said.contains("nothing of it was kept"), "{said}");
                    assert_eq!(error.problems()[0].kind, ProblemKind::BrokenReference);
                }
            }
        });
    }
}

#[test]
fn postgres_does_not_take_an_invalid_index_for_a_new_one() {
    postgres::with(|_, client| {
        client.batch_execute("CREATE TABLE p (n INT); INSERT INTO p VALUES (1), (1)").unwrap();
        let build = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS once ON p (n)";
        client.batch_execute(build).unwrap_err();
        // An index that the script does not name is not its fault.
        let other = outside("CREATE INDEX CONCURRENTLY other ON p (n)").table_name("others").unwrap();
        other.run(client).unwrap();
        let error = outside(build).run(client).unwrap_err().to_string();
        assert!(
            error.contains("it leaves the index `once` invalid, so the server does not use it"),
            "{error}"
        );
        assert!(error.contains("drop it and create it again by hand"), "{error}");
        client.batch_execute("DROP INDEX once; DELETE FROM p; CREATE UNIQUE INDEX once ON p (n)").unwrap();
        outside(build).recover(client, Recovery::Retry("1_it".into()), Signature::of("ada")).unwrap();
        outside(build).run(client).unwrap();
        assert!(outside(build).run(client).unwrap().is_up_to_date());
    });
}

#[test]
fn mysql_reports_views_and_keys_that_a_step_leaves_unusable() {
    let schema = [
        "CREATE TABLE p (id INT PRIMARY KEY, n INT)",
        "CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES p (id))",
        "CREATE TABLE q (id INT)",
        "CREATE VIEW v AS SELECT n FROM p",
        "CREATE VIEW broken AS SELECT id FROM q",
        "DROP TABLE q",
    ];
    let view = "leaves the view `v` unusable: ";
    let key =
        "leaves a foreign key of `c` that references the missing table `p`, so no row can be added to `c`";
    let rows: [(&str, &[&str]); 7] = [
        ("ALTER TABLE p DROP COLUMN n", &[view]),
        ("ALTER TABLE p RENAME COLUMN n TO m", &[view]),
        ("SET foreign_key_checks = 0; DROP TABLE p", &[key, view]),
        ("ALTER TABLE p DROP COLUMN n; CREATE OR REPLACE VIEW v AS SELECT id FROM p", &[]),
        ("DROP VIEW v; ALTER TABLE p DROP COLUMN n", &[]),
        ("ALTER TABLE p ADD COLUMN m INT; CREATE TABLE r (id INT)", &[]),
        ("DROP TABLE c", &[]),
    ];
    for (script, expected) in rows {
        mysql::with(|_, conn| {
            for statement in schema {
                conn.query_drop(statement).unwrap();
            }
            let report = on_mysql(script).run(conn).unwrap();
            let found: Vec<&str> = report.notes.iter().map(|note| &*note.finding).collect();
            assert_eq!(found.len(), expected.len(), "{script}\n{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{script}\n{found}");
            }
        });
    }
}

/// What a function means is not known without its own settings, and a new one may wait for its tables.
#[test]
fn postgres_judges_only_functions_that_it_can_check() {
    let schema = "CREATE SCHEMA aps; CREATE TABLE aps.p (id INT, n INT); CREATE TABLE q (n INT);
        CREATE FUNCTION total() RETURNS bigint LANGUAGE sql SET search_path = aps AS 'SELECT sum(n) FROM p';
        CREATE FUNCTION mine() RETURNS bigint LANGUAGE sql AS 'SELECT sum(n) FROM q'";
    for (script, is_refused) in [
        ("ALTER TABLE aps.p ADD m INT; ALTER TABLE aps.p DROP COLUMN id", false),
        ("ALTER TABLE q DROP COLUMN n", true),
        ("REVOKE ALL ON FUNCTION mine() FROM PUBLIC; ALTER TABLE q RENAME n TO m", true),
        (
            "SET check_function_bodies = off; ALTER TABLE q ADD m INT; CREATE OR REPLACE FUNCTION later() RETURNS INT LANGUAGE sql AS 'SELECT m FROM uploaded'",
            false,
        ),
        ("DROP TABLE q; CREATE TABLE q (n INT)", false),
    ] {
        postgres::with(|_, client| {
            client.batch_execute(schema).unwrap();
            let outcome = on_postgres(&[script]).run(client);
            assert_eq!(outcome.is_err(), is_refused, "{script}\n{outcome:?}");
        });
    }
}

/// A function that was unusable before is looked at before the step, so that the step runs once, whether it is refused or not.
#[test]
fn postgres_runs_a_step_once_beside_a_function_that_was_unusable_before() {
    for (script, is_refused) in [
        ("SELECT nextval('runs'); ALTER TABLE p DROP COLUMN n", false),
        ("SELECT nextval('runs'); ALTER TABLE p DROP COLUMN m", true),
    ] {
        postgres::with(|_, client| {
            client
                .batch_execute(
                    "CREATE TABLE p (id INT, n INT, m INT); CREATE SEQUENCE runs;
                    CREATE FUNCTION good() RETURNS INT LANGUAGE sql AS 'SELECT max(m) FROM p'; SET check_function_bodies = off;
                    CREATE FUNCTION broken() RETURNS INT LANGUAGE sql AS 'SELECT nothing FROM p'; RESET check_function_bodies",
                )
                .unwrap();
            let outcome = on_postgres(&[script]).run(client);
            assert_eq!(outcome.is_err(), is_refused, "{script}\n{outcome:?}");
            assert_eq!(postgres::rows(client, "SELECT last_value FROM runs"), ["1"], "{script}");
        });
    }
}

/// A function that the last step of a batch makes unusable was usable before, which only a look before the first step shows.
#[test]
fn postgres_refuses_a_batch_whose_last_step_leaves_a_function_unusable() {
    postgres::with(|_, client| {
        client.batch_execute(WITH_FUNCTION).unwrap();
        let scripts = ["CREATE TABLE other (n INT)", "ALTER TABLE p DROP COLUMN n"];
        let error = on_postgres(&scripts).transaction(TransactionMode::Batch).run(client).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("it leaves the function `total(integer)` unusable"), "{said}");
        assert_eq!(postgres::rows(client, "SELECT to_regclass('other')::text"), ["NULL"]);
    });
}

/// The check of a function does not wait for a table that another session has locked.
#[test]
fn postgres_does_not_wait_for_tables_that_the_step_does_not_touch() {
    postgres::with(|database, client| {
        client
            .batch_execute(
                "CREATE TABLE p (id INT, n INT); CREATE TABLE busy (n INT);
                CREATE FUNCTION both_tables() RETURNS bigint LANGUAGE sql AS 'SELECT sum(busy.n) FROM busy, p'",
            )
            .unwrap();
        let mut other = database.connect();
        other.batch_execute("BEGIN; LOCK TABLE busy").unwrap();
        on_postgres(&["ALTER TABLE p DROP COLUMN n"]).run(client).unwrap();
    });
}

#[test]
fn postgres_blames_no_index_of_another_schema() {
    postgres::with(|_, client| {
        client
            .batch_execute("CREATE SCHEMA one; CREATE TABLE one.p (n INT); INSERT INTO one.p VALUES (1), (1); CREATE SCHEMA two; CREATE TABLE two.p (n INT)")
            .unwrap();
        client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY once ON one.p (n)").unwrap_err();
        outside("CREATE UNIQUE INDEX CONCURRENTLY once ON two.p (n)").run(client).unwrap();
    });
}

/// A function that the role may not run, or whose tables are locked, does not hide the others.
#[test]
fn postgres_finds_an_unusable_function_beside_one_that_cannot_be_checked() {
    postgres::with(|database, client| {
        client
            .batch_execute(
                "CREATE TABLE p (id INT, n INT); CREATE TABLE busy (n INT);
                CREATE FUNCTION a_first() RETURNS bigint LANGUAGE sql AS 'SELECT sum(busy.n) FROM busy, p';
                CREATE FUNCTION b_second() RETURNS bigint LANGUAGE sql AS 'SELECT sum(n) FROM p'",
            )
            .unwrap();
        let mut other = database.connect();
        other.batch_execute("BEGIN; LOCK TABLE busy").unwrap();
        let error = on_postgres(&["ALTER TABLE p DROP COLUMN n"]).run(client).unwrap_err().to_string();
        assert!(error.contains("leaves the function `b_second()` unusable"), "{error}");
    });
}

/// Outside a transaction nothing can be undone, and the next step may repair it.
#[test]
fn postgres_reports_what_a_step_outside_a_transaction_leaves_unusable() {
    postgres::with(|_, client| {
        client.batch_execute(WITH_FUNCTION).unwrap();
        let again = "CREATE OR REPLACE FUNCTION total(above INT) RETURNS bigint LANGUAGE sql AS 'SELECT sum(m) FROM p'";
        let set = vec![
            Migration::<Postgres>::from_scripts("1_it", "ALTER TABLE p RENAME n TO m", None)
                .outside_transaction(),
            Migration::from_scripts("2_it", again, None),
        ];
        let report = MigrationRunner::for_backend(set).unwrap().run(client).unwrap();
        assert!(
            report.notes[0].finding.contains("leaves the function `total(integer)` unusable"),
            "{report}"
        );
    });
}
