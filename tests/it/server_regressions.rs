//! What went wrong on servers once, each with its story.

use std::thread;
use std::time::{Duration, Instant};

use mysql::Conn;
use mysql::prelude::Queryable;
use postgres::Client;
use switchy_schema::{Lock, Migration, MigrationRunner, Mysql, Postgres, Recovery, Signature};

use crate::mysql::rows as my_rows;
use crate::postgres::rows as pg_rows;
use crate::servers::{self, MysqlDatabase, PostgresDatabase};

fn my(script: &str) -> MigrationRunner<Mysql> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(Duration::from_secs(2))
}

fn my_inside(script: &str) -> MigrationRunner<Mysql> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None)];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(Duration::from_secs(2))
}

fn pg(script: &str) -> MigrationRunner<Postgres> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(Duration::from_secs(2))
}

fn lite(script: &str) -> MigrationRunner {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::new(set).unwrap().lock_timeout(Duration::from_secs(2))
}

fn retry() -> Recovery {
    Recovery::Retry("1_it".into())
}

fn ada() -> Signature {
    Signature::of("ada")
}

fn with_my(test: impl FnOnce(&MysqlDatabase, &mut Conn)) {
    if let Some(database) = servers::mysql() {
        test(&database, &mut database.connect());
    }
}

fn with_pg(test: impl FnOnce(&PostgresDatabase, &mut Client)) {
    if let Some(database) = servers::postgres() {
        test(&database, &mut database.connect());
    }
}

/// Waits for a session of the database whose line of the process list has a text, and gives its number.
fn session(conn: &mut Conn, text: &str) -> u64 {
    let began = Instant::now();
    loop {
        let found: Option<u64> = conn
            .query_first(format!(
                "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()
                AND (STATE LIKE '{text}' OR INFO LIKE '{text}')"
            ))
            .unwrap();
        match found {
            Some(id) => return id,
            None if began.elapsed() > Duration::from_secs(10) => {
                panic!("{text}: {:?}", my_rows(conn, "SHOW FULL PROCESSLIST"))
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn wait_until_gone(conn: &mut Conn, id: u64) {
    while !my_rows(conn, &format!("SELECT ID FROM information_schema.PROCESSLIST WHERE ID = {id}")).is_empty()
    {
        thread::sleep(Duration::from_millis(5));
    }
}

// ---- PostgreSQL

#[test]
fn pg_a_procedure_that_committed_and_then_failed_does_not_run_again_by_itself() {
    with_pg(|_, client| {
        client
            .batch_execute(
                "CREATE TABLE t (x int); CREATE PROCEDURE p() LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1/0; END $$",
            )
            .unwrap();
        let it = pg("CALL p()");
        let first = it.run(&mut *client).unwrap_err();
        let second = it.run(&mut *client).unwrap_err();
        assert_eq!(pg_rows(client, "SELECT x FROM t"), ["1"], "\n1st: {first}\n2nd: {second}");
    });
}

#[test]
fn pg_a_retry_asks_a_person_about_a_procedure_that_committed_and_then_failed() {
    with_pg(|_, client| {
        client.batch_execute("CREATE TABLE t (x int)").unwrap();
        let it = pg(
            "SELECT 1; DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM 1/(SELECT count(*) - 1 FROM t); END $$",
        );
        it.run(&mut *client).unwrap_err();
        if it.recover(&mut *client, retry(), ada()).is_ok() {
            it.run(&mut *client).ok();
        }
        assert_eq!(pg_rows(client, "SELECT x FROM t"), ["1"]);
    });
}

#[test]
fn pg_an_index_that_failed_in_another_schema_is_not_taken_for_nothing() {
    with_pg(|_, client| {
        client
            .batch_execute(
                "CREATE SCHEMA other; CREATE TABLE other.t (x int); INSERT INTO other.t VALUES (1), (1)",
            )
            .unwrap();
        let it = pg("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS u ON other.t (x)");
        let first = it.run(&mut *client).unwrap_err();
        let second = it.run(&mut *client);
        assert!(
            second.is_err(),
            "the second start says that all is well with an invalid index: {:?}\n1st: {first}",
            pg_rows(
                client,
                "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE NOT indisvalid"
            )
        );
    });
}

#[test]
fn pg_an_index_of_the_same_name_elsewhere_is_not_taken_for_ours() {
    with_pg(|database, client| {
        client
            .batch_execute(
                "CREATE TABLE public.o (x int); CREATE INDEX i ON public.o (x);
                CREATE SCHEMA other; CREATE TABLE other.t (x int)",
            )
            .unwrap();
        let it = pg("SELECT 1; CREATE INDEX CONCURRENTLY i ON other.t (x); SELECT 2");
        let mut other = database.connect();
        other.batch_execute("BEGIN; INSERT INTO other.t VALUES (1)").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let waiting = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%' AND wait_event_type = 'Lock'
                AND datname = current_database()";
            while pg_rows(client, waiting).is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            client.batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'
                AND datname = current_database()").unwrap();
            run.join().unwrap();
        });
        other.batch_execute("ROLLBACK").unwrap();
        thread::sleep(Duration::from_millis(100));
        // Either a person is asked, or the index is made.
        if it.recover(&mut *client, retry(), ada()).is_ok() && it.run(&mut *client).is_ok() {
            assert_eq!(
                pg_rows(
                    client,
                    "SELECT count(*) FROM pg_index WHERE indrelid = 'other.t'::regclass AND indisvalid"
                ),
                ["1"]
            );
        }
    });
}

#[test]
fn pg_a_chained_transaction_is_kept_whole_when_it_goes_on() {
    with_pg(|_, client| {
        let script = "CREATE TABLE t (x int); BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3)";
        let it = pg(script);
        it.run(&mut *client).unwrap_err();
        client.batch_execute("CREATE TABLE missing (x int)").unwrap();
        if it.recover(&mut *client, retry(), ada()).is_ok() && it.run(&mut *client).is_ok() {
            assert_eq!(pg_rows(client, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
        }
    });
}

#[test]
fn pg_a_note_that_fails_behind_a_statement_does_not_make_it_undone() {
    with_pg(|database, client| {
        // Its procedure commits, so it is a statement by itself.
        client
            .batch_execute(
                "CREATE TABLE t (x int); CREATE PROCEDURE p() LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO t VALUES (1); COMMIT; PERFORM pg_sleep(0.5); END $$",
            )
            .unwrap();
        let it = pg("CALL p()").lock_timeout(Duration::from_secs(5));
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()));
            while pg_rows(client, "SELECT x FROM t").is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            client.batch_execute("BEGIN; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
            let mut third = database.connect();
            let waiting =
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'UPDATE%' AND wait_event_type = 'Lock'
                AND datname = current_database()";
            while pg_rows(&mut third, waiting).is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            third
                .batch_execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE%'
                AND wait_event_type = 'Lock' AND datname = current_database()",
                )
                .unwrap();
            thread::sleep(Duration::from_millis(100));
            client.batch_execute("ROLLBACK").unwrap();
            run.join().unwrap().unwrap_err();
        });
        let again = it.run(&mut *client);
        assert_eq!(pg_rows(client, "SELECT x FROM t"), ["1"], "{again:?}");
    });
}

#[test]
fn pg_a_setting_of_the_application_is_set_back() {
    with_pg(|_, client| {
        client.batch_execute("SET app.tenant = '3'").unwrap();
        pg("SET app.tenant = '7'; CREATE TABLE t (x int)").run(&mut *client).unwrap();
        assert_eq!(pg_rows(client, "SHOW app.tenant"), ["3"]);
    });
}

#[test]
fn pg_session_authorization_is_set_back() {
    with_pg(|_, client| {
        client.batch_execute("DO $$ BEGIN CREATE ROLE somebody; EXCEPTION WHEN OTHERS THEN NULL; END $$; CREATE SCHEMA s; GRANT ALL ON SCHEMA s TO somebody").unwrap();
        let set = vec![
            Migration::sql("1_it", "GRANT ALL ON ALL TABLES IN SCHEMA public TO somebody"),
            Migration::sql("2_it", "SET SESSION AUTHORIZATION somebody; CREATE TABLE s.t (x int)"),
        ];
        let it = MigrationRunner::<Postgres>::for_backend(set).unwrap().lock(Lock::Row);
        let _ = it.run_to(&mut *client, switchy_schema::Target::Through("1_it".into()));
        client.batch_execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO somebody; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO somebody").unwrap();
        let outcome = it.run(&mut *client);
        assert_eq!(pg_rows(client, "SELECT session_user = 'somebody'"), ["f"], "{outcome:?}");
        outcome.unwrap();
    });
}

#[test]
fn pg_a_transaction_of_the_script_can_say_how_it_is_isolated() {
    with_pg(|_, client| {
        let script = "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; CREATE TABLE t (x int); COMMIT";
        pg(script).run(&mut *client).unwrap();
    });
}

#[test]
fn pg_waiting_for_the_tracking_table_has_an_end() {
    with_pg(|database, client| {
        pg("CREATE TABLE a (x int)").run(&mut *client).unwrap();
        client.batch_execute("BEGIN; UPDATE __switchy_migrations SET failure = failure").unwrap();
        let set = vec![
            Migration::sql("1_it", "CREATE TABLE a (x int)").outside_transaction(),
            Migration::sql("2_it", "CREATE TABLE b (x int)"),
        ];
        let it =
            MigrationRunner::<Postgres>::for_backend(set).unwrap().lock_timeout(Duration::from_millis(300));
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            let began = Instant::now();
            while !run.is_finished() && began.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(20));
            }
            let has_ended = run.is_finished();
            client.batch_execute("ROLLBACK").unwrap();
            let outcome = run.join().unwrap();
            assert!(has_ended, "it waits for ever where lock_timeout is 300 ms: {outcome:?}");
        });
    });
}

#[test]
fn pg_programs_at_once_with_a_stricter_isolation_apply_each_once() {
    with_pg(|database, client| {
        let name = pg_rows(client, "SELECT current_database()").remove(0);
        client
            .batch_execute(&format!(
                "ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
            ))
            .unwrap();
        let set = || {
            let number = |number: usize| {
                Migration::from_scripts(
                    format!("{number}_t"),
                    format!("CREATE TABLE t{number} (x int); SELECT pg_sleep(0.02)"),
                    None,
                )
            };
            MigrationRunner::<Postgres>::for_backend((0..4).map(number).collect::<Vec<_>>())
                .unwrap()
                .lock(Lock::Row)
        };
        let outcomes: Vec<Result<usize, String>> = thread::scope(|scope| {
            let starts: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        set()
                            .run(&mut database.connect())
                            .map(|it| it.applied.len())
                            .map_err(|error| error.to_string())
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:#?}");
    });
}

#[test]
fn pg_what_discarded_the_settings_is_done_again_too() {
    with_pg(|_, client| {
        let script =
            "SET search_path = s; CREATE TABLE a (x int); DISCARD ALL; SELECT 1/count(*) FROM public.missing;
            CREATE TABLE b (x int)";
        client.batch_execute("CREATE SCHEMA s; CREATE TABLE missing (x int)").unwrap();
        let it = pg(script).lock(Lock::Off);
        let first = it.run(&mut *client).unwrap_err();
        client.batch_execute("INSERT INTO missing VALUES (1)").unwrap();
        it.recover(&mut *client, retry(), ada()).unwrap();
        it.run(&mut *client).unwrap();
        assert_eq!(
            pg_rows(client, "SELECT schemaname FROM pg_tables WHERE tablename = 'b'"),
            ["public"],
            "{first}"
        );
    });
}

// ---- MySQL: what is done, and what is not

#[test]
fn my_whether_a_change_is_done_does_not_depend_on_the_mode_of_the_session() {
    for setting in ["SET sql_mode = 'ANSI_QUOTES'", "SET NAMES latin1", "SET sql_quote_show_create = 0"] {
        with_my(|database, conn| {
            conn.query_drop("CREATE TABLE t (a INT COMMENT 'größer ž')").unwrap();
            let it = my(&format!("{setting}; ALTER TABLE t ADD b INT; SELECT 1"));
            let mut other = database.connect();
            other.query_drop("START TRANSACTION; SELECT * FROM t").unwrap();
            thread::scope(|scope| {
                let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
                let id = session(conn, "Waiting for table metadata lock");
                conn.query_drop(format!("KILL {id}")).unwrap();
                run.join().unwrap();
                wait_until_gone(conn, id);
            });
            other.query_drop("ROLLBACK").unwrap();
            it.recover(&mut *conn, retry(), ada()).unwrap();
            it.run(&mut *conn).unwrap();
            assert_eq!(
                my_rows(
                    conn,
                    "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = 't' AND TABLE_SCHEMA = DATABASE()"
                ),
                ["a", "b"],
                "{setting}: recorded as applied, and not done"
            );
        });
    }
}

#[test]
fn my_a_note_that_is_tried_again_does_not_outlive_its_transaction() {
    with_my(|database, conn| {
        conn.query_drop(
            "CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0);
            CREATE TABLE heavy (id INT PRIMARY KEY); INSERT INTO heavy SELECT seq FROM seq_1_to_2000",
        )
        .unwrap();
        let it = my("SET autocommit = 0; UPDATE t SET n = 1 WHERE id = 1 AND SLEEP(3) = 0; COMMIT");
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            session(conn, "UPDATE t SET n%");
            // An administrator looks at the record, and at the row.
            conn.query_drop(
                "START TRANSACTION; DELETE FROM heavy; SELECT * FROM __switchy_migrations FOR UPDATE",
            )
            .unwrap();
            let mut third = database.connect();
            session(&mut third, "UPDATE%__switchy_migrations%");
            thread::sleep(Duration::from_millis(100));
            conn.query_drop("SELECT * FROM t WHERE id = 1 FOR UPDATE").unwrap();
            conn.query_drop("ROLLBACK").unwrap();
            let outcome = run.join().unwrap();
            let n = my_rows(conn, "SELECT n FROM t");
            // Either it failed, or the row is changed.
            assert!(outcome.is_err() || n == ["1"], "it was recorded as applied, and the row is {n:?}");
        });
    });
}

#[test]
fn my_a_note_that_fails_behind_a_statement_does_not_make_it_undone() {
    for lead in ["", "SELECT 1; "] {
        with_my(|database, conn| {
            conn.query_drop("CREATE TABLE t (x INT); CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); DO SLEEP(0.5); END").unwrap();
            let it = my(&format!("{lead}CALL p()"));
            thread::scope(|scope| {
                let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
                session(conn, "%SLEEP(0.5)%");
                conn.query_drop("START TRANSACTION; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
                let mut third = database.connect();
                let id = session(&mut third, "UPDATE%__switchy_migrations%");
                third.query_drop(format!("KILL QUERY {id}")).unwrap();
                thread::sleep(Duration::from_millis(100));
                conn.query_drop("ROLLBACK").unwrap();
                run.join().unwrap();
            });
            if !lead.is_empty() && it.recover(&mut *conn, retry(), ada()).is_err() {
                return; // A person is asked, as it should be.
            }
            let again = it.run(&mut *conn);
            assert_eq!(my_rows(conn, "SELECT x FROM t"), ["1"], "{lead}: {again:?}");
        });
    }
}

#[test]
fn my_autocommit_is_off_again_when_a_script_goes_on() {
    with_my(|_, conn| {
        let script = "CREATE TABLE t (x INT); SET autocommit = 0; INSERT INTO t VALUES (1); COMMIT;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3); COMMIT";
        let it = my(script);
        it.run(&mut *conn).unwrap_err();
        conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(my_rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
    });
}

#[test]
fn my_what_statements_before_left_in_the_session_is_not_forgotten_silently() {
    let scripts = [
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY); CREATE TABLE b (a INT);
        INSERT INTO a VALUES (7); INSERT INTO a VALUES (NULL); SELECT 1 FROM missing; INSERT INTO b VALUES (LAST_INSERT_ID() - 1)",
        "CREATE TABLE a (id INT); CREATE TABLE b (a INT);
        INSERT INTO a VALUES (7); SELECT @id := MAX(id) FROM a; SELECT 1 FROM missing; INSERT INTO b VALUES (@id)",
        "CREATE TABLE a (id INT); CREATE TABLE b (a INT);
        CREATE PROCEDURE p(OUT n INT) SET n = 7; CALL p(@id); SELECT 1 FROM missing; INSERT INTO b VALUES (@id)",
        "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY); CREATE TABLE b (a INT);
        INSERT INTO a VALUES (6); INSERT INTO a VALUES (NULL); SET @id = @@last_insert_id; SELECT 1 FROM missing; INSERT INTO b VALUES (@id)",
    ];
    let mut found = Vec::new();
    for script in scripts {
        with_my(|database, conn| {
            let it = my(script);
            it.run(&mut database.connect()).unwrap_err();
            conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
            it.recover(&mut *conn, retry(), ada()).unwrap();
            if it.run(&mut *conn).is_ok() {
                found.push((script.to_owned(), my_rows(conn, "SELECT a FROM b")));
            }
        });
    }
    found.retain(|(_, rows)| *rows != ["7"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn my_what_a_note_would_change_is_not_asked_for() {
    with_my(|_, conn| {
        let script = "CREATE TABLE t (x INT); CREATE TABLE said (n INT); INSERT INTO t VALUES (1), (2), (3);
            INSERT INTO said VALUES (ROW_COUNT())";
        let error = my_inside(script).run(&mut *conn).unwrap_err();
        assert!(error.to_string().contains("a note of the engine stands between them"), "{error}");
    });
}

#[test]
fn my_a_statement_that_commits_ends_a_transaction_of_the_script() {
    for commits in ["ANALYZE TABLE t", "GRANT SELECT ON t TO CURRENT_USER"] {
        with_my(|database, conn| {
            conn.query_drop("CREATE TABLE t (x INT)").unwrap();
            let it =
                my(&format!("BEGIN; INSERT INTO t VALUES (1); {commits}; INSERT INTO t VALUES (2); COMMIT"));
            // The connection dies between the statement and its note.
            conn.query_drop("CREATE TABLE __switchy_migrations (name VARCHAR(700) NOT NULL)").unwrap();
            conn.query_drop("DROP TABLE __switchy_migrations").unwrap();
            let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
                .unwrap()
                .run(&mut *conn);
            conn.query_drop(
                "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
                IF NEW.statement = 5 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
            )
            .unwrap();
            let it = it.policy(switchy_schema::Policy::DEVELOPMENT);
            let first = it.run(&mut database.connect()).unwrap_err();
            conn.query_drop("DROP TRIGGER stops").unwrap();
            it.recover(&mut *conn, retry(), ada()).unwrap();
            it.run(&mut *conn).unwrap();
            assert_eq!(my_rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "2"], "{commits}: {first}");
        });
    }
}

#[test]
fn my_an_analyzed_update_is_an_update() {
    with_my(|database, conn| {
        conn.query_drop("CREATE TABLE t (x INT); INSERT INTO t VALUES (0)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF NEW.statement = 3 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = my("SELECT 1; ANALYZE UPDATE t SET x = x + 1; SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(my_rows(conn, "SELECT x FROM t"), ["1"]);
    });
}

#[test]
fn my_rows_that_a_failed_statement_left_in_a_table_without_transactions_are_not_written_twice() {
    with_my(|_, conn| {
        conn.query_drop("CREATE TABLE old (x INT, UNIQUE u (x)) ENGINE=MyISAM").unwrap();
        let it = my("INSERT INTO old VALUES (1), (2), (2)");
        let error = it.run(&mut *conn).unwrap_err();
        assert_eq!(my_rows(conn, "SELECT x FROM old"), ["1", "2"], "{error}");
        conn.query_drop("DROP INDEX u ON old").unwrap();
        let again = it.run(&mut *conn);
        assert_eq!(my_rows(conn, "SELECT x FROM old WHERE x = 1"), ["1"], "{again:?}");
    });
}

#[test]
fn my_a_backslash_is_a_backslash_where_the_session_says_so() {
    with_my(|_, conn| {
        conn.query_drop("CREATE TABLE t (x VARCHAR(50))").unwrap();
        // The engine takes the two statements for one, and for one that changes rows; the server runs both.
        let script = "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; INSERT INTO t VALUES ('C:\\'); CREATE TABLE u (x INT COMMENT 'y');
            INSERT INTO missing VALUES (1)";
        let it = my_inside(script);
        let error = it.run(&mut *conn).unwrap_err();
        assert!(error.to_string().contains("a backslash before a quote"), "{error}");
        assert_eq!(my_rows(conn, "SELECT COUNT(*) FROM t"), ["0"], "{error}");
    });
}

#[test]
fn my_two_statements_before_a_delimiter_are_not_one() {
    with_my(|_, conn| {
        let script =
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END; INSERT INTO missing VALUES (1);\n//\n";
        let it = my_inside(script);
        let error = it.run(&mut *conn).unwrap_err().to_string();
        assert!(!error.contains("nothing of it was kept"), "the procedure is there: {error}");
    });
}

// ---- MySQL: stuck

#[test]
fn my_statements_without_the_expected_name_run() {
    let mut failed = Vec::new();
    for statement in [
        "ALTER DATABASE CHARACTER SET utf8mb4",
        "ALTER DATABASE DEFAULT CHARACTER SET = utf8mb4 COLLATE utf8mb4_unicode_ci",
        "ALTER SCHEMA COLLATE utf8mb4_unicode_ci",
        "CREATE SERVER reviewed FOREIGN DATA WRAPPER mysql OPTIONS (USER 'Remote', HOST '198.51.100.106', DATABASE 'test')",
        "CREATE TABLE x (a INT); CREATE VIEW v AS SELECT a FROM x; DROP TABLE x; DROP VIEW v",
        "CREATE SEQUENCE s; ALTER SEQUENCE s RESTART 5; DROP SEQUENCE s",
        "CREATE TEMPORARY TABLE tt (a INT); ALTER TABLE tt ADD b INT; CREATE INDEX i ON tt (b); DROP TABLE tt",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1; ALTER EVENT e DISABLE; DROP EVENT e",
        "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, AUTOCOMMIT=0; CREATE TABLE y (a INT); INSERT INTO y VALUES (1); COMMIT; CREATE TABLE z (a INT); SET AUTOCOMMIT=@OLD_AUTOCOMMIT",
        "DROP SERVER IF EXISTS reviewed",
        "CREATE OR REPLACE TABLE w (a INT); ALTER TABLE w RENAME TO ww; RENAME TABLE ww TO www; DROP TABLE www",
    ] {
        with_my(|_, conn| {
            if let Err(error) = my_inside(statement).run(&mut *conn) {
                failed.push(format!("{statement}\n    {error}"));
            }
        });
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn my_rows_with_a_saved_autocommit_are_one_transaction() {
    with_my(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        my_inside("SET @OLD_AUTOCOMMIT = @@AUTOCOMMIT; INSERT INTO t VALUES (1)").run(&mut *conn).unwrap();
    });
}

#[test]
fn my_a_read_lock_on_everything_does_not_outlive_a_script() {
    // A server of its own: nobody else could write meanwhile.
    let Some(server) = servers::own_mysql() else { return };
    let (database, conn) = (&server.database, &mut server.connect());
    {
        let outcome = my("FLUSH TABLES WITH READ LOCK; SELECT 1; UNLOCK TABLES").run(&mut *conn);
        let free = thread::scope(|scope| {
            let write = scope.spawn(|| database.connect().query_drop("CREATE TABLE t (x INT)"));
            let began = Instant::now();
            while !write.is_finished() && began.elapsed() < Duration::from_secs(2) {
                thread::sleep(Duration::from_millis(20));
            }
            let free = write.is_finished();
            conn.query_drop("UNLOCK TABLES").unwrap();
            write.join().unwrap().unwrap();
            free
        });
        assert!(free, "nobody can write to the server any more: {outcome:?}");
        outcome.unwrap();
    }
}

#[test]
fn my_the_clock_of_the_session_is_set_back() {
    with_my(|_, conn| {
        my("SET timestamp = 1000000000; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(my_rows(conn, "SELECT YEAR(NOW()) > 2001"), ["1"]);
        assert_eq!(my_rows(conn, "SELECT YEAR(run_on) > 2001 FROM __switchy_migrations"), ["1"]);
    });
}

#[test]
fn my_results_stay_as_they_are_for_who_has_them_so() {
    with_my(|_, conn| {
        conn.query_drop("SET character_set_results = NULL").unwrap();
        my("SET NAMES latin1; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(my_rows(conn, "SELECT @@character_set_results"), ["NULL"]);
    });
}

#[test]
fn a_session_that_only_reads_is_told_how_to_write() {
    with_my(|_, conn| {
        conn.query_drop("SET SESSION TRANSACTION READ ONLY").unwrap();
        let told = my("INSERT INTO t VALUES (1)").run(&mut *conn).unwrap_err().to_string();
        assert!(told.contains("; switch that off with SET SESSION TRANSACTION READ WRITE"), "{told}");
    });
    with_pg(|_, client| {
        client.batch_execute("SET default_transaction_read_only = on").unwrap();
        let told = pg("INSERT INTO t VALUES (1)").run(&mut *client).unwrap_err().to_string();
        assert!(told.contains("or switch off default_transaction_read_only"), "{told}");
    });
}

#[test]
fn my_a_role_is_set_back() {
    with_my(|_, conn| {
        conn.query_drop("CREATE ROLE IF NOT EXISTS reviewer; GRANT ALL ON *.* TO reviewer").unwrap();
        my("SET ROLE reviewer; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(my_rows(conn, "SELECT CURRENT_ROLE()"), ["NULL"]);
    });
}

// ---- SQLite

#[test]
fn lite_what_statements_before_left_in_the_session_is_not_forgotten_silently() {
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let script = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a INT);
        INSERT INTO a VALUES (77); SELECT 1 FROM missing; INSERT INTO b VALUES (last_insert_rowid())";
    let it = lite(script);
    it.run(&conn).unwrap_err();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    if it.run(&conn).is_ok() {
        let found: i64 = conn.query_row("SELECT a FROM b", [], |row| row.get(0)).unwrap();
        assert_eq!(found, 77);
    }
}

#[test]
fn lite_what_a_note_would_change_is_not_asked_for() {
    let conn = rusqlite::Connection::open_in_memory().unwrap();
    let script = "CREATE TABLE t (x); CREATE TABLE said (n); INSERT INTO t VALUES (1), (2), (3);
        INSERT INTO said VALUES (changes())";
    let error = lite(script).run(&conn).unwrap_err();
    assert!(error.to_string().contains("a note of the engine stands between them"), "{error}");
}

#[test]
fn lite_an_attached_file_does_not_keep_a_script_from_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    let other = folder.path().join("other.db");
    let script = format!(
        "ATTACH '{}' AS aux1; CREATE TABLE aux1.t (x); SELECT 1 FROM missing; CREATE TABLE u (x)",
        other.display()
    );
    let it = lite(&script);
    it.run(&conn).unwrap_err();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    it.run(&conn).unwrap();
}

// ---- The second round

#[test]
fn my_a_script_may_set_a_global_variable() {
    // A server of its own: a global variable disturbs the runs of others.
    let Some(server) = servers::own_mysql() else { return };
    let conn = &mut server.connect();
    {
        let before = my_rows(conn, "SELECT @@GLOBAL.slow_launch_time").remove(0);
        let outcome = my("SET GLOBAL slow_launch_time = 7; CREATE TABLE t (x INT)").run(&mut *conn);
        conn.query_drop(format!("SET GLOBAL slow_launch_time = {before}")).unwrap();
        outcome.unwrap();
    }
}

#[test]
fn my_a_procedure_that_was_stopped_by_a_lock_does_not_run_again_by_itself() {
    with_my(|database, conn| {
        conn.query_drop(
            "CREATE TABLE t (x INT); CREATE TABLE u (x INT); INSERT INTO u VALUES (1);
            CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); UPDATE u SET x = 2; END;
            SET SESSION innodb_lock_wait_timeout = 1",
        )
        .unwrap();
        let it = my("CALL p()");
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM u FOR UPDATE").unwrap();
        let first = it.run(&mut *conn).unwrap_err();
        other.query_drop("ROLLBACK").unwrap();
        let _ = it.run(&mut *conn);
        assert_eq!(my_rows(conn, "SELECT x FROM t"), ["1"], "{first}");
    });
}

#[test]
fn my_a_chained_transaction_is_kept_whole_when_it_goes_on() {
    with_my(|_, conn| {
        let script = "CREATE TABLE t (x INT); BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3)";
        let it = my(script);
        it.run(&mut *conn).unwrap_err();
        conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
        if it.recover(&mut *conn, retry(), ada()).is_ok() && it.run(&mut *conn).is_ok() {
            assert_eq!(my_rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
        }
    });
}

#[test]
fn my_looking_at_autocommit_does_not_end_a_transaction_of_the_script() {
    for look in ["SET @OLD_AUTOCOMMIT = @@autocommit", "SET autocommit = 1"] {
        with_my(|_, conn| {
            conn.query_drop("CREATE TABLE t (x INT)").unwrap();
            let script =
                format!("BEGIN; INSERT INTO t VALUES (1); {look}; INSERT INTO t VALUES (2); ROLLBACK");
            conn.query_drop(&script).unwrap();
            assert_eq!(my_rows(conn, "SELECT x FROM t"), Vec::<String>::new(), "the server itself");
            my(&script).run(&mut *conn).unwrap();
            assert_eq!(my_rows(conn, "SELECT x FROM t"), Vec::<String>::new(), "{look}");
        });
    }
}

#[test]
fn my_a_retry_understands_names_in_double_quotes() {
    with_my(|database, conn| {
        conn.query_drop("CREATE TABLE t (a INT)").unwrap();
        let it = my("SET sql_mode = 'ANSI_QUOTES'; ALTER TABLE \"t\" ADD b INT; SELECT 1");
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM t").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let id = session(conn, "Waiting for table metadata lock");
            conn.query_drop(format!("KILL {id}")).unwrap();
            run.join().unwrap();
            wait_until_gone(conn, id);
        });
        other.query_drop("ROLLBACK").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
    });
}

#[test]
fn my_waiting_for_the_tracking_table_has_an_end() {
    with_my(|database, conn| {
        my("CREATE TABLE a (x INT)").run(&mut *conn).unwrap();
        // As mysqldump does.
        conn.query_drop("LOCK TABLES __switchy_migrations READ").unwrap();
        let set = vec![
            Migration::sql("1_it", "CREATE TABLE a (x INT)").outside_transaction(),
            Migration::sql("2_it", "CREATE TABLE b (x INT)"),
        ];
        let it = MigrationRunner::<Mysql>::for_backend(set).unwrap().lock_timeout(Duration::from_millis(300));
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            let began = Instant::now();
            while !run.is_finished() && began.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(20));
            }
            let has_ended = run.is_finished();
            conn.query_drop("UNLOCK TABLES").unwrap();
            let outcome = run.join().unwrap();
            assert!(has_ended, "it waits for a day where lock_timeout is 300 ms: {outcome:?}");
        });
    });
}

#[test]
fn my_line_ends_do_not_keep_a_rollback_from_going_on() {
    with_my(|_, conn| {
        let set = |down: &str| {
            let set = vec![Migration::from_scripts(
                "1_it",
                "CREATE TABLE a (b INT); CREATE TABLE c (b INT)",
                Some(down.to_owned()),
            )];
            MigrationRunner::<Mysql>::for_backend(set).unwrap()
        };
        let it = set("DROP TABLE a;\nDROP TABLE missing;\nDROP TABLE c;\n");
        it.run(&mut *conn).unwrap();
        it.rollback(&mut *conn, 1).unwrap_err();
        conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
        let it = set("DROP TABLE a;\r\nDROP TABLE missing;\r\nDROP TABLE c;\r\n");
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.rollback(&mut *conn, 1).unwrap();
    });
}

#[test]
fn pg_rows_of_a_real_table_are_not_taken_for_those_of_a_temporary_one() {
    for temporary in ["SELECT 9 AS x INTO TEMP t", "CREATE TABLE pg_temp.t AS SELECT 9 AS x"] {
        with_pg(|database, client| {
            client.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)").unwrap();
            let it = pg(&format!("{temporary}; SELECT 1 FROM missing; DELETE FROM t"));
            it.run(&mut database.connect()).unwrap_err();
            client.batch_execute("CREATE TABLE missing (x int)").unwrap();
            it.recover(&mut *client, retry(), ada()).unwrap();
            let _ = it.run(&mut *client);
            assert_eq!(pg_rows(client, "SELECT x FROM public.t"), ["1"], "{temporary}");
        });
    }
}

#[test]
fn lite_rows_of_a_real_table_are_not_taken_for_those_of_a_temporary_one() {
    let folder = tempfile::tempdir().unwrap();
    let open = || rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
    open().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    let it = lite("CREATE TABLE temp.t AS SELECT 9 AS x; SELECT 1 FROM missing; DELETE FROM t");
    it.run(&open()).unwrap_err();
    let conn = open();
    conn.execute_batch("CREATE TABLE missing (x)").unwrap();
    it.recover(&conn, retry(), ada()).unwrap();
    let _ = it.run(&conn);
    let found: i64 = conn.query_row("SELECT count(*) FROM main.t", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 1);
}

#[test]
fn pg_what_a_statement_is_refused_for_in_its_transaction_is_said() {
    with_pg(|_, client| {
        let error = pg("BEGIN; CREATE DATABASE reviewed; COMMIT").run(&mut *client).unwrap_err().to_string();
        assert!(error.contains("cannot run inside a transaction block"), "{error}");
    });
}

#[test]
fn pg_an_index_without_a_name_that_failed_is_not_taken_for_nothing() {
    with_pg(|_, client| {
        client.batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1), (1)").unwrap();
        let it = pg("CREATE UNIQUE INDEX CONCURRENTLY ON t (x)");
        let error = it.run(&mut *client).unwrap_err().to_string();
        assert!(!error.contains("nothing of it was kept"), "{error}");
    });
}

#[test]
fn my_a_swap_of_columns_is_seen() {
    with_my(|database, conn| {
        conn.query_drop("CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (1, 2)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        // The program dies when the statement is done and its note is not: nothing else can be written either.
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = my("SELECT 1; ALTER TABLE t CHANGE b a INT FIRST, CHANGE a b INT AFTER a; SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        let state = my_rows(conn, "SELECT a, b FROM t");
        assert_eq!(state, ["2|1"]);
        conn.query_drop("DROP TRIGGER stops").unwrap();
        if it.recover(&mut *conn, retry(), ada()).is_ok() {
            it.run(&mut *conn).unwrap();
        }
        assert_eq!(my_rows(conn, "SELECT a, b FROM t"), ["2|1"]);
    });
}

#[test]
fn my_a_table_that_was_not_there_does_not_make_a_drop_half_done() {
    with_my(|database, conn| {
        conn.query_drop("CREATE TABLE a (x INT)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it =
            my("SELECT 1; DROP TABLE IF EXISTS a, b; SELECT 1").policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
    });
}

// ---- The third round

#[test]
fn pg_a_retry_of_an_index_that_is_done_elsewhere_goes_on() {
    with_pg(|database, client| {
        client
            .batch_execute("CREATE SCHEMA other; CREATE TABLE other.t (x int); CREATE TABLE u (x int)")
            .unwrap();
        let it = pg("SELECT 1; CREATE INDEX CONCURRENTLY i ON other.t (x); SELECT 2");
        let blocker = &mut database.connect();
        // The index is built; the program dies while the note waits.
        blocker.batch_execute("BEGIN; INSERT INTO other.t VALUES (1)").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let waiting = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%' AND wait_event_type = 'Lock'
                AND datname = current_database()";
            while pg_rows(client, waiting).is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            client.batch_execute("BEGIN; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
            blocker.batch_execute("COMMIT").unwrap();
            let noting =
                "SELECT pid FROM pg_stat_activity WHERE query LIKE 'UPDATE%' AND wait_event_type = 'Lock'
                AND datname = current_database()";
            while pg_rows(blocker, noting).is_empty() {
                client.batch_execute("COMMIT; BEGIN; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            blocker
                .batch_execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE%'
                AND wait_event_type = 'Lock' AND datname = current_database()",
                )
                .unwrap();
            run.join().unwrap();
            client.batch_execute("ROLLBACK").unwrap();
        });
        thread::sleep(Duration::from_millis(100));
        it.recover(&mut *client, retry(), ada()).unwrap();
        it.run(&mut *client).unwrap();
    });
}

#[test]
fn my_a_view_is_the_same_whatever_database_is_chosen() {
    with_my(|database, conn| {
        let name = my_rows(conn, "SELECT DATABASE()").remove(0);
        conn.query_drop("CREATE DATABASE IF NOT EXISTS review_elsewhere; CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t").unwrap();
        // `SHOW CREATE VIEW` names the database only of what is elsewhere.
        let it = my(&format!(
            "USE review_elsewhere; CREATE OR REPLACE VIEW `{name}`.v AS SELECT a, a + 1 AS b FROM `{name}`.t; SELECT 1"
        ));
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM v").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let began = Instant::now();
            let id = loop {
                let found: Option<u64> = conn.query_first("SELECT ID FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'
                    AND INFO LIKE 'CREATE OR REPLACE VIEW%'").unwrap();
                if let Some(id) = found {
                    break id;
                }
                assert!(
                    began.elapsed() < Duration::from_secs(10),
                    "{:?}",
                    my_rows(conn, "SHOW FULL PROCESSLIST")
                );
                thread::sleep(Duration::from_millis(5));
            };
            conn.query_drop(format!("KILL {id}")).unwrap();
            run.join().unwrap();
            wait_until_gone(conn, id);
        });
        other.query_drop("ROLLBACK").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(
            my_rows(
                conn,
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = 'v' AND TABLE_SCHEMA = DATABASE()"
            ),
            ["a", "b"]
        );
    });
}

#[test]
fn my_an_xa_transaction_that_fails_leaves_a_connection_that_can_be_used() {
    with_my(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let outcome =
            my("XA START 'x'; INSERT INTO t VALUES (1); XA END 'x'; XA COMMIT 'x' ONE PHASE").run(&mut *conn);
        let usable = conn.query_drop("START TRANSACTION; ROLLBACK").map_err(|error| error.to_string());
        assert!(usable.is_ok(), "{usable:?} after {outcome:?}");
    });
}

#[test]
fn my_who_may_not_see_a_view_can_still_drop_it() {
    with_my(|database, conn| {
        let name = my_rows(conn, "SELECT DATABASE()").remove(0);
        conn.query_drop("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t").unwrap();
        conn.query_drop(format!("CREATE OR REPLACE USER limited; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, CREATE VIEW ON `{name}`.* TO limited")).unwrap();
        let url = database.url.replace("root@", "limited@");
        let mut limited = Conn::new(&*url).unwrap();
        my_inside("CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t; DROP VIEW v")
            .run(&mut limited)
            .unwrap();
    });
}

#[test]
fn my_a_one_time_event_that_has_happened_is_not_made_again() {
    // A server of its own: a global variable disturbs the runs of others.
    let Some(server) = servers::own_mysql() else { return };
    let (database, conn) = (&server.database, &mut server.connect());
    {
        conn.query_drop("SET GLOBAL event_scheduler = ON; CREATE TABLE t (x INT)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = my("SELECT 1; CREATE EVENT once ON SCHEDULE AT CURRENT_TIMESTAMP DO INSERT INTO t VALUES (1); SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        thread::sleep(Duration::from_millis(1500));
        if it.recover(&mut *conn, retry(), ada()).is_ok() {
            it.run(&mut *conn).unwrap();
        }
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(my_rows(conn, "SELECT x FROM t"), ["1"]);
    }
}

// ---- The fourth round

#[test]
fn my_taking_over_an_older_table_drops_no_table_of_the_user() {
    with_my(|_, conn| {
        conn.query_drop(
            "CREATE TABLE migrations (name TEXT NOT NULL, run_on DATETIME NOT NULL DEFAULT NOW());
            INSERT INTO migrations VALUES ('1_it', '2024-03-04 05:06:07');
            CREATE TABLE migrations_old AS SELECT * FROM migrations;
            CREATE TABLE migrations_new (x INT); INSERT INTO migrations_new VALUES (1)",
        )
        .unwrap();
        let set = vec![Migration::sql("1_it", "SELECT 1"), Migration::sql("2_it", "SELECT 2")];
        let it = MigrationRunner::<Mysql>::for_backend(set).unwrap().table_name("migrations").unwrap();
        let outcome = it.run(&mut *conn);
        assert_eq!(
            my_rows(conn, "SHOW TABLES LIKE 'migrations\\_%'"),
            ["migrations_new", "migrations_old"],
            "{outcome:?}"
        );
    });
}

#[test]
fn my_code_that_panics_leaves_no_transaction_open() {
    with_my(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let panics: Migration<Mysql> =
            Migration::function("1_it", |conn: &mut Conn| -> Result<(), std::fmt::Error> {
                conn.query_drop("START TRANSACTION; INSERT INTO t VALUES (1)").unwrap();
                panic!("on purpose")
            });
        let it = MigrationRunner::<Mysql>::for_backend(vec![panics]).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| it.run(&mut *conn)));
        assert!(panicked.is_err());
        assert_eq!(my_rows(conn, "SELECT @@in_transaction"), ["0"]);
    });
}

#[test]
fn a_server_that_cannot_be_written_is_not_a_file() {
    with_pg(|_, client| {
        client.batch_execute("SET default_transaction_read_only = on").unwrap();
        let error = pg("CREATE TABLE t (x int)").run(&mut *client).unwrap_err().to_string();
        assert!(!error.contains("make the file"), "{error}");
    });
}

#[test]
fn my_whoever_was_given_up_cannot_finish_behind_a_retry() {
    with_my(|database, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let script = "SELECT 1; INSERT INTO t SELECT 1 + SLEEP(1)";
        let slow = my(script).lock(Lock::Row);
        let it = my(script).lock(Lock::Row).lock_timeout(Duration::from_millis(50));
        let outcomes = thread::scope(|scope| {
            let slow = scope
                .spawn(|| slow.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            session(conn, "INSERT INTO t SELECT%");
            it.run(&mut *conn).unwrap_err();
            let outcome =
                it.recover(&mut *conn, retry(), ada()).map(drop).and_then(|()| it.run(&mut *conn).map(drop));
            (slow.join().unwrap(), outcome.map_err(|error| error.to_string()))
        });
        assert_eq!(my_rows(conn, "SELECT COUNT(*) FROM t"), ["1"], "{outcomes:?}");
    });
}

#[test]
fn pg_whoever_was_given_up_cannot_finish_behind_a_retry() {
    with_pg(|database, client| {
        client.batch_execute("CREATE TABLE t (x int); CREATE TABLE begun (x int)").unwrap();
        // The first run stops between two statements, in a procedure that commits; the second goes on from there.
        let script = "SELECT 1; SELECT pg_sleep(1); INSERT INTO t VALUES (1)";
        let slow = pg(script).lock(Lock::Row);
        let it = pg(script).lock(Lock::Row).lock_timeout(Duration::from_millis(50));
        let outcomes = thread::scope(|scope| {
            let slow = scope
                .spawn(|| slow.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            let sleeps =
                "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1)' AND state = 'active'";
            while pg_rows(client, sleeps).is_empty() {
                thread::sleep(Duration::from_millis(5));
            }
            it.run(&mut *client).unwrap_err();
            let recovery = Recovery::RetryFrom { migration: "1_it".into(), statement: 2 };
            let outcome = it
                .recover(&mut *client, recovery, ada())
                .map(drop)
                .and_then(|()| it.run(&mut *client).map(drop));
            (slow.join().unwrap(), outcome.map_err(|error| error.to_string()))
        });
        assert_eq!(pg_rows(client, "SELECT count(*) FROM t"), ["1"], "{outcomes:?}");
        assert!(outcomes.0.is_err() || outcomes.1.is_err(), "{outcomes:?}");
        println!("{outcomes:?}");
        let _ = it.recover(&mut *client, retry(), ada());
        it.run(&mut *client).unwrap();
        assert_eq!(pg_rows(client, "SELECT count(*) FROM t"), ["1"], "{outcomes:?}");
    });
}

#[test]
fn lite_a_step_that_was_taken_over_is_left_to_the_other_run() {
    let (begun, taken) = ("1", "4");
    for (state, is_ours) in [(begun, true), (taken, false)] {
        for fails in [false, true] {
            let code = Migration::code("1_it", move |conn: &rusqlite::Connection| {
                conn.execute_batch(&format!(
                    "CREATE TABLE a (b); UPDATE __switchy_migrations SET dirty = {state} WHERE name = '1_it'"
                ))?;
                if fails { conn.execute_batch("INSERT INTO missing VALUES (1)") } else { Ok(()) }
            });
            let conn = rusqlite::Connection::open_in_memory().unwrap();
            let set = vec![Migration::sql("0_it", "SELECT 1"), code.outside_transaction()];
            let outcome = MigrationRunner::new(set).unwrap().run(&conn);
            let dirty: String = conn
                .query_row("SELECT dirty FROM __switchy_migrations WHERE name = '1_it'", [], |row| {
                    row.get::<_, i64>(0)
                })
                .unwrap()
                .to_string();
            match (is_ours, fails) {
                (true, false) => assert_eq!((outcome.is_ok(), &*dirty), (true, "0")),
                (true, true) => assert_eq!((outcome.is_ok(), &*dirty), (false, begun)),
                (false, _) => {
                    let error = outcome.unwrap_err().to_string();
                    assert!(error.contains("somebody had it go on elsewhere"), "{error}");
                    assert_eq!(dirty, taken, "{error}");
                }
            }
        }
    }
}
