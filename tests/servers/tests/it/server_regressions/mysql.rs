//! Regressions on MySQL and MariaDB.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;
use switchy_schema::backend::Catalog;
use switchy_schema::{FaultKind, Lock, Migration, MigrationRunner, Mysql, Recovery, TableName};

use super::{ada, retry, wait_until};
use crate::mysql::{gate, open, rows, with};
use crate::servers::{self, PATIENCE, patiently};

fn outside(script: &str) -> MigrationRunner<Mysql> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None).outside_transaction()];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(PATIENCE)
}

fn inside(script: &str) -> MigrationRunner<Mysql> {
    let set = vec![Migration::from_scripts("1_it", script.to_owned(), None)];
    MigrationRunner::for_backend(set).unwrap().lock_timeout(PATIENCE)
}

/// Waits for a session on the database whose entry in the process list contains a text, and returns its id.
#[track_caller]
fn session(conn: &mut Conn, text: &str) -> u64 {
    let look = || {
        let found = conn.query_first(format!(
            "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()
            AND (STATE LIKE '{text}' OR INFO LIKE '{text}')"
        ));
        found.unwrap().ok_or_else(|| format!("{text}: {:?}", rows(conn, "SHOW FULL PROCESSLIST")))
    };
    patiently(look, || Ok(())).unwrap()
}

/// The number of the statement that a session runs, which is new each time, and its state; empty when the session has ended.
fn statement(conn: &mut Conn, id: u64) -> Vec<String> {
    rows(
        conn,
        &format!(
            "SELECT QUERY_ID, COMMAND FROM information_schema.PROCESSLIST WHERE ID = {id} AND COMMAND <> 'Busy'"
        ),
    )
}

/// Waits until a session waits for a row.
#[track_caller]
fn wait_until_locked(conn: &mut Conn, id: u64) {
    let waits = format!(
        "SELECT 1 FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id = {id} AND trx_state = 'LOCK WAIT'"
    );
    wait_until("a session waits for a row", || {
        // InnoDB does not renew the table while it is read more often.
        thread::sleep(Duration::from_millis(150));
        !rows(conn, &waits).is_empty()
    });
}

#[track_caller]
fn wait_until_gone(conn: &mut Conn, id: u64) {
    let it = format!("SELECT ID FROM information_schema.PROCESSLIST WHERE ID = {id}");
    wait_until("a session ends", || rows(conn, &it).is_empty());
}

#[test]
fn whether_a_change_is_done_does_not_depend_on_the_mode_of_the_session() {
    for setting in ["SET sql_mode = 'ANSI_QUOTES'", "SET NAMES latin1", "SET sql_quote_show_create = 0"] {
        with(|database, conn| {
            conn.query_drop("CREATE TABLE t (a INT COMMENT 'größer ž')").unwrap();
            let it = outside(&format!("{setting}; ALTER TABLE t ADD b INT; SELECT 1"));
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
                rows(
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
fn a_note_that_is_tried_again_does_not_outlive_its_transaction() {
    with(|database, conn| {
        conn.query_drop(
            "CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 0);
            CREATE TABLE heavy (id INT PRIMARY KEY); INSERT INTO heavy SELECT seq FROM seq_1_to_2000",
        )
        .unwrap();
        let mut gate = gate(database);
        let it = outside(
            "SET autocommit = 0; UPDATE t SET n = 1 WHERE id = 1 AND EXISTS (SELECT * FROM gate); COMMIT",
        );
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            session(conn, "UPDATE t SET n%");
            // An administrator reads the record and the row.
            conn.query_drop(
                "START TRANSACTION; DELETE FROM heavy; SELECT * FROM __switchy_migrations FOR UPDATE",
            )
            .unwrap();
            open(&mut gate);
            let waits = session(&mut gate, "UPDATE%__switchy_migrations%");
            wait_until_locked(&mut gate, waits);
            conn.query_drop("SELECT * FROM t WHERE id = 1 FOR UPDATE").unwrap();
            conn.query_drop("ROLLBACK").unwrap();
            let outcome = run.join().unwrap();
            let n = rows(conn, "SELECT n FROM t");
            // Either the run failed, or the row is changed.
            assert!(outcome.is_err() || n == ["1"], "it was recorded as applied, and the row is {n:?}");
        });
    });
}

#[test]
fn a_note_that_fails_behind_a_statement_does_not_make_it_undone() {
    for lead in ["", "SELECT 1; "] {
        with(|database, conn| {
            let mut gate = gate(database);
            conn.query_drop(
                "CREATE TABLE t (x INT); CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); UPDATE gate SET x = 1; END",
            )
            .unwrap();
            let it = outside(&format!("{lead}CALL p()"));
            thread::scope(|scope| {
                let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
                session(conn, "UPDATE gate%");
                conn.query_drop("START TRANSACTION; SELECT * FROM __switchy_migrations FOR UPDATE").unwrap();
                open(&mut gate);
                let id = session(&mut gate, "UPDATE%__switchy_migrations%");
                wait_until_locked(&mut gate, id);
                let killed = statement(&mut gate, id);
                gate.query_drop(format!("KILL QUERY {id}")).unwrap();
                wait_until("the statement ends", || statement(&mut gate, id) != killed);
                conn.query_drop("ROLLBACK").unwrap();
                run.join().unwrap();
            });
            if !lead.is_empty() && it.recover(&mut *conn, retry(), ada()).is_err() {
                return; // A person must decide, as intended.
            }
            let again = it.run(&mut *conn);
            assert_eq!(rows(conn, "SELECT x FROM t"), ["1"], "{lead}: {again:?}");
        });
    }
}

/// A `TRUNCATE` of a table that is not there left the step dirty, although nothing of it was done.
#[test]
fn a_first_statement_that_the_server_refuses_as_a_whole_leaves_nothing_dirty() {
    for script in [
        "TRUNCATE missing",
        "SET NAMES utf8mb4; TRUNCATE TABLE parent",
        "ALTER TABLE parent TRUNCATE PARTITION p0",
        "ALTER TABLE parent EXCHANGE PARTITION p0 WITH TABLE child",
    ] {
        with(|_, conn| {
            conn.query_drop(
                "CREATE TABLE parent (x INT PRIMARY KEY); CREATE TABLE child (x INT REFERENCES parent (x))",
            )
            .unwrap();
            let it = outside(script);
            let error = it.run(&mut *conn).unwrap_err().to_string();
            assert!(error.contains("nothing of it was kept"), "{script}: {error}");
            assert_eq!(it.pending(&mut *conn).unwrap(), ["1_it"], "{script}");
        });
    }
}

/// As phpMyAdmin writes dumps. On MySQL a session without `autocommit` was taken to have a transaction open, and the step was left dirty.
#[test]
fn a_script_may_leave_autocommit_off() {
    with(|_, conn| {
        let it = outside(
            "SET AUTOCOMMIT = 0; START TRANSACTION; CREATE TABLE t (x INT); INSERT INTO t VALUES (1); COMMIT; SET @a = 1",
        );
        assert_eq!(it.run(&mut *conn).unwrap().applied.len(), 1);
        assert_eq!(rows(conn, "SELECT x, @@autocommit FROM t"), ["1|1"]);
    });
    with(|_, conn| {
        let it = outside("SET AUTOCOMMIT = 0; CREATE TABLE t (x INT); INSERT INTO t VALUES (1)");
        let error = it.run(&mut *conn).unwrap_err().to_string();
        assert!(error.contains("it left a transaction open, which was rolled back"), "{error}");
        assert_eq!(rows(conn, "SELECT x FROM t"), Vec::<String>::new());
    });
}

#[test]
fn autocommit_is_off_again_when_a_script_goes_on() {
    with(|_, conn| {
        let script = "CREATE TABLE t (x INT); SET autocommit = 0; INSERT INTO t VALUES (1); COMMIT;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3); COMMIT";
        let it = outside(script);
        it.run(&mut *conn).unwrap_err();
        conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
    });
}

#[test]
fn what_statements_before_left_in_the_session_is_not_forgotten_silently() {
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
        with(|database, conn| {
            let it = outside(script);
            it.run(&mut database.connect()).unwrap_err();
            conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
            it.recover(&mut *conn, retry(), ada()).unwrap();
            if it.run(&mut *conn).is_ok() {
                found.push((script.to_owned(), rows(conn, "SELECT a FROM b")));
            }
        });
    }
    found.retain(|(_, rows)| *rows != ["7"]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_a_note_would_change_is_not_asked_for() {
    with(|_, conn| {
        let script = "CREATE TABLE t (x INT); CREATE TABLE said (n INT); INSERT INTO t VALUES (1), (2), (3);
            INSERT INTO said VALUES (ROW_COUNT())";
        let error = inside(script).run(&mut *conn).unwrap_err();
        assert!(error.to_string().contains("a note of the engine stands between them"), "{error}");
    });
}

#[test]
fn a_statement_that_commits_ends_a_transaction_of_the_script() {
    for commits in ["ANALYZE TABLE t", "GRANT SELECT ON t TO CURRENT_USER"] {
        with(|database, conn| {
            conn.query_drop("CREATE TABLE t (x INT)").unwrap();
            let it = outside(&format!(
                "BEGIN; INSERT INTO t VALUES (1); {commits}; INSERT INTO t VALUES (2); COMMIT"
            ));
            // The connection ends between the statement and its progress record.
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
            assert_eq!(rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "2"], "{commits}: {first}");
        });
    }
}

#[test]
fn an_analyzed_update_is_an_update() {
    with(|database, conn| {
        conn.query_drop("CREATE TABLE t (x INT); INSERT INTO t VALUES (0)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF NEW.statement = 3 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = outside("SELECT 1; ANALYZE UPDATE t SET x = x + 1; SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT x FROM t"), ["1"]);
    });
}

#[test]
fn rows_that_a_failed_statement_left_in_a_table_without_transactions_are_not_written_twice() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE old (x INT, UNIQUE u (x)) ENGINE=MyISAM").unwrap();
        let it = outside("INSERT INTO old VALUES (1), (2), (2)");
        let error = it.run(&mut *conn).unwrap_err();
        assert_eq!(rows(conn, "SELECT x FROM old"), ["1", "2"], "{error}");
        conn.query_drop("DROP INDEX u ON old").unwrap();
        let again = it.run(&mut *conn);
        assert_eq!(rows(conn, "SELECT x FROM old WHERE x = 1"), ["1"], "{again:?}");
    });
}

/// A transaction of the script was rolled back, which such a table does not do, and a retry wrote its first row a second time.
#[test]
fn rows_that_a_transaction_left_in_a_table_without_transactions_are_not_written_twice() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE old (x INT) ENGINE=MyISAM; CREATE TABLE new (x INT PRIMARY KEY)")
            .unwrap();
        let it = outside(
            "CREATE TABLE t (x INT); BEGIN; INSERT INTO old VALUES (1); INSERT INTO new VALUES (1); INSERT INTO new VALUES (1); COMMIT",
        );
        it.run(&mut *conn).unwrap_err();
        assert_eq!(rows(conn, "SELECT x FROM old UNION ALL SELECT x FROM new"), ["1"]);
        let told = it.recover(&mut *conn, retry(), ada()).unwrap_err().to_string();
        assert!(told.contains("it is not known whether statement 2 is done"), "{told}");
    });
}

#[test]
fn a_backslash_is_a_backslash_where_the_session_says_so() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE t (x VARCHAR(50))").unwrap();
        // The engine parses the two statements as one that changes rows, but the server runs both.
        let script = "SET sql_mode = 'NO_BACKSLASH_ESCAPES'; INSERT INTO t VALUES ('C:\\'); CREATE TABLE u (x INT COMMENT 'y');
            INSERT INTO missing VALUES (1)";
        let it = inside(script);
        let error = it.run(&mut *conn).unwrap_err();
        assert!(error.to_string().contains("a backslash before a quote"), "{error}");
        assert_eq!(rows(conn, "SELECT COUNT(*) FROM t"), ["0"], "{error}");
    });
}

#[test]
fn two_statements_before_a_delimiter_are_not_one() {
    with(|_, conn| {
        let script =
            "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END; INSERT INTO missing VALUES (1);\n//\n";
        let it = inside(script);
        let error = it.run(&mut *conn).unwrap_err().to_string();
        assert!(!error.contains("nothing of it was kept"), "the procedure is there: {error}");
    });
}

#[test]
fn statements_without_the_expected_name_run() {
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
        with(|_, conn| {
            if let Err(error) = inside(statement).run(&mut *conn) {
                failed.push(format!("{statement}\n    {error}"));
            }
        });
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn rows_with_a_saved_autocommit_are_one_transaction() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        inside("SET @OLD_AUTOCOMMIT = @@AUTOCOMMIT; INSERT INTO t VALUES (1)").run(&mut *conn).unwrap();
    });
}

#[test]
fn a_read_lock_on_everything_does_not_outlive_a_script() {
    // The test has its own server, because it blocks all other writes.
    let Some(server) = servers::own_mysql() else { return };
    let (database, conn) = (&server.database, &mut server.connect());
    {
        let outcome = outside("FLUSH TABLES WITH READ LOCK; SELECT 1; UNLOCK TABLES").run(&mut *conn);
        let is_free = thread::scope(|scope| {
            let write = scope.spawn(|| database.connect().query_drop("CREATE TABLE t (x INT)"));
            let is_free = patiently(|| write.is_finished().then_some(()).ok_or_else(String::new), || Ok(()));
            conn.query_drop("UNLOCK TABLES").unwrap();
            write.join().unwrap().unwrap();
            is_free.is_ok()
        });
        assert!(is_free, "nobody can write to the server any more: {outcome:?}");
        outcome.unwrap();
    }
}

#[test]
fn the_clock_of_the_session_is_set_back() {
    with(|_, conn| {
        outside("SET timestamp = 1000000000; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT YEAR(NOW()) > 2001"), ["1"]);
        assert_eq!(rows(conn, "SELECT YEAR(run_on) > 2001 FROM __switchy_migrations"), ["1"]);
    });
}

#[test]
fn results_stay_as_they_are_for_who_has_them_so() {
    with(|_, conn| {
        conn.query_drop("SET character_set_results = NULL").unwrap();
        outside("SET NAMES latin1; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT @@character_set_results"), ["NULL"]);
    });
}

#[test]
fn a_role_is_set_back() {
    with(|_, conn| {
        conn.query_drop("CREATE ROLE IF NOT EXISTS reviewer; GRANT ALL ON *.* TO reviewer").unwrap();
        outside("SET ROLE reviewer; CREATE TABLE t (x INT)").run(&mut *conn).unwrap();
        assert_eq!(rows(conn, "SELECT CURRENT_ROLE()"), ["NULL"]);
    });
}

#[test]
fn a_script_may_set_a_global_variable() {
    // The test has its own server, because a global variable affects the runs of others.
    let Some(server) = servers::own_mysql() else { return };
    let conn = &mut server.connect();
    {
        let before = rows(conn, "SELECT @@GLOBAL.slow_launch_time").remove(0);
        let outcome = outside("SET GLOBAL slow_launch_time = 7; CREATE TABLE t (x INT)").run(&mut *conn);
        conn.query_drop(format!("SET GLOBAL slow_launch_time = {before}")).unwrap();
        outcome.unwrap();
    }
}

#[test]
fn a_procedure_that_was_stopped_by_a_lock_does_not_run_again_by_itself() {
    with(|database, conn| {
        conn.query_drop(
            "CREATE TABLE t (x INT); CREATE TABLE u (x INT); INSERT INTO u VALUES (1);
            CREATE PROCEDURE p() BEGIN INSERT INTO t VALUES (1); UPDATE u SET x = 2; END;
            SET SESSION innodb_lock_wait_timeout = 1",
        )
        .unwrap();
        let it = outside("CALL p()");
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM u FOR UPDATE").unwrap();
        let first = it.run(&mut *conn).unwrap_err();
        other.query_drop("ROLLBACK").unwrap();
        let _ = it.run(&mut *conn);
        assert_eq!(rows(conn, "SELECT x FROM t"), ["1"], "{first}");
    });
}

#[test]
fn a_chained_transaction_is_kept_whole_when_it_goes_on() {
    with(|_, conn| {
        let script = "CREATE TABLE t (x INT); BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN;
            INSERT INTO t VALUES (2); INSERT INTO missing VALUES (1); ROLLBACK; INSERT INTO t VALUES (3)";
        let it = outside(script);
        it.run(&mut *conn).unwrap_err();
        conn.query_drop("CREATE TABLE missing (x INT)").unwrap();
        if it.recover(&mut *conn, retry(), ada()).is_ok() && it.run(&mut *conn).is_ok() {
            assert_eq!(rows(conn, "SELECT x FROM t ORDER BY 1"), ["1", "3"]);
        }
    });
}

#[test]
fn looking_at_autocommit_does_not_end_a_transaction_of_the_script() {
    for look in ["SET @OLD_AUTOCOMMIT = @@autocommit", "SET autocommit = 1"] {
        with(|_, conn| {
            conn.query_drop("CREATE TABLE t (x INT)").unwrap();
            let script =
                format!("BEGIN; INSERT INTO t VALUES (1); {look}; INSERT INTO t VALUES (2); ROLLBACK");
            conn.query_drop(&script).unwrap();
            assert_eq!(rows(conn, "SELECT x FROM t"), Vec::<String>::new(), "the server itself");
            outside(&script).run(&mut *conn).unwrap();
            assert_eq!(rows(conn, "SELECT x FROM t"), Vec::<String>::new(), "{look}");
        });
    }
}

#[test]
fn a_retry_understands_names_in_double_quotes() {
    with(|database, conn| {
        conn.query_drop("CREATE TABLE t (a INT)").unwrap();
        let it = outside("SET sql_mode = 'ANSI_QUOTES'; ALTER TABLE \"t\" ADD b INT; SELECT 1");
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
fn waiting_for_the_tracking_table_has_an_end() {
    with(|database, conn| {
        outside("CREATE TABLE a (x INT)").run(&mut *conn).unwrap();
        // This is what mysqldump does.
        conn.query_drop("LOCK TABLES __switchy_migrations READ").unwrap();
        let set = vec![
            Migration::sql("1_it", "CREATE TABLE a (x INT)").outside_transaction(),
            Migration::sql("2_it", "CREATE TABLE b (x INT)"),
        ];
        let it = MigrationRunner::<Mysql>::for_backend(set).unwrap().lock_timeout(Duration::from_millis(300));
        thread::scope(|scope| {
            let run = scope
                .spawn(|| it.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            let has_ended = patiently(|| run.is_finished().then_some(()).ok_or_else(String::new), || Ok(()));
            conn.query_drop("UNLOCK TABLES").unwrap();
            let outcome = run.join().unwrap();
            assert!(has_ended.is_ok(), "it waits for a day where lock_timeout is 300 ms: {outcome:?}");
        });
    });
}

#[test]
fn line_ends_do_not_keep_a_rollback_from_going_on() {
    with(|_, conn| {
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
fn a_swap_of_columns_is_seen() {
    with(|database, conn| {
        conn.query_drop("CREATE TABLE t (a INT, b INT); INSERT INTO t VALUES (1, 2)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        // The program is killed after the statement and before its progress record. Nothing else can be written either.
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = outside("SELECT 1; ALTER TABLE t CHANGE b a INT FIRST, CHANGE a b INT AFTER a; SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        let state = rows(conn, "SELECT a, b FROM t");
        assert_eq!(state, ["2|1"]);
        conn.query_drop("DROP TRIGGER stops").unwrap();
        if it.recover(&mut *conn, retry(), ada()).is_ok() {
            it.run(&mut *conn).unwrap();
        }
        assert_eq!(rows(conn, "SELECT a, b FROM t"), ["2|1"]);
    });
}

#[test]
fn a_table_that_was_not_there_does_not_make_a_drop_half_done() {
    with(|database, conn| {
        conn.query_drop("CREATE TABLE a (x INT)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = outside("SELECT 1; DROP TABLE IF EXISTS a, b; SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
    });
}

#[test]
fn a_view_is_the_same_whatever_database_is_chosen() {
    with(|database, conn| {
        let name = rows(conn, "SELECT DATABASE()").remove(0);
        conn.query_drop("CREATE DATABASE IF NOT EXISTS review_elsewhere; CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t").unwrap();
        // `SHOW CREATE VIEW` omits the name of the current database.
        let it = outside(&format!(
            "USE review_elsewhere; CREATE OR REPLACE VIEW `{name}`.v AS SELECT a, a + 1 AS b FROM `{name}`.t; SELECT 1"
        ));
        let mut other = database.connect();
        other.query_drop("START TRANSACTION; SELECT * FROM v").unwrap();
        thread::scope(|scope| {
            let run = scope.spawn(|| it.run(&mut database.connect()).unwrap_err());
            let look = || {
                let found: Option<u64> = conn.query_first(format!("SELECT ID FROM information_schema.PROCESSLIST
                    WHERE STATE = 'Waiting for table metadata lock' AND INFO LIKE 'CREATE OR REPLACE VIEW `{name}`%'")).unwrap();
                found.ok_or_else(|| format!("{:?}", rows(conn, "SHOW FULL PROCESSLIST")))
            };
            let id = patiently(look, || Ok(())).unwrap();
            conn.query_drop(format!("KILL {id}")).unwrap();
            run.join().unwrap();
            wait_until_gone(conn, id);
        });
        other.query_drop("ROLLBACK").unwrap();
        it.recover(&mut *conn, retry(), ada()).unwrap();
        it.run(&mut *conn).unwrap();
        assert_eq!(
            rows(
                conn,
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_NAME = 'v' AND TABLE_SCHEMA = DATABASE()"
            ),
            ["a", "b"]
        );
    });
}

#[test]
fn an_xa_transaction_that_fails_leaves_a_connection_that_can_be_used() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let outcome = outside("XA START 'x'; INSERT INTO t VALUES (1); XA END 'x'; XA COMMIT 'x' ONE PHASE")
            .run(&mut *conn);
        let usable = conn.query_drop("START TRANSACTION; ROLLBACK").map_err(|error| error.to_string());
        assert!(usable.is_ok(), "{usable:?} after {outcome:?}");
    });
}

#[test]
fn who_may_not_see_a_view_can_still_drop_it() {
    with(|database, conn| {
        let name = rows(conn, "SELECT DATABASE()").remove(0);
        conn.query_drop("CREATE TABLE t (a INT); CREATE VIEW v AS SELECT a FROM t").unwrap();
        conn.query_drop(format!("CREATE OR REPLACE USER limited; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, CREATE VIEW ON `{name}`.* TO limited")).unwrap();
        let url = database.url.replace("root@", "limited@");
        let mut limited = Conn::new(&*url).unwrap();
        inside("CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t; DROP VIEW v")
            .run(&mut limited)
            .unwrap();
    });
}

#[test]
fn a_one_time_event_that_has_happened_is_not_made_again() {
    // The test has its own server, because a global variable affects the runs of others.
    let Some(server) = servers::own_mysql() else { return };
    let (database, conn) = (&server.database, &mut server.connect());
    {
        let mut look = database.connect();
        conn.query_drop("SET GLOBAL event_scheduler = ON; CREATE TABLE t (x INT)").unwrap();
        let _ = MigrationRunner::<Mysql>::for_backend(vec![Migration::sql("0_first", "SELECT 1")])
            .unwrap()
            .run(&mut *conn);
        conn.query_drop(
            "CREATE TRIGGER stops BEFORE UPDATE ON __switchy_migrations FOR EACH ROW
            IF (NEW.statement = 3 OR NEW.failure IS NOT NULL) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'gone'; END IF",
        )
        .unwrap();
        let it = outside("SELECT 1; CREATE EVENT once ON SCHEDULE AT CURRENT_TIMESTAMP DO INSERT INTO t VALUES (1); SELECT 1")
            .policy(switchy_schema::Policy::DEVELOPMENT);
        it.run(&mut database.connect()).unwrap_err();
        conn.query_drop("DROP TRIGGER stops").unwrap();
        // The server removes the event after its statement.
        let events = "SELECT EVENT_NAME FROM information_schema.EVENTS";
        let mut wait_for_event = || wait_until("the event happens", || rows(&mut look, events).is_empty());
        wait_for_event();
        if it.recover(&mut *conn, retry(), ada()).is_ok() {
            it.run(&mut *conn).unwrap();
        }
        wait_for_event();
        assert_eq!(rows(conn, "SELECT x FROM t"), ["1"]);
    }
}

#[test]
fn taking_over_an_older_table_drops_no_table_of_the_user() {
    with(|_, conn| {
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
            rows(conn, "SHOW TABLES LIKE 'migrations\\_%'"),
            ["migrations_new", "migrations_old"],
            "{outcome:?}"
        );
    });
}

#[test]
fn code_that_panics_leaves_no_transaction_open() {
    with(|_, conn| {
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let panics: Migration<Mysql> =
            Migration::function("1_it", |conn: &mut Conn| -> Result<(), std::fmt::Error> {
                conn.query_drop("START TRANSACTION; INSERT INTO t VALUES (1)").unwrap();
                panic!("on purpose")
            });
        let it = MigrationRunner::<Mysql>::for_backend(vec![panics]).unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| it.run(&mut *conn)));
        assert!(panicked.is_err());
        assert_eq!(rows(conn, "SELECT @@in_transaction"), ["0"]);
    });
}

#[test]
fn whoever_was_given_up_cannot_finish_behind_a_retry() {
    with(|database, conn| {
        let mut gate = gate(database);
        conn.query_drop("CREATE TABLE t (x INT)").unwrap();
        let script = "SELECT 1; INSERT INTO t SELECT x FROM gate";
        let slow = outside(script).lock(Lock::Row);
        let it = outside(script).lock(Lock::Row).lock_timeout(Duration::from_millis(50));
        let outcomes = thread::scope(|scope| {
            let slow = scope
                .spawn(|| slow.run(&mut database.connect()).map(|_| ()).map_err(|error| error.to_string()));
            session(conn, "INSERT INTO t SELECT%");
            it.run(&mut *conn).unwrap_err();
            let recovered = it.recover(&mut *conn, retry(), ada()).map(drop);
            open(&mut gate);
            let outcome = recovered.and_then(|()| it.run(&mut *conn).map(drop));
            (slow.join().unwrap(), outcome.map_err(|error| error.to_string()))
        });
        assert_eq!(rows(conn, "SELECT COUNT(*) FROM t"), ["1"], "{outcomes:?}");
    });
}

#[test]
fn a_session_that_only_reads_is_told_how_to_write() {
    with(|_, conn| {
        conn.query_drop("SET SESSION TRANSACTION READ ONLY").unwrap();
        let told = outside("INSERT INTO t VALUES (1)").run(&mut *conn).unwrap_err().to_string();
        assert!(
            told.contains("or switch it off for the session with SET SESSION TRANSACTION READ WRITE"),
            "{told}"
        );
    });
}

#[test]
fn a_recovery_that_is_kept_out_of_the_log_ends() {
    with(|database, conn| {
        let it = outside("CREATE TABLE a (x INT)").lock(Lock::Row).lock_timeout(Duration::from_secs(2));
        it.run(&mut *conn).unwrap();
        it.recover(&mut *conn, Recovery::Forget("1_it".into()), ada()).unwrap();
        conn.query_drop("START TRANSACTION; SELECT * FROM __switchy_migrations_log FOR UPDATE").unwrap();
        let mut other = database.connect();
        other.query_drop("SET SESSION innodb_lock_wait_timeout = 1").unwrap();
        let error = it.recover(&mut other, Recovery::AssumeApplied("1_it".into()), ada()).unwrap_err();
        assert!(error.to_string().contains("Lock wait timeout exceeded"), "{error}");
    });
}

/// A program that records only names and takes no lock writes while its table is replaced by the current form.
#[test]
fn what_an_older_program_writes_during_the_upgrade_is_kept() {
    let (applies, undoes) = (
        "INSERT INTO a VALUES (1); INSERT INTO __switchy_migrations (name) VALUES ('2_b')",
        "DELETE FROM a; DELETE FROM __switchy_migrations WHERE name = '2_b'",
    );
    for (before, meanwhile) in [("SELECT 1", applies), (applies, undoes)] {
        with(|database, conn| {
            conn.query_drop(
                "CREATE TABLE __switchy_migrations (name VARCHAR(255) NOT NULL, run_on DATETIME NOT NULL DEFAULT NOW());
                INSERT INTO __switchy_migrations (name) VALUES ('1_a'); CREATE TABLE a (x INT)",
            )
            .unwrap();
            conn.query_drop(before).unwrap();
            let set = [
                Migration::sql("1_a", "CREATE TABLE a (x INT)"),
                Migration::sql("2_b", "INSERT INTO a VALUES (1)"),
                Migration::sql("3_c", "CREATE TABLE c (x INT)"),
            ];
            let it = MigrationRunner::<Mysql>::for_backend(set).unwrap();
            let mut older = database.connect();
            older.query_drop(format!("START TRANSACTION; {meanwhile}")).unwrap();
            thread::scope(|scope| {
                let run = scope.spawn(|| {
                    // It waits for the older program for three seconds, which a slow machine may need to see it wait.
                    while let Err(error) = it.run(&mut database.connect()) {
                        assert_eq!(error.fault(), Some(FaultKind::Busy), "{error}");
                    }
                });
                session(conn, "RENAME TABLE%");
                older.query_drop("COMMIT").unwrap();
                run.join().unwrap();
            });
            assert_eq!(rows(conn, "SELECT x FROM a"), ["1"], "{meanwhile}");
            assert_eq!(it.history(&mut *conn).unwrap().records().len(), 3);
            assert!(it.history(&mut *conn).unwrap().records().iter().all(|record| record.checksum.is_some()));
            assert!(it.run(&mut *conn).unwrap().is_up_to_date());
        });
    }
}

#[test]
fn a_retry_waits_for_whatever_session_is_at_work() {
    with(|database, conn| {
        let (address, options) = database.url.split_once('?').unwrap();
        let (server, name) = address.rsplit_once('/').unwrap();
        let elsewhere = format!("{server}?{options}");
        let far = format!("ALTER TABLE {name}.big ADD INDEX (x)");
        let long = format!("ALTER TABLE big /* {} */ ADD INDEX (x)", "x".repeat(70_000));
        let umlauts = format!("SET NAMES latin1; ALTER TABLE big /* {} */ ADD INDEX (x)", "ü".repeat(40_000));
        let elsewhere_used = format!("USE information_schema; TRUNCATE TABLE {name}.big");
        let from_first = Recovery::RetryFrom { migration: "1_it".into(), statement: 1 };
        for (url, script, recovery) in [
            (&database.url, "ALTER TABLE big ADD INDEX (x) COMMENT '😀'", retry()),
            (&database.url, &long, retry()),
            (&elsewhere, &far, retry()),
            (&database.url, "TRUNCATE TABLE big", retry()),
            (&database.url, &elsewhere_used, retry()),
            (&database.url, &umlauts, retry()),
            (&database.url, "ALTER TABLE big ADD INDEX (x)", from_first),
        ] {
            conn.query_drop("DROP TABLE IF EXISTS __switchy_migrations, big; CREATE TABLE big (x INT)")
                .unwrap();
            let it = |script: &str| outside(script).lock(Lock::Row).schema(name).unwrap();
            let mut reader = database.connect();
            reader.query_drop("START TRANSACTION; SELECT * FROM big").unwrap();
            thread::scope(|scope| {
                let run = scope.spawn(|| it(script).run(&mut Conn::new(&**url).unwrap()).map(drop));
                // Other tests wait for locks on the same server, and statements of the engine may wait for them.
                let waits = format!(
                    "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%'
                    AND (DB = '{name}' OR INFO LIKE '%{name}.%') AND INFO LIKE '% TABLE %big%'"
                );
                while rows(conn, &waits).is_empty() {
                    assert!(!run.is_finished(), "{script}");
                }
                let retried = it(script).lock_timeout(Duration::from_millis(100)).recover(
                    &mut Conn::new(&**url).unwrap(),
                    recovery,
                    ada(),
                );
                let told = retried.unwrap_err().to_string();
                assert!(told.contains(" is still at work on statement "), "{script:.60}: {told}");
                reader.query_drop("ROLLBACK").unwrap();
                run.join().unwrap().unwrap();
            });
        }
    });
}

#[test]
fn a_look_that_has_to_wait_too_long_is_no_look() {
    with(|database, conn| {
        let mut gate = gate(database);
        conn.query_drop("CREATE TABLE t (x INT); SET SESSION lock_wait_timeout = 1").unwrap();
        let (it, id) = (outside("ALTER TABLE t ADD y INT"), conn.connection_id());
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let slow = "CREATE OR REPLACE TABLE t AS SELECT x FROM gate LOCK IN SHARE MODE";
                database.connect().query_drop(slow).unwrap();
            });
            session(&mut gate, "CREATE OR REPLACE%");
            // The run polls until the other session is done, so the statement itself meets no conflict.
            let run = scope.spawn(|| it.run(&mut *conn).map(drop));
            let waits = format!(
                "SELECT QUERY_ID FROM information_schema.PROCESSLIST
                WHERE ID = {id} AND STATE = 'Waiting for table metadata lock'"
            );
            let mut looks = BTreeSet::new();
            while looks.len() < 2 {
                assert!(!run.is_finished(), "{:?}", run.join());
                looks.extend(rows(&mut gate, &waits));
                thread::sleep(Duration::from_millis(5));
            }
            open(&mut gate);
            run.join().unwrap().unwrap();
            other.join().unwrap();
        });
    });
}

#[test]
fn tables_of_others_are_read_whatever_the_session_has_set() {
    with(|_, conn| {
        conn.query_drop(
            "CREATE TABLE k (a VARCHAR(9), b VARBINARY(9), c INT INVISIBLE DEFAULT 7, d UUID);
            INSERT INTO k (a, b, d) VALUES ('abc', 'abc', '123e4567-e89b-12d3-a456-426614174000')",
        )
        .unwrap();
        let read = |conn: &mut Conn| {
            let table =
                Mysql::foreign_table(&mut &mut *conn, &TableName::new("k").unwrap(), &["a", "b", "c", "d"]);
            format!("{:?}", table.unwrap().unwrap())
        };
        let before = read(conn);
        assert!(before.contains("Number(7)") && before.contains("Text(\"abc\")"), "{before}");
        conn.query_drop("SET NAMES binary").unwrap();
        assert_eq!(read(conn), before);
    });
}
