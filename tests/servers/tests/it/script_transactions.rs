//! Scripts that begin and end transactions themselves, on servers.

use mysql::prelude::Queryable;
use switchy_schema::{Backend, Migration, MigrationRunner, Mysql, Postgres, ProblemKind};

use crate::{mysql as my, postgres as pg};

fn it<B: Backend>(script: &str) -> Migration<B> {
    Migration::from_scripts("1_it", script.to_owned(), None)
}

fn runner<B: Backend>(set: impl Into<Vec<Migration<B>>>) -> MigrationRunner<B> {
    MigrationRunner::for_backend(set.into()).unwrap()
}

#[test]
fn postgres_scripts_may_be_transactions() {
    // (script, what is left of it, the message)
    let table = [
        ("BEGIN; CREATE TABLE a (b int); INSERT INTO a VALUES (1); COMMIT;", "1", ""),
        (
            "-- x\nSTART TRANSACTION READ WRITE;\nCREATE TABLE a (b int);\nINSERT INTO a VALUES (1);\nEND WORK",
            "1",
            "",
        ),
        (
            "SET search_path = public;\nBEGIN;\nCREATE TABLE a (b int); INSERT INTO a VALUES (1);\nCOMMIT AND NO CHAIN;",
            "1",
            "",
        ),
        ("BEGIN; CREATE TABLE a (b int); DO $$ BEGIN INSERT INTO a VALUES (1); END $$; COMMIT", "1", ""),
        (
            "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (b int); INSERT INTO a VALUES (1); COMMIT",
            "1",
            "run_in_transaction = false",
        ),
        (
            "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE a (b int); INSERT INTO a VALUES (1); COMMIT",
            "1",
            "run_in_transaction = false",
        ),
        (
            "BEGIN; CREATE TABLE a (b int); COMMIT AND CHAIN; INSERT INTO a VALUES (1); COMMIT",
            "1",
            "run_in_transaction = false",
        ),
        (
            "CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1); COMMIT",
            "1",
            "run_in_transaction = false",
        ),
        (
            "COMMIT; CREATE TABLE a (b int); INSERT INTO a VALUES (1); BEGIN",
            "1",
            "run_in_transaction = false",
        ),
        (
            "CREATE TABLE a (b int); INSERT INTO a VALUES (1); CREATE INDEX CONCURRENTLY i ON a (b)",
            "1",
            "run_in_transaction = false",
        ),
        ("CREATE TABLE a (b int); BEGIN; INSERT INTO a VALUES (1)", "", "does not end it"),
    ];
    pg::with(|_, client| {
        for (script, left, said) in table {
            let run = runner::<Postgres>([it(script)]).run(&mut *client);
            if said.is_empty() {
                run.unwrap_or_else(|error| panic!("{script}: {error}"));
            } else {
                let error = run.unwrap_err();
                assert_eq!(error.problems()[0].kind, ProblemKind::NotInTransaction, "{script}: {error}");
                assert!(error.to_string().contains(said), "{script}: {error}");
                assert_eq!(pg::rows(client, "SELECT to_regclass('a')::text IS NULL"), ["t"], "{script}");
                let outside = runner::<Postgres>([it(script).outside_transaction()]).run(&mut *client);
                assert_eq!(outside.is_ok(), !left.is_empty(), "{script}: {outside:?}");
            }
            if !left.is_empty() {
                assert_eq!(pg::rows(client, "SELECT b::text FROM a"), [left], "{script}");
            }
            client.batch_execute("DROP TABLE IF EXISTS a, __switchy_migrations").unwrap();
        }
        client.batch_execute("CREATE TABLE a (b int)").unwrap();
        for (number, alone) in [
            "CREATE INDEX CONCURRENTLY i ON a (b)",
            "SET lock_timeout = '5s';\nCREATE UNIQUE INDEX CONCURRENTLY j ON a (b);\nDROP INDEX CONCURRENTLY i;",
            "VACUUM ANALYZE a",
            "REINDEX TABLE CONCURRENTLY a",
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("{number}_alone");
            let it = runner::<Postgres>([Migration::from_scripts(id, alone, None)]).table_name(&format!("t{number}"));
            it.unwrap().run(&mut *client).unwrap_or_else(|error| panic!("{alone}: {error}"));
        }
    });
}

#[test]
fn mysql_scripts_may_be_transactions() {
    let table = [
        ("BEGIN; INSERT INTO a VALUES (1); COMMIT;", "1", ""),
        (
            "/*!40101 SET NAMES utf8mb4 */;\nSTART TRANSACTION;\nINSERT INTO a VALUES (1);\nCOMMIT WORK;",
            "1",
            "",
        ),
        ("START TRANSACTION READ WRITE; INSERT INTO a VALUES (1); COMMIT", "1", ""),
        ("START TRANSACTION; CREATE TABLE b (c INT); INSERT INTO a VALUES (1); COMMIT", "1", ""),
        (
            "INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); COMMIT",
            "1 2",
            "run_in_transaction = false",
        ),
        ("COMMIT; INSERT INTO a VALUES (1); BEGIN", "1", "run_in_transaction = false"),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; START TRANSACTION; INSERT INTO a VALUES (1); COMMIT",
            "1",
            "run_in_transaction = false",
        ),
        ("BEGIN; INSERT INTO a VALUES (1); COMMIT AND CHAIN; COMMIT", "1", "run_in_transaction = false"),
        ("SET autocommit = 0; INSERT INTO a VALUES (1); COMMIT; SET autocommit = 1", "1", ""),
        ("INSERT INTO a VALUES (1); COMMIT; INSERT INTO a VALUES (2)", "1 2", "remove its"),
    ];
    my::with(|_, conn| {
        for (script, left, said) in table {
            conn.query_drop("CREATE TABLE a (b INT) ENGINE=InnoDB").unwrap();
            let run = runner::<Mysql>([it(script)]).run(&mut *conn);
            match run {
                Ok(_) => assert_eq!(said, "", "{script}"),
                Err(error) => {
                    assert!(!said.is_empty() || script.contains("autocommit"), "{script}: {error}");
                    assert_eq!(error.problems()[0].kind, ProblemKind::NotInTransaction, "{script}: {error}");
                    assert!(error.to_string().contains(said), "{script}: {error}");
                    assert_eq!(my::rows(conn, "SELECT b FROM a"), Vec::<String>::new(), "{script}");
                    runner::<Mysql>([it(script).outside_transaction()]).run(&mut *conn).unwrap();
                }
            }
            assert_eq!(my::rows(conn, "SELECT b FROM a ORDER BY b").join(" "), left, "{script}");
            conn.query_drop("DROP TABLE IF EXISTS a, b, __switchy_migrations").unwrap();
        }
    });
}
